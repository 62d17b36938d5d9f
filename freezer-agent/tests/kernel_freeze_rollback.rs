//! What a freeze that does not succeed leaves behind.

mod support;

use std::time::{Duration, Instant};

use freezer_agent::model::Hierarchy;
use nix::sys::signal::Signal;
use support::{Finished, Helper, TestCgroup, agent, agent_that_waits, hierarchies, signal};

fn stuck(hierarchy: Hierarchy) -> (TestCgroup, Helper) {
    let cgroup = TestCgroup::new(hierarchy);
    let helper = Helper::start("stuck", &cgroup);
    (cgroup, helper)
}

#[test]
fn after_a_time_out_the_request_is_taken_back() {
    for hierarchy in hierarchies() {
        let (cgroup, _helper) = stuck(hierarchy);
        let start = Instant::now();
        let freeze = agent(&["freeze", "--cgroup", cgroup.path(), "--timeout", "300ms", "--json"]);
        assert_eq!(freeze.code, 3, "{freeze:?}");
        assert!((300..3000).contains(&start.elapsed().as_millis()));
        let json = freeze.json();
        assert_eq!(json["outcome"], "timed_out");
        assert_eq!((&json["state"], &json["restored"]), (&"THAWED".into(), &true.into()));
        // The stuck task tries its fault again and again: /proc shows it now asleep, now awake, and cannot always tell
        // it from a frozen one. It never counts as surely frozen.
        let (at_least, total) = (json["tasks"]["frozen_at_least"].as_u64(), json["tasks"]["total"].as_u64());
        assert!(at_least < total, "{json}");
        assert!(!cgroup.is_requested());
    }
}

#[test]
fn told_to_leave_it_the_request_stands() {
    for hierarchy in hierarchies() {
        let (cgroup, _helper) = stuck(hierarchy);
        let args =
            ["freeze", "--cgroup", cgroup.path(), "--timeout", "100ms", "--on-timeout", "leave", "--json"];
        let freeze = agent(&args);
        assert_eq!(freeze.code, 3, "{freeze:?}");
        let json = freeze.json();
        assert_eq!((&json["state"], &json["restored"]), (&"FREEZING".into(), &false.into()));
        assert!(cgroup.is_requested());
    }
}

#[test]
fn a_request_that_somebody_else_made_stays() {
    for hierarchy in hierarchies() {
        let (cgroup, _helper) = stuck(hierarchy);
        cgroup.request(true);
        let freeze = agent(&["freeze", "--cgroup", cgroup.path(), "--timeout", "100ms", "--json"]);
        assert_eq!(freeze.code, 3, "{freeze:?}");
        assert_eq!(freeze.json()["restored"], false);
        assert!(cgroup.is_requested());
    }
}

#[test]
fn signals_roll_back_and_give_128_plus_their_number() {
    for hierarchy in hierarchies() {
        for (sent, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
            let (cgroup, _helper) = stuck(hierarchy);
            let child = agent_that_waits(&cgroup, &["freeze", "--cgroup", cgroup.path(), "--json"]);
            signal(&child, sent);
            let freeze = Finished::from(child.wait_with_output().expect("an end"));
            assert_eq!(freeze.code, code, "{freeze:?}");
            assert_eq!(freeze.json()["restored"], true);
            assert!(!cgroup.is_requested());
        }
    }
}

#[test]
fn after_kill_9_the_plain_request_remains_to_be_seen_and_undone() {
    for hierarchy in hierarchies() {
        let (cgroup, _helper) = stuck(hierarchy);
        let child = agent_that_waits(&cgroup, &["freeze", "--cgroup", cgroup.path()]);
        signal(&child, Signal::SIGKILL);
        child.wait_with_output().expect("an end");
        let status = agent(&["status", "--cgroup", cgroup.path()]);
        assert!(status.stdout.starts_with("FREEZING"), "{status:?}");
        assert_eq!(agent(&["thaw", "--cgroup", cgroup.path()]).code, 0);
        assert!(!cgroup.is_requested());
    }
}

#[test]
fn a_cgroup_removed_in_the_middle_is_gone_not_a_crash() {
    for hierarchy in hierarchies() {
        let (cgroup, helper) = stuck(hierarchy);
        let child = agent_that_waits(&cgroup, &["freeze", "--cgroup", cgroup.path(), "--json"]);
        signal(&child, Signal::SIGSTOP);
        support::add_to(cgroup.dir.parent().expect("the root"), helper.pid());
        std::fs::remove_dir(&cgroup.dir).expect("an empty cgroup");
        signal(&child, Signal::SIGCONT);
        let freeze = Finished::from(child.wait_with_output().expect("an end"));
        assert_eq!(freeze.code, 6, "{freeze:?}");
        assert!(freeze.stderr.contains("went away"), "{freeze:?}");
    }
}

#[test]
fn a_thaw_by_somebody_else_ends_the_wait() {
    for hierarchy in hierarchies() {
        let (cgroup, _helper) = stuck(hierarchy);
        let child = agent_that_waits(&cgroup, &["freeze", "--cgroup", cgroup.path()]);
        std::thread::sleep(Duration::from_millis(50));
        cgroup.request(false);
        let freeze = Finished::from(child.wait_with_output().expect("an end"));
        assert_eq!(freeze.code, 1, "{freeze:?}");
        assert!(freeze.stderr.contains("somebody else thawed"), "{freeze:?}");
    }
}

#[test]
fn the_freeze_completes_when_the_blocker_leaves() {
    for hierarchy in hierarchies() {
        let (cgroup, helper) = stuck(hierarchy);
        let child = agent_that_waits(&cgroup, &["freeze", "--cgroup", cgroup.path()]);
        std::thread::sleep(Duration::from_millis(50));
        support::add_to(cgroup.dir.parent().expect("the root"), helper.pid());
        let freeze = Finished::from(child.wait_with_output().expect("an end"));
        assert_eq!(freeze.code, 0, "{freeze:?}");
        assert!(cgroup.is_frozen());
    }
}

#[test]
fn a_task_frozen_by_v1_makes_a_v2_freeze_impossible() {
    if !hierarchies().contains(&Hierarchy::V1) || !support::available(Hierarchy::V2) {
        return;
    }
    let (old, new) = (TestCgroup::new(Hierarchy::V1), TestCgroup::new(Hierarchy::V2));
    let helper = Helper::start("threads 1", &old);
    new.add(helper.pid());
    assert_eq!(agent(&["freeze", "--cgroup", old.path()]).code, 0);
    let start = Instant::now();
    let freeze = agent(&["freeze", "--cgroup", new.path(), "--json"]);
    assert_eq!(freeze.code, 4, "{freeze:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
    let json = freeze.json();
    assert_eq!(json["outcome"], "impossible");
    assert!(json["error"].as_str().expect("a sentence").contains(old.path()), "{json}");
    assert!(!new.is_requested());
    drop(old);
}
