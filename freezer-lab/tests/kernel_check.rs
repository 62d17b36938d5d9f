//! `freezer-agent check`, on cgroups that would block, hurt or freeze well: what it foresees is what a freeze finds, and
//! nothing is changed by looking.

mod support;

use std::process::Command;

use freezer_lab::{Cgroup, Hierarchy, Job, State, agent, mounts};
use serde_json::Value;
use support::{SOON, on_each, stage, without_bpf};

/// Exit code and document; the cgroup is left as it was.
fn check(cgroup: &Cgroup) -> (i32, Value) {
    let before = cgroup.state().expect("a state");
    let ended = support::agent("check", cgroup, &["--json"]);
    assert_eq!(cgroup.state().expect("a state"), before, "nothing is changed");
    let document = ended.json().expect("one JSON object");
    let go = ended.code() == 0;
    assert_eq!(document["verdict"], if go { "go" } else { "no-go" }, "{document:#}");
    (ended.code(), document)
}

/// The findings of a kind.
fn of_kind<'d>(document: &'d Value, kind: &str) -> Vec<&'d Value> {
    document["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|finding| finding["kind"] == kind)
        .collect()
}

#[track_caller]
fn the_only<'d>(document: &'d Value, kind: &str) -> &'d Value {
    let found = of_kind(document, kind);
    assert_eq!(found.len(), 1, "{document:#}");
    found[0]
}

#[track_caller]
fn says(finding: &Value, text: &str) {
    assert!(finding["summary"].as_str().is_some_and(|summary| summary.contains(text)), "{text}: {finding:#}");
}

/// Whatever blocks a freeze for good is foreseen: the same task, the same cause.
#[test]
fn what_blocks_a_freeze_is_a_no_go_before_it() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        for name in ["fuse-server-outside", "fuse-read", "lock-directory", "userfault", "fuse-one-thread"] {
            let stage = stage(scene, name, hierarchy);
            let (code, document) = check(&stage.cgroup);
            assert_eq!(code, 3, "{name}: {document:#}");
            let stuck = the_only(&document, "stuck");
            let blocker = &stage.blockers[0];
            assert_eq!(
                (&stuck["tid"], &stuck["cause"]),
                (&blocker.tid.into(), &blocker.cause.into()),
                "{document:#}"
            );
            assert!(
                stuck["release"].as_str().is_some_and(|release| !release.starts_with("thaw")),
                "{stuck:#}"
            );
        }
    });
}

#[test]
fn what_can_never_freeze_is_told_from_what_is_stuck() {
    on_each(&[Hierarchy::V2], |scene, hierarchy| {
        for (name, kind) in [("kernel-thread", "kernel-thread"), ("frozen-elsewhere", "frozen-elsewhere")] {
            let stage = stage(scene, name, hierarchy);
            let (code, document) = check(&stage.cgroup);
            assert_eq!(code, 4, "{document:#}");
            assert_eq!(the_only(&document, kind)["tid"], stage.blockers[0].tid, "{document:#}");
        }
    });
}

#[test]
fn what_freezes_well_is_a_go() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        for name in ["sleepers", "busy", "stopped", "vfork", "fork-storm"] {
            let stage = stage(scene, name, hierarchy);
            let (code, document) = check(&stage.cgroup);
            assert_eq!(code, 0, "{name}: {document:#}");
            let harmless =
                document["findings"].as_array().expect("a list").iter().all(|f| f["grade"] != "no-go");
            assert!(harmless, "{document:#}");
        }
    });
}

/// A writer to a frozen filesystem: v1 freezes it in place, v2 waits for it.
#[test]
fn a_sleep_that_v1_freezes_in_place_is_no_obstacle_to_v1() {
    on_each(&[Hierarchy::V1], |scene, hierarchy| {
        let stage = stage(scene, "fs-frozen-write-v1", hierarchy);
        assert_eq!(check(&stage.cgroup).0, 0);
    });
    on_each(&[Hierarchy::V2], |scene, hierarchy| {
        let stage = stage(scene, "fs-frozen-write", hierarchy);
        let (code, document) = check(&stage.cgroup);
        assert_eq!((code, &the_only(&document, "stuck")["cause"]), (3, &"fs-frozen".into()), "{document:#}");
    });
}

