//! Without the rights for BPF the agent works from /proc alone, says what is lost, and blames nobody it cannot judge.

mod support;

use std::time::Duration;

use freezer_lab::cases::{self, Stage};
use freezer_lab::judge::Aspect;
use freezer_lab::{Hierarchy, State, mounts, wait};
use serde_json::Value;
use support::{stage, without_bpf};

/// Whether the kernel shows everybody where a task sleeps: before 5.16 `wchan` is always 0 (fs/proc/base.c,
/// `proc_pid_wchan`), and a stack is for `CAP_SYS_ADMIN` alone.
fn is_shown(stage: &Stage) -> bool {
    // Who has just been woken sleeps nowhere for a moment.
    let shown = || {
        let wchan = std::fs::read_to_string(format!("/proc/{}/wchan", stage.blockers[0].tid));
        wchan.expect("the stuck task is there") != "0"
    };
    wait::until(Duration::from_secs(1), shown)
}

/// What can be told of a cause: not to know why is right where nothing shows it. Who came late is seen in any case.
fn told(cause: &'static str, stage: &Stage) -> &'static str {
    if is_shown(stage) || cause == "late-arrival" { cause } else { "uninterruptible" }
}

fn says_what_is_lost(document: &Value) {
    assert_eq!(document["observer"]["mode"], "proc", "{document:#}");
    let missing = document["observer"]["missing"].to_string();
    assert!(missing.contains("CAP_BPF and CAP_PERFMON"), "{missing}");
}

#[test]
fn a_blocked_task_is_still_named_and_frozen_ones_are_not() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let stage = stage(scene, "fuse-server-inside", hierarchy);
        let (code, document) = without_bpf(&["freeze", "--explain", "--timeout", "500ms"], &stage);
        assert_eq!(code, Some(3), "{document:#}");
        says_what_is_lost(&document);
        let blockers = document["blockers"].as_array().expect("a list");
        assert_eq!(blockers.len(), 1, "{document:#}");
        assert_eq!(blockers[0]["tid"], stage.blockers[0].tid, "{document:#}");
        assert_eq!(blockers[0]["cause"], told("fuse-request", &stage), "{document:#}");
        let summary = blockers[0]["summary"].as_str().expect("a sentence");
        assert!(!is_shown(&stage) || summary.contains("frozen by this same freeze"), "{summary}");
        assert_eq!(stage.cgroup.state().expect("a state"), State::Thawed);
    });
}

#[test]
fn sleepers_that_v1_froze_in_place_are_unknown_to_a_late_look_never_blamed() {
    support::on_each(&[Hierarchy::V1], |scene, hierarchy| {
        let stage = stage(scene, "fuse-server-outside", hierarchy);
        stage.cgroup.freeze().expect("the request is written");
        let (code, document) = without_bpf(&["explain"], &stage);
        assert_eq!(code, Some(0), "{document:#}");
        says_what_is_lost(&document);
        assert_eq!(document["outcome"], "freezing", "{document:#}");
        let blamed: Vec<_> =
            document["blockers"].as_array().expect("a list").iter().map(|b| &b["tid"]).collect();
        assert_eq!(blamed, [&Value::from(stage.blockers[0].tid)], "{document:#}");
        assert!(!document["unknown"].as_array().expect("a list").is_empty(), "{document:#}");
        assert_eq!(document["tasks"]["frozen"], Value::Null, "{document:#}");
    });
}

#[test]
fn whoever_owes_an_answer_is_named_without_bpf_too() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let all = cases::all();
        let can_be = |name: &&str| all.iter().any(|case| case.name == *name && case.missing().is_none());
        for name in ["seccomp-idle-beside", "autofs-one-of-two"].into_iter().filter(can_be) {
            let stage = stage(scene, name, hierarchy);
            let (code, document) = without_bpf(&["freeze", "--explain", "--timeout", "400ms"], &stage);
            assert_eq!(code, Some(3), "{document:#}");
            let mut wrong = freezer_lab::judge::blockers(&stage, &document);
            wrong.retain(|flaw| {
                is_shown(&stage) || [Aspect::Blockers, Aspect::FrozenBlamed].contains(&flaw.aspect)
            });
            assert!(wrong.is_empty(), "{wrong:?} {document:#}");
        }
    });
}

