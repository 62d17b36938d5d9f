//! Every kind of screen, as a person sees it.

mod sections;

use super::render;
use crate::control::TaskCount;
use crate::explain::{Blocker, Cause, Certainty, Evidence, WaitsFor};
use crate::model::{
    Arrival, Caller, FreezerState, FrozenBy, Hierarchy, Latency, LatencyClock, Name, TaskState,
};
use crate::report::{
    Document, ObserverMode, ObserverReport, Outcome, Screen, SystemFreeze, TaskDetail, Tasks, UnknownTask,
};

fn wide() -> Screen {
    Screen { color: false, width: Some(100) }
}

fn tasks(total: usize, at_least: usize, at_most: usize) -> Tasks {
    TaskCount { total, at_least, at_most }.into()
}

fn document(outcome: Outcome, state: FreezerState) -> Document {
    Document {
        state: Some(state),
        elapsed_ns: 2_000_123_456,
        tasks: tasks(14, 13, 13),
        observer: Some(ObserverReport { mode: ObserverMode::Bpf, lost_events: 0, missing: vec![] }),
        ..Document::new(Name::from("/sys/fs/cgroup/freezer/0"), Some(Hierarchy::V1), outcome)
    }
}

fn blocker(tid: i32) -> Blocker {
    Blocker {
        tid,
        tgid: 4700,
        comm: Name::from(&b"back\x1bup"[..]),
        state: TaskState::Uninterruptible,
        since_ns: Some(38_200_000_000),
        cause: Cause::FuseRequest,
        certainty: Certainty::Certain,
        summary: "waits for the FUSE server of /mnt/data (sshfs, pid 4312), frozen by this same freeze"
            .into(),
        evidence: Evidence {
            stack: ["request_wait_answer", "__fuse_simple_request", "fuse_lookup_name"]
                .map(str::to_owned)
                .to_vec(),
            syscall: Some("newfstatat".into()),
            target: Some(Name::from("/mnt/data/x")),
            ..Evidence::default()
        },
        waits_for: vec![
            WaitsFor::Mount {
                path: "/mnt/data".into(),
                fstype: "fuse.sshfs".into(),
                source: "host:/".into(),
            },
            WaitsFor::Task {
                pid: 4312,
                tid: 4312,
                comm: "sshfs".into(),
                frozen: true,
                cgroup: Some("/sys/fs/cgroup/freezer/0".into()),
                frozen_by: vec![],
                frozen_after_ns: None,
            },
        ],
        release: "thaw; then freeze the server's cgroup last, or move pid 4312 out".into(),
    }
}

fn detail(tid: i32, frozen_after_ns: u64, arrival: Arrival) -> TaskDetail {
    TaskDetail {
        tid,
        tgid: Some(tid),
        comm: Some("worker".into()),
        arrival: Some(arrival),
        frozen_after_ns: Some(frozen_after_ns),
        until_woken_ns: Some(8_000),
        waited_for_cpu_ns: Some(frozen_after_ns.saturating_sub(48_000)),
        until_frozen_ns: Some(40_000),
        refrigerated_ns: None,
        late: false,
    }
}

fn with_latency(mut document: Document) -> Document {
    let times = [(4705, 1_200_000), (4702, 41_000), (4703, 310_000)];
    let by = |by: &str, tasks| FrozenBy { by: by.to_owned(), tasks };
    let frozen = vec![by("tp_btf sched_switch", 3), by("end of the write", 1)];
    let clock = LatencyClock { requested: "write".to_owned(), asked: None, frozen };
    document.latency = Some(Latency { clock, ..Latency::of(&times, None) });
    document.tasks_detail = times.iter().map(|&(tid, ns)| detail(tid, ns, Arrival::Entered)).collect();
    document.tasks_detail.push(detail(4709, 99_000, Arrival::InPlace));
    document
}

#[test]
fn a_timed_out_freeze_names_the_blocker_and_the_way_out() {
    let mut document = with_latency(document(Outcome::TimedOut, FreezerState::Thawed));
    document.restored = true;
    document.blockers = vec![blocker(4711)];
    insta::assert_snapshot!(render(&document, wide()));
}

#[test]
fn who_asked_for_the_freeze_is_named_with_how_long_ago_or_how_long_it_lasted() {
    let mut document = document(Outcome::Freezing, FreezerState::Freezing);
    document.requested_by = Some(Caller { tid: 13, pid: 12, comm: "runc".into() });
    document.elapsed_ns = 2_100_000_000;
    assert!(render(&document, wide()).contains("asked for by runc (pid 12), 2.10 s ago"));
    document.outcome = Outcome::Thawed;
    assert!(
        render(&document, wide()).contains("asked for by runc (pid 12) before, and taken back after 2.10 s")
    );
}

