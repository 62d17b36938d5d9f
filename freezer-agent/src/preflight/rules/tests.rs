//! Each subject by what must be said of it, and how badly.

use super::super::sight::{Refused, RequestSeen, Served, Supervises, Supervisor, Trace};
use super::super::{Obstacle, examine, obstacle};
use super::*;
use crate::explain::facts::{CpuQuota, MountFacts};
use crate::explain::{Blocker, Cause, Certainty, Evidence, Foreseen};
use crate::model::{FreezerState, Hierarchy, TaskState};
use crate::preflight::{Grade, Kind};

pub fn sight(hierarchy: Hierarchy) -> Sight {
    Sight {
        hierarchy,
        cgroup: "/cg/0".into(),
        tasks: 12,
        request: Some(RequestSeen { state: FreezerState::Thawed, own: false, ancestor: None, inner: vec![] }),
        refusal: None,
        foreseen: vec![],
        kernel_threads: vec![],
        traces: vec![],
        fuse: vec![],
        supervisors: vec![],
        dumping: vec![],
        executing: vec![],
        quotas: vec![],
        ancestry: vec![],
        gaps: vec![],
    }
}

fn party(tid: i32, comm: &str, inside: bool) -> Party {
    Party { pid: tid, tid, comm: comm.into(), inside }
}

fn foreseen(cause: Cause, unmoved: bool, since_ns: u64) -> Foreseen {
    let blocker = Blocker {
        tid: 7,
        tgid: 7,
        comm: "backup".into(),
        state: TaskState::Uninterruptible,
        since_ns: Some(since_ns),
        cause,
        certainty: Certainty::Likely,
        summary: "waits for something".into(),
        evidence: Evidence::default(),
        waits_for: vec![],
        release: "thaw; then do something".into(),
    };
    Foreseen { blocker, unmoved, impossible: cause == Cause::KernelThread }
}

fn served(clients: Vec<Party>) -> Served {
    let mount = MountFacts {
        id: 1,
        major: 0,
        minor: 39,
        path: "/mnt/a".into(),
        fstype: "fuse.x".into(),
        source: "x".into(),
        fs_frozen: None,
    };
    Served { server: party(4, "sshfs", true), mounts: vec![mount], certain: true, clients }
}

#[track_caller]
fn only(sight: &Sight) -> Finding {
    let mut findings = examine(sight);
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.remove(0)
}

#[test]
fn a_quiet_cgroup_is_a_go_without_a_word() {
    assert!(examine(&sight(Hierarchy::V1)).is_empty());
    assert_eq!(obstacle(&[]), None);
}

#[test]
fn a_wait_that_lasts_is_in_the_way_and_one_in_passing_is_a_warning() {
    let look = |foreseen| only(&Sight { foreseen: vec![foreseen], ..sight(Hierarchy::V2) });
    let found = look(foreseen(Cause::FuseRequest, true, 1_000));
    assert_eq!(
        (found.grade, found.obstacle, found.cause),
        (Grade::NoGo, Some(Obstacle::Stuck), Some(Cause::FuseRequest))
    );
    assert_eq!(found.release, "do something", "nothing is frozen that could be thawed");
    assert_eq!(look(foreseen(Cause::FuseRequest, false, 1_000)).grade, Grade::Warn);
    assert_eq!(
        look(foreseen(Cause::Uninterruptible, true, 200_000_000)).grade,
        Grade::Warn,
        "a disk, perhaps"
    );
    assert_eq!(look(foreseen(Cause::Uninterruptible, true, 1_200_000_000)).grade, Grade::NoGo);
}

#[test]
fn what_is_refused_is_said_before_what_can_never_be_and_that_before_what_is_stuck() {
    let foreseen = vec![foreseen(Cause::FuseRequest, true, 0), foreseen(Cause::KernelThread, false, 0)];
    let mut sight = Sight { foreseen, ..sight(Hierarchy::V2) };
    assert_eq!(obstacle(&examine(&sight)), Some(Obstacle::Impossible));
    sight.refusal = Some(Refused { kind: Kind::OwnCgroup, why: "it is ours".into() });
    assert_eq!(obstacle(&examine(&sight)), Some(Obstacle::Refused));
}