#[test]
fn a_device_and_a_limit_are_named_without_bpf_too() {
    let limited =
        if mounts::controller("blkio").is_ok() { "io-throttle-read" } else { "io-throttle-max-read" };
    for (name, cause, culprit) in
        [("block-io-loop-direct", "block-io", "task"), (limited, "io-throttle", "cgroup")]
    {
        support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
            let stage = stage(scene, name, hierarchy);
            let (code, document) = without_bpf(&["freeze", "--explain", "--timeout", "500ms"], &stage);
            assert_eq!(code, Some(3), "{document:#}");
            let blockers = document["blockers"].as_array().expect("a list");
            assert_eq!(blockers.len(), 1, "{document:#}");
            assert_eq!(blockers[0]["tid"], stage.blockers[0].tid, "{document:#}");
            assert_eq!(blockers[0]["cause"], told(cause, &stage), "{document:#}");
            let last = blockers[0]["waits_for"].as_array().and_then(|steps| steps.last());
            let kind = last.map(|step| &step["kind"]);
            assert_eq!(kind, is_shown(&stage).then(|| culprit.into()).as_ref(), "{document:#}");
        });
    }
}

#[test]
fn waits_of_tasks_and_late_arrivals_are_named_without_bpf_too() {
    // Not every kernel has v1's memory controller.
    let oom = mounts::controller("memory").ok().map(|_| "oom-wait");
    for name in ["late-arrival", "exec-stuck-thread"].into_iter().chain(oom) {
        support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
            let stage = stage(scene, name, hierarchy);
            let (code, document) = without_bpf(&["freeze", "--explain", "--timeout", "1s"], &stage);
            assert_eq!(code, Some(3), "{document:#}");
            says_what_is_lost(&document);
            named(&stage, &document, name == "late-arrival" && hierarchy == Hierarchy::V1);
            let details = document["tasks_detail"].as_array().expect("a list").iter();
            let late: Vec<_> = details.filter(|task| task["late"] == true).map(|task| &task["tid"]).collect();
            let came =
                if name == "late-arrival" { vec![Value::from(stage.blockers[1].tid)] } else { Vec::new() };
            assert_eq!(late, came.iter().collect::<Vec<_>>(), "{document:#}");
        });
    }
}

/// Every blocker with its cause, and nobody else. The last one may be unknown: /proc alone does not tell a task that v1
/// froze where it slept from one that sleeps on.
fn named(stage: &Stage, document: &Value, last_unknown: bool) {
    let found = document["blockers"].as_array().expect("a list");
    for one in found {
        let expected = stage.blockers.iter().find(|expected| one["tid"] == expected.tid);
        let expected = expected.unwrap_or_else(|| panic!("wrongly blamed: {one:#}"));
        assert_eq!(one["cause"], told(expected.cause, stage), "{one:#}");
    }
    let unknown = document["unknown"].as_array().expect("a list").iter();
    let unknown: Vec<_> = unknown.map(|one| &one["tid"]).collect();
    let doubtful =
        last_unknown && stage.blockers.last().is_some_and(|last| unknown.contains(&&last.tid.into()));
    assert_eq!(found.len() + usize::from(doubtful), stage.blockers.len(), "{document:#}");
}

#[test]
fn a_freeze_that_succeeds_claims_no_times_it_has_not_seen() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let stage = stage(scene, "sleepers", hierarchy);
        let (code, document) = without_bpf(&["freeze", "--explain"], &stage);
        assert_eq!(code, Some(0), "{document:#}");
        says_what_is_lost(&document);
        assert_eq!(document["latency"]["p50_ns"], Value::Null, "{document:#}");
        assert!(document["latency"]["request_to_frozen_ns"].is_u64(), "{document:#}");
        stage.cgroup.thaw().expect("thawed");
    });
}
