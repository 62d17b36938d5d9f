//! `explain --for`: who asks for a freeze while it watches is named, and the freeze is timed from that request.

mod support;

use std::process::Command;
use std::thread;
use std::time::Duration;

use freezer_lab::{Hierarchy, Job, agent};
use serde_json::Value;

/// By then it has loaded its programs, however slowly, and it watches for twice as long again.
const LOADED: Duration = Duration::from_secs(2);
const WATCH: [&str; 3] = ["--json", "--for", "4s"];

/// How a program is attached to one of `targets`, by `doctor`; `None` where it is not.
fn attached(hierarchy: Hierarchy, targets: &[&str]) -> Option<String> {
    let output = Command::new(agent::path().expect("the agent is built"))
        .args(["doctor", "--json"])
        .output()
        .expect("it runs");
    let document: Value = serde_json::from_slice(&output.stdout).expect("one object");
    let freezers = document["freezers"].as_array().expect("a list");
    let freezer = freezers.iter().find(|one| one["hierarchy"] == hierarchy.to_string()).expect("a freezer");
    let programs = freezer["programs"].as_array().expect("a list");
    let found = programs.iter().find(|one| targets.iter().any(|target| one["target"] == *target))?;
    let word = |key: &str| found[key].as_str().expect("a name");
    Some(format!("{} {}", word("by"), word("target")))
}

#[test]
fn who_asks_while_explain_watches_is_named_and_the_freeze_is_timed() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        scene.worker_in(&cgroup, &Job::Spin).expect("a worker");
        let seen = attached(hierarchy, &["freezer_apply_state", "cgroup_freeze"]);
        let run = agent::start("explain", &cgroup, &WATCH).expect("it starts");
        thread::sleep(LOADED);
        cgroup.freeze().expect("asked");
        let document = run.end().expect("it ends").json().expect("one object");
        assert_eq!(document["outcome"], "frozen", "{document:#}");
        let Some(seen) = seen else {
            // A kernel on which nothing tells of a request to v1: unknown, and the reason is given.
            assert_eq!(hierarchy, Hierarchy::V1, "{document:#}");
            assert_eq!(document["requested_by"], Value::Null, "{document:#}");
            assert!(
                document["observer"]["missing"].to_string().contains("freezer_apply_state"),
                "{document:#}"
            );
            return;
        };
        assert_eq!(document["requested_by"]["pid"], std::process::id(), "{document:#}");
        let latency = &document["latency"];
        assert_eq!(latency["clock"]["requested"], seen, "{document:#}");
        let asked = attached(hierarchy, &["freeze_task", "cgroup_freeze_task"]);
        assert_eq!(latency["clock"]["asked"].as_str(), asked.as_deref(), "{document:#}");
        assert_eq!(latency["clock"]["frozen"][0]["tasks"], 1, "{document:#}");
        let took = latency["max_ns"].as_u64().expect("a time");
        assert!(
            took > 0 && took < 1_000_000_000,
            "from the request, not from the begin of the watch: {document:#}"
        );
    });
}

#[test]
fn a_request_from_before_the_watch_has_no_known_maker() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let stage = support::stage(scene, "fuse-server-outside", hierarchy);
        stage.cgroup.freeze().expect("asked");
        let run = agent::start("explain", &stage.cgroup, &["--json", "--for", "3s"]).expect("it starts");
        thread::sleep(LOADED);
        // v1 tells of this one, too.
        stage.cgroup.freeze().expect("asked again");
        let document = run.end().expect("it ends").json().expect("one object");
        assert_eq!(document["outcome"], "freezing", "{document:#}");
        assert_eq!(document["requested_by"], Value::Null, "{document:#}");
        assert_eq!(document["latency"], Value::Null, "{document:#}");
    });
}

#[test]
fn a_stuck_freeze_by_somebody_else_is_counted_from_its_request() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let stage = support::stage(scene, "fuse-server-outside", hierarchy);
        let seen = attached(hierarchy, &["freezer_apply_state", "cgroup_freeze"]);
        let run = agent::start("explain", &stage.cgroup, &WATCH).expect("it starts");
        thread::sleep(LOADED);
        stage.cgroup.freeze().expect("asked");
        let document = run.end().expect("it ends").json().expect("one object");
        assert_eq!(document["outcome"], "freezing", "{document:#}");
        assert_eq!(document["blockers"][0]["cause"], "fuse-request", "{document:#}");
        let by = seen.map_or(Value::Null, |_| Value::from(std::process::id()));
        assert_eq!(document["requested_by"].get("pid").cloned().unwrap_or_default(), by, "{document:#}");
        let since = Duration::from_nanos(document["elapsed_ns"].as_u64().expect("a time"));
        assert!(by.is_null() || since < LOADED + Duration::from_secs(2), "{document:#}");
    });
}