#[test]
fn a_fuse_server_inside_is_named_with_its_mount_and_its_users_on_both_sides() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let (dir, server) = scene.silent_fuse(None).expect("a mount");
        scene[server].put_in(&cgroup).expect("moved in");
        let (code, document) = check(&cgroup);
        assert_eq!(code, 0, "{document:#}");
        let finding = the_only(&document, "fuse-server");
        assert_eq!(
            (&finding["pid"], &finding["grade"]),
            (&scene[server].pid().into(), &"note".into()),
            "{finding:#}"
        );
        says(finding, &dir.display().to_string());

        // One that has a file of it open, outside, and one that waits in a request, inside.
        let user =
            scene.worker(&Job::Read(dir.join(freezer_lab::fuse::SILENT_FILE))).expect("a user outside");
        let client = scene.worker_in(&cgroup, &Job::Stat(dir.join("hang"))).expect("a client inside");
        let pid = scene[client].pid();
        scene[client].wait_stuck(pid, 'S', "request_wait_answer", SOON).expect("it waits");
        let (code, document) = check(&cgroup);
        assert_eq!(code, 3, "{document:#}");
        let finding = the_only(&document, "fuse-server");
        assert_eq!(finding["grade"], "warn", "{finding:#}");
        says(finding, &format!("outside, freezer-lab ({})", scene[user].pid()));
        says(finding, &format!("inside too, freezer-lab ({pid})"));
        assert_eq!(the_only(&document, "stuck")["pid"], pid);
    });
}

#[test]
fn tracers_and_traced_are_warned_of_in_both_directions() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let task = scene.worker_in(&cgroup, &Job::Spin).expect("a task");
        let pid = scene[task].pid();
        let tracer = scene.worker(&Job::Trace(pid)).expect("a tracer");
        let (code, document) = check(&cgroup);
        assert_eq!((code, &the_only(&document, "tracee")["pid"]), (0, &pid.into()), "{document:#}");

        let other = scene.cgroup(hierarchy).expect("another cgroup");
        scene[tracer].put_in(&other).expect("moved in");
        let (code, document) = check(&other);
        assert_eq!(
            (code, &the_only(&document, "tracer")["pid"]),
            (0, &scene[tracer].pid().into()),
            "{document:#}"
        );

        scene[tracer].put_in(&cgroup).expect("moved in");
        let (_, document) = check(&cgroup);
        assert_eq!(the_only(&document, "tracee")["grade"], "note", "{document:#}");
    });
}

#[test]
fn a_quota_says_how_slow_about() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        if mounts::controller("cpu").is_err() {
            return support::skip("no v1 cpu controller");
        }
        let stage = stage(scene, "cpu-throttled", hierarchy);
        let (code, document) = check(&stage.cgroup);
        let quota = the_only(&document, "cpu-quota");
        assert_eq!((code, &quota["grade"]), (0, &"warn".into()), "{document:#}");
        says(quota, "1.00 ms of CPU in 1.00 s");
    });
}

#[test]
fn freezes_that_stand_already_are_told() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let parent = scene.cgroup(hierarchy).expect("a parent");
        let child = scene.child_of(&parent, "child").expect("a child");
        scene.worker_in(&child, &Job::Sleep).expect("a sleeper");
        child.freeze().expect("asked");
        child.wait_state(State::Frozen, SOON).expect("frozen");
        let (code, document) = check(&parent);
        assert_eq!(code, 0, "{document:#}");
        says(the_only(&document, "child-frozen"), &child.path().display().to_string());
        let (_, document) = check(&child);
        says(the_only(&document, "freeze-asked"), "FROZEN");

        child.thaw().expect("thawed");
        parent.freeze().expect("asked");
        parent.wait_state(State::Frozen, SOON).expect("frozen");
        let (code, document) = check(&child);
        assert_eq!(
            (code, &the_only(&document, "ancestor-frozen")["grade"]),
            (0, &"warn".into()),
            "{document:#}"
        );
    });
}