#[test]
fn a_clock_that_tells_when_each_task_was_asked_needs_no_mention() {
    let mut document = with_latency(document(Outcome::Frozen, FreezerState::Frozen));
    assert!(render(&document, wide()).contains("clock"));
    let latency = document.latency.as_mut().expect("it has one");
    latency.clock.asked = Some("fentry freeze_task".to_owned());
    assert!(!render(&document, wide()).contains("clock"));
}

#[test]
fn a_narrow_terminal_wraps_under_the_text() {
    let mut document = document(Outcome::TimedOut, FreezerState::Freezing);
    document.blockers = vec![blocker(4711)];
    insta::assert_snapshot!(render(&document, Screen { color: false, width: Some(60) }));
}

#[test]
fn many_blockers_of_one_cause_are_counted() {
    let mut document = document(Outcome::TimedOut, FreezerState::Freezing);
    document.blockers = (1..=40).map(blocker).collect();
    let text = render(&document, wide());
    assert!(text.contains("and 37 more tasks with fuse-request"), "{text}");
    assert!(text.lines().count() < 50, "more than a screen:\n{text}");
}

#[test]
fn many_blockers_of_many_causes_are_one_screen_with_every_cause_on_it() {
    let mut document = document(Outcome::TimedOut, FreezerState::Freezing);
    let of = |(tid, cause)| Blocker { cause, ..blocker(tid) };
    document.blockers = (1..).zip(Cause::ALL.into_iter().cycle().take(3000)).map(of).collect();
    let text = render(&document, wide());
    for cause in Cause::ALL {
        assert!(text.contains(cause.name()), "{text}");
    }
    assert!(text.lines().count() <= 80, "more than a screen:\n{text}");
}

#[test]
fn a_freeze_that_succeeds_shows_its_latency_too() {
    let mut document = with_latency(document(Outcome::Frozen, FreezerState::Frozen));
    document.elapsed_ns = 1_310_000;
    insta::assert_snapshot!(render(&document, wide()));
}

#[test]
fn loss_and_degradation_are_on_the_screen() {
    let mut document = document(Outcome::TimedOut, FreezerState::Thawed);
    document.tasks = tasks(14, 3, 13);
    document.observer = Some(ObserverReport {
        mode: ObserverMode::Proc,
        lost_events: 12,
        missing: vec!["bpf: needs CAP_BPF and CAP_PERFMON (EPERM)".into()],
    });
    document.unknown = vec![UnknownTask {
        tid: 9,
        tgid: 9,
        comm: "db".into(),
        state: TaskState::Uninterruptible,
        wchan: Some("hrtimer_nanosleep".into()),
    }];
    insta::assert_snapshot!(render(&document, wide()));
}

fn suspend(outcome: Outcome) -> Document {
    let freeze = SystemFreeze {
        by: Some(Caller { tid: 187, pid: 187, comm: "freezer-agent".into() }),
        through: Some("/dev/snapshot".to_owned()),
        kernel_threads: false,
        rounds: Some(257),
        limit_ns: Some(2_000_000_000),
        kernel_limit_ns: Some(20_000_000_000),
    };
    let cgroup = document(outcome, FreezerState::Thawed);
    let document = Document { restored: true, ..Document::system(outcome, freeze) };
    Document { state: cgroup.state, elapsed_ns: cgroup.elapsed_ns, tasks: cgroup.tasks, ..document }
}

#[test]
fn a_system_that_does_not_freeze_names_who_refused_and_who_gave_up() {
    let mut document = with_latency(suspend(Outcome::TimedOut));
    document.blockers = vec![blocker(4711)];
    insta::assert_snapshot!(render(&document, wide()));
}

#[test]
fn a_system_that_froze_is_thawed_again() {
    let mut document = with_latency(suspend(Outcome::Frozen));
    document.elapsed_ns = 2_750_000;
    if let Some(freeze) = &mut document.suspend {
        freeze.kernel_threads = true;
        freeze.through = None;
    }
    insta::assert_snapshot!(render(&document, wide()));
}

#[test]
fn while_nothing_freezes_the_system_it_is_told_who_would_refuse() {
    let mut document = suspend(Outcome::Thawed);
    document.suspend = Some(SystemFreeze::default());
    document.would_refuse = vec![blocker(4711)];
    insta::assert_snapshot!(render(&document, wide()));
}

#[test]
fn errors_say_what_to_do() {
    let mut document = document(Outcome::Error, FreezerState::Thawed);
    document.error = Some("cannot write freezer.state: permission denied; run as root".into());
    document.observer = None;
    insta::assert_snapshot!(render(&document, wide()));
}

#[test]
fn colour_is_escape_sequences_only_where_asked() {
    let document = document(Outcome::Frozen, FreezerState::Frozen);
    assert!(!render(&document, wide()).contains('\x1b'));
    assert!(render(&document, Screen { color: true, width: Some(100) }).contains('\x1b'));
}