#[test]
fn a_kernel_thread_in_v1_hurts_only_where_it_would_be_frozen() {
    let look = |freezable| {
        let kernel_threads = vec![(party(9, "jbd2", true), freezable)];
        only(&Sight { kernel_threads, ..sight(Hierarchy::V1) })
    };
    assert_eq!((look(true).grade, look(false).grade), (Grade::Warn, Grade::Note));
}

#[test]
fn a_fuse_server_names_its_users_on_either_side() {
    let look = |clients| only(&Sight { fuse: vec![served(clients)], ..sight(Hierarchy::V2) });
    let both = look(vec![party(5, "make", true), party(6, "bash", false)]);
    assert_eq!((both.kind, both.grade, both.pid), (Kind::FuseServer, Grade::Warn, Some(4)));
    assert!(
        both.summary.contains("inside too, make (5)") && both.summary.contains("outside, bash (6)"),
        "{both:?}"
    );
    assert!(both.summary.contains("/mnt/a"), "{both:?}");
    assert_eq!(look(vec![]).grade, Grade::Note);
    let many = look((10..20).map(|tid| party(tid, "w", false)).collect());
    assert!(many.summary.contains("w (12) and 7 more"), "{many:?}");
}

#[test]
fn tracers_are_told_from_the_traced_and_both_inside_hurt_nobody() {
    let look = |tracer: bool, tracee: bool| {
        let trace = Trace { tracer: party(1, "gdb", tracer), tracee: party(2, "db", tracee) };
        let found = only(&Sight { traces: vec![trace], ..sight(Hierarchy::V1) });
        (found.kind, found.grade)
    };
    assert_eq!(look(true, false), (Kind::Tracer, Grade::Warn));
    assert_eq!(look(false, true), (Kind::Tracee, Grade::Warn));
    assert_eq!(look(true, true), (Kind::Tracee, Grade::Note));
}

#[test]
fn a_core_dump_is_cut_short_by_v1_and_waited_for_by_v2() {
    let look = |hierarchy| only(&Sight { dumping: vec![party(3, "app", true)], ..sight(hierarchy) });
    assert_eq!((look(Hierarchy::V1).grade, look(Hierarchy::V2).grade), (Grade::Warn, Grade::NoGo));
}

#[test]
fn a_quota_says_how_slow_it_may_get() {
    let look = |quota_us, period_us| {
        let quota = CpuQuota {
            cgroup: "/cpu/a".into(),
            quota_us,
            period_us,
            throttled_times: Some(0),
            covers: vec![],
        };
        only(&Sight { quotas: vec![quota], ..sight(Hierarchy::V1) })
    };
    let tight = look(1_000, 1_000_000);
    assert_eq!(tight.grade, Grade::Warn);
    assert!(tight.summary.contains("12 tasks may take about 999 ms"), "{tight:?}");
    assert_eq!(look(50_000, 100_000).grade, Grade::Note);
    let tighter = look(100, 100_000);
    assert!(tighter.summary.contains("about 700 ms"), "12 tasks need six more periods: {tighter:?}");
}

#[test]
fn those_who_decide_about_others_are_named_with_whom() {
    let look = |by| {
        only(&Sight {
            supervisors: vec![Supervisor { who: party(8, "sup", true), by }],
            ..sight(Hierarchy::V1)
        })
    };
    let seccomp = look(Supervises::Seccomp(vec![party(9, "box", false)]));
    assert!(seccomp.summary.contains("outside perhaps box (9)"), "{seccomp:?}");
    let fanotify = look(Supervises::Fanotify(vec!["/srv".into(), "/srv".into()]));
    assert!(fanotify.summary.contains("on /srv (fanotify)"), "{fanotify:?}");
    assert_eq!(look(Supervises::Autofs("/net".into())).kind, Kind::AutofsDaemon);
}

#[test]
fn freezes_that_are_asked_for_already_are_told_by_who_asks() {
    let request = RequestSeen {
        state: FreezerState::Frozen,
        own: true,
        ancestor: Some("/cg".into()),
        inner: vec!["/cg/0/a".into()],
    };
    let found = examine(&Sight { request: Some(request), ..sight(Hierarchy::V2) });
    let kinds: Vec<_> = found.iter().map(|finding| (finding.kind, finding.grade)).collect();
    assert_eq!(
        kinds,
        [
            (Kind::AncestorFrozen, Grade::Warn),
            (Kind::FreezeAsked, Grade::Note),
            (Kind::ChildFrozen, Grade::Note)
        ]
    );
}
