//! Without the rights for BPF a slow freeze is explained from /proc: by looks at the late tasks, and by the scheduler's own
//! accounts of their time. What it hurts is told too, but for waits on locks, whose owners /proc does not name.

mod support;

use freezer_lab::Hierarchy;
use freezer_lab::cases::Stage;
use serde_json::Value;
use support::{stage_ready, without_bpf};

/// What is said of the one slow task of a case that freezes in the end, live and by a replay.
fn slow_task(name: &str, check: impl Fn(&Stage, &Value)) {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let stage = stage_ready(scene, name, hierarchy);
        let folder = scene.directory().expect("a folder");
        let record = folder.join("record.json");
        let record = record.to_str().expect("a plain name");
        let (code, document) = without_bpf(&["freeze", "--explain", "--record", record], &stage);
        assert_eq!((code, &document["outcome"]), (Some(0), &"frozen".into()), "{document:#}");
        let expected = &stage.slow[0].task;
        let slow = document["slow"].as_array().expect("a list").iter();
        let slow: Vec<_> = slow.filter(|task| task["tid"] == expected.tid).collect();
        assert_eq!(slow.len(), 1, "{document:#}");
        assert!(slow[0]["last_seen_not_frozen_ns"].as_u64().is_some_and(|ns| ns >= 100_000_000), "{slow:#?}");
        assert_eq!(slow[0]["request_to_frozen_ns"], Value::Null, "no event tells: {slow:#?}");
        check(&stage, slow[0]);
        let replayed = support::replay(record);
        for field in ["outcome", "slow", "slow_limit_ns", "side_effects", "tasks"] {
            assert_eq!(replayed[field], document[field], "{field}: {replayed:#}");
        }
    });
}

fn ms(task: &Value, stage: &str) -> u64 {
    task["stages"][stage].as_u64().unwrap_or_else(|| panic!("no {stage}: {task:#}")) / 1_000_000
}

#[test]
fn a_slow_server_is_named_and_its_client_slept_meanwhile() {
    slow_task("slow-fuse", |_, task| {
        assert_eq!(task["cause"], "fuse-request", "{task:#}");
        assert!(ms(task, "asleep_ns") > ms(task, "running_ns") + ms(task, "runnable_ns"), "{task:#}");
    });
}

/// /proc names no owner, and a lock without one is not guessed at.
#[test]
fn a_lock_is_told_without_its_owner() {
    slow_task("slow-lock", |_, task| {
        assert_eq!((&task["cause"], &task["certainty"]), (&"lock-held".into(), &"guess".into()), "{task:#}");
        assert_eq!(task["waits_for"], Value::Array(Vec::new()), "{task:#}");
    });
}

#[test]
fn long_work_in_the_kernel_is_told_by_the_time_it_took() {
    slow_task("slow-munmap", |_, task| {
        // On a loaded machine others may have most of the CPU.
        let work = ["kernel-work", "cpu-starved"].iter().any(|cause| task["cause"] == *cause);
        assert!(work, "{task:#}");
        assert!(ms(task, "running_ns") + ms(task, "runnable_ns") > ms(task, "asleep_ns"), "{task:#}");
    });
}

#[test]
fn an_exit_is_told() {
    slow_task("slow-exit", |_, task| assert_eq!(task["cause"], "exiting", "{task:#}"));
}

/// Its quota gives a task nothing for most of a second, which is longer than any look; somebody else on its CPU leaves a
/// doubt.
#[test]
fn a_task_that_gets_no_cpu_under_a_quota_is_throttled_or_there_is_a_doubt() {
    slow_task("slow-quota", |stage, task| {
        let holder = &stage.slow[0].task.waits_for[0];
        let throttled = task["cause"] == "cpu-throttled"
            && task["waits_for"][0]["kind"] == "cgroup"
            && format!("{holder:?}").contains(task["waits_for"][0]["path"].as_str().unwrap_or("-"));
        let doubt = task["cause"] == "cpu-starved" && task["certainty"] == "guess";
        assert!(throttled || doubt, "{task:#}");
        assert!(ms(task, "runnable_ns") > ms(task, "running_ns"), "{task:#}");
    });
}

#[test]
fn whom_it_hurts_is_told_but_for_waits_on_locks() {
    for (name, hierarchies) in
        [("hurts-fuse-client", &Hierarchy::BOTH[..]), ("hurts-tracer", &[Hierarchy::V1])]
    {
        support::on_each(hierarchies, |scene, hierarchy| {
            let stage = stage_ready(scene, name, hierarchy);
            let (code, document) = without_bpf(&["freeze", "--explain"], &stage);
            assert_eq!(code, Some(0), "{document:#}");
            let wrong = freezer_lab::judge::hurts(&stage, &document);
            assert!(wrong.is_empty(), "{wrong:?} {document:#}");
        });
    }
    support::on_each(&[Hierarchy::V1], |scene, hierarchy| {
        let stage = stage_ready(scene, "hurts-lock-waiter", hierarchy);
        let (code, document) = without_bpf(&["freeze", "--explain"], &stage);
        assert_eq!((code, &document["side_effects"]), (Some(0), &Value::Null), "{document:#}");
        assert!(document["observer"]["missing"].to_string().contains("no lock owners"), "{document:#}");
    });
}
