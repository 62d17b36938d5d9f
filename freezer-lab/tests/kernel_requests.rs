//! `explain --for`: who asks for a freeze while it watches is named, and the freeze is timed from that request.

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use freezer_lab::agent::{self, Run};
use freezer_lab::{Cgroup, Hierarchy, Job, State, wait};
use serde_json::Value;

/// Starts an `explain` of a cgroup, and waits until it watches: then it samples, after its programs are loaded.
fn watching(cgroup: &Cgroup) -> Run {
    let run = agent::start("explain", cgroup, &["--json", "--for", "2s"]).expect("it starts");
    let process = PathBuf::from(format!("/proc/{}", run.pid()));
    let samples = || {
        let mut open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let is_perf = |fd: &fs::DirEntry| {
            let link = fs::read_link(fd.path()).unwrap_or_default();
            let info = fs::read_to_string(process.join("fdinfo").join(fd.file_name())).unwrap_or_default();
            // Before 5.15 there is no link for it.
            link.to_string_lossy().contains("[perf_event]") || info.contains("link_type:\tperf")
        };
        open.any(|fd| is_perf(&fd))
    };
    assert!(wait::until(support::SOON, samples), "it never watches");
    // Kprobes and classic tracepoints have such descriptors, too, a little earlier.
    thread::sleep(Duration::from_millis(300));
    run
}

/// The programs that `doctor` can attach, way and target.
fn programs(hierarchy: Hierarchy) -> Vec<(String, String)> {
    static DOCTOR: OnceLock<Value> = OnceLock::new();
    let document = DOCTOR.get_or_init(|| {
        let agent = agent::path().expect("the agent is built");
        let output = Command::new(agent).args(["doctor", "--json"]).output().expect("it runs");
        serde_json::from_slice(&output.stdout).expect("one object")
    });
    let freezers = document["freezers"].as_array().expect("a list");
    let freezer = freezers.iter().find(|one| one["hierarchy"] == hierarchy.to_string()).expect("a freezer");
    let programs = freezer["programs"].as_array().expect("a list");
    let word = |one: &Value, key: &str| one[key].as_str().expect("a name").to_owned();
    programs.iter().map(|one| (word(one, "by"), word(one, "target"))).collect()
}

/// How a program is attached to one of `targets`; `None` where it is not.
fn attached(hierarchy: Hierarchy, targets: &[&str]) -> Option<String> {
    let all = programs(hierarchy);
    let (by, target) = all.iter().find(|(_, target)| targets.contains(&target.as_str()))?;
    Some(format!("{by} {target}"))
}

#[test]
fn a_request_from_before_the_watch_has_no_known_maker() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let stage = support::stage(scene, "fuse-server-outside", hierarchy);
        stage.cgroup.freeze().expect("asked");
        let run = watching(&stage.cgroup);
        // v1 tells of this one, too.
        stage.cgroup.freeze().expect("asked again");
        let document = run.end().expect("it ends").json().expect("one object");
        assert_eq!(document["outcome"], "freezing", "{document:#}");
        assert_eq!(document["requested_by"], Value::Null, "{document:#}");
        assert_eq!(document["latency"], Value::Null, "{document:#}");
    });
}

#[test]
fn who_asks_while_explain_watches_is_named_and_the_freeze_is_timed_to_its_end() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        scene.worker_in(&cgroup, &Job::Spin).expect("a worker");
        let seen = attached(hierarchy, &["freezer_apply_state", "cgroup_freeze"]);
        let run = watching(&cgroup);
        let asked = Instant::now();
        cgroup.freeze().expect("asked");
        let frozen = || cgroup.state().is_ok_and(|state| state == State::Frozen);
        assert!(wait::until(support::SOON, frozen), "it freezes");
        thread::sleep(Duration::from_millis(300));
        cgroup.thaw().expect("thawed");
        let thawed = asked.elapsed();
        let document = run.end().expect("it ends").json().expect("one object");
        assert_eq!(document["outcome"], "thawed", "{document:#}");
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
        let lasted = 300_000_000..u64::try_from(thawed.as_nanos()).expect("not that long");
        assert!(lasted.contains(&document["elapsed_ns"].as_u64().expect("a time")), "{document:#}");
        let latency = &document["latency"];
        let asked = attached(hierarchy, &["freeze_task", "cgroup_freeze_task"]);
        assert_eq!(latency["clock"]["requested"], seen, "{document:#}");
        assert_eq!(latency["clock"]["asked"].as_str(), asked.as_deref(), "{document:#}");
        assert_eq!(latency["clock"]["frozen"][0]["tasks"], 1, "{document:#}");
        let took = latency["max_ns"].as_u64().expect("a time");
        assert!(took > 0 && took < 1_000_000_000, "from the request, not from the begin: {document:#}");
        let inside = document["tasks_detail"][0]["refrigerated_ns"].as_u64();
        let told = programs(hierarchy).iter().any(|(by, _)| by == "fexit");
        assert_eq!(inside.is_some(), told, "{document:#}");
        // It runs a little after it was thawed.
        assert!(inside.is_none_or(|inside| inside > 250_000_000), "{document:#}");
    });
}

#[test]
fn a_stuck_freeze_by_somebody_else_is_counted_from_its_request() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let stage = support::stage(scene, "fuse-server-outside", hierarchy);
        let seen = attached(hierarchy, &["freezer_apply_state", "cgroup_freeze"]);
        let run = watching(&stage.cgroup);
        let asked = Instant::now();
        stage.cgroup.freeze().expect("asked");
        let document = run.end().expect("it ends").json().expect("one object");
        let ended = asked.elapsed();
        assert_eq!(document["outcome"], "freezing", "{document:#}");
        assert_eq!(document["blockers"][0]["cause"], "fuse-request", "{document:#}");
        let by = seen.map_or(Value::Null, |_| Value::from(std::process::id()));
        assert_eq!(document["requested_by"].get("pid").cloned().unwrap_or_default(), by, "{document:#}");
        let since = Duration::from_nanos(document["elapsed_ns"].as_u64().expect("a time"));
        assert!(by.is_null() || since < ended && ended < since * 2, "{since:?} of {ended:?}: {document:#}");
    });
}