/// A shell in the cgroup runs the agent: inside too, or moved out first.
fn checked_by_a_shell_inside(cgroup: &Cgroup, agent_goes: &str) -> (Option<i32>, Value) {
    let script = format!(
        "echo $$ > {dir}/cgroup.procs || exit 99; sh -c 'echo $$ > {goes}/cgroup.procs && exec \"$0\" check --json --cgroup {dir}' {agent}; \
         code=$?; echo $$ > {out}/cgroup.procs; exit $code",
        dir = cgroup.path().display(),
        goes = agent_goes,
        out = mounts::freezer(cgroup.hierarchy()).expect("a root").display(),
        agent = agent::path().expect("the agent is built").display(),
    );
    let output = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    let json = serde_json::from_slice(&output.stdout);
    (output.status.code(), json.unwrap_or_else(|error| panic!("{error}: {output:?}")))
}

#[test]
fn the_agent_and_its_shell_inside_are_seen() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let own = cgroup.path().display().to_string();
        let (code, document) = checked_by_a_shell_inside(&cgroup, &own);
        assert_eq!(code, Some(7), "{document:#}");
        the_only(&document, "own-cgroup");

        let root = mounts::freezer(hierarchy).expect("a root").display().to_string();
        let (code, document) = checked_by_a_shell_inside(&cgroup, &root);
        assert_eq!(code, Some(0), "{document:#}");
        assert_eq!(the_only(&document, "terminal")["grade"], "warn", "{document:#}");
    });
}

#[test]
fn the_root_and_the_cgroup_of_process_1_are_refused() {
    let Some(_turn) = support::turn() else { return };
    for hierarchy in support::present(&Hierarchy::BOTH) {
        let output = Command::new(agent::path().expect("the agent is built"))
            .args(["check", "--json", "--cgroup", ".", "--hierarchy", &hierarchy.to_string()])
            .output()
            .expect("the agent runs");
        let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        assert_eq!((output.status.code(), &document["verdict"]), (Some(7), &"no-go".into()), "{document:#}");
        the_only(&document, "root-cgroup");
    }
}

#[test]
fn without_bpf_the_same_is_foreseen_from_proc_and_the_loss_is_said() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let stage = stage(scene, "fuse-server-outside", hierarchy);
        let (code, document) = without_bpf(&["check"], &stage);
        assert_eq!(code, Some(3), "{document:#}");
        assert_eq!(the_only(&document, "stuck")["tid"], stage.blockers[0].tid, "{document:#}");
        assert_eq!(document["observer"]["mode"], "proc", "{document:#}");
    });
}

#[test]
fn the_text_is_a_line_for_each_finding_and_the_verdict_last() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let stage = stage(scene, "fuse-server-outside", hierarchy);
        let ended = support::agent("check", &stage.cgroup, &[]);
        assert!(ended.stdout.starts_with("no-go  "), "{}", ended.stdout);
        let last = ended.stdout.lines().last().expect("a verdict");
        assert!(last.starts_with("NO-GO  ") || ended.stdout.contains("\nNO-GO  "), "{}", ended.stdout);
        assert!(ended.stdout.contains(&stage.blockers[0].tid.to_string()), "{}", ended.stdout);
    });
}

/// Those who decide about others are seen where they sit inside.
#[test]
fn supervisors_inside_are_warned_of() {
    on_each(&[Hierarchy::V2], |scene, hierarchy| {
        for (name, kind) in [
            ("fanotify-inside", "fanotify-listener"),
            ("seccomp-inside", "seccomp-supervisor"),
            ("autofs-inside", "autofs-daemon"),
        ] {
            let stage = stage(scene, name, hierarchy);
            let (_, document) = check(&stage.cgroup);
            assert_eq!(the_only(&document, kind)["grade"], "warn", "{name}: {document:#}");
        }
    });
}
