//! freeze, thaw and status on real cgroups of both hierarchies.

mod support;

use freezer_agent::model::Hierarchy;
use nix::sys::signal::Signal;
use support::{Helper, TestCgroup, agent, available, hierarchies};

#[track_caller]
fn assert_freezes_and_thaws(cgroup: &TestCgroup, tasks: usize) {
    let frozen = agent(&["freeze", "--cgroup", cgroup.path(), "--json"]);
    assert_eq!(frozen.code, 0, "{frozen:?}");
    let json = frozen.json();
    assert_eq!(json["outcome"], "frozen");
    assert_eq!(json["state"], "FROZEN");
    assert_eq!(json["tasks"]["total"], tasks);
    assert_eq!(json["tasks"]["frozen"], tasks);
    assert!(cgroup.is_frozen());
    let thawed = agent(&["thaw", "--cgroup", cgroup.path(), "--json"]);
    assert_eq!(thawed.code, 0, "{thawed:?}");
    assert_eq!(thawed.json()["state"], "THAWED");
    assert!(!cgroup.is_frozen() && !cgroup.is_requested());
}

#[test]
fn one_sleeper_freezes_and_thaws() {
    for hierarchy in hierarchies() {
        let cgroup = TestCgroup::new(hierarchy);
        let _sleeper = Helper::start("threads 1", &cgroup);
        let tasks = cgroup.read(if hierarchy == Hierarchy::V1 { "tasks" } else { "cgroup.threads" });
        assert_freezes_and_thaws(&cgroup, tasks.lines().count());
    }
}

#[test]
fn an_empty_cgroup_freezes_at_once() {
    for hierarchy in hierarchies() {
        assert_freezes_and_thaws(&TestCgroup::new(hierarchy), 0);
    }
}

#[test]
fn a_thousand_threads_freeze_and_thaw() {
    for hierarchy in hierarchies() {
        let cgroup = TestCgroup::new(hierarchy);
        let helper = Helper::start("threads 1000", &cgroup);
        assert_freezes_and_thaws(&cgroup, helper.threads().len());
    }
}

#[test]
fn a_task_that_computes_freezes() {
    for hierarchy in hierarchies() {
        let cgroup = TestCgroup::new(hierarchy);
        let helper = Helper::start("spin", &cgroup);
        assert_freezes_and_thaws(&cgroup, helper.threads().len());
    }
}

#[test]
fn a_stopped_task_is_frozen_and_stays_stopped() {
    for hierarchy in hierarchies() {
        let cgroup = TestCgroup::new(hierarchy);
        let helper = Helper::start("threads 1", &cgroup);
        let pid = nix::unistd::Pid::from_raw(i32::try_from(helper.pid()).expect("a pid"));
        nix::sys::signal::kill(pid, Signal::SIGSTOP).expect("a signal sent");
        support::until("the stop", || helper.state() == 'T');
        assert_freezes_and_thaws(&cgroup, helper.threads().len());
        support::until("the stop to show again", || helper.state() == 'T');
    }
}

#[test]
fn a_traced_task_is_frozen_and_stays_traced() {
    for hierarchy in hierarchies() {
        let cgroup = TestCgroup::new(hierarchy);
        let helper = Helper::start("threads 1", &cgroup);
        let pid = nix::unistd::Pid::from_raw(i32::try_from(helper.pid()).expect("a pid"));
        nix::sys::ptrace::seize(pid, nix::sys::ptrace::Options::empty()).expect("tracing");
        nix::sys::ptrace::interrupt(pid).expect("a trap");
        support::until("the trap", || helper.state() == 't');
        assert_freezes_and_thaws(&cgroup, helper.threads().len());
        support::until("the trap to show again", || helper.state() == 't');
    }
}

#[test]
fn a_vfork_parent_and_its_child_freeze() {
    for hierarchy in hierarchies() {
        let cgroup = TestCgroup::new(hierarchy);
        let helper = Helper::outside("vfork");
        // Both or the parent alone: the child may exist already.
        let children = format!("/proc/{0}/task/{0}/children", helper.pid());
        for thread in helper.threads() {
            let children = children.replace(&format!("task/{}", helper.pid()), &format!("task/{thread}"));
            support::until("the child", || {
                thread == helper.pid() || std::fs::read_to_string(&children).is_ok_and(|c| !c.is_empty())
            });
            for child in std::fs::read_to_string(&children).unwrap_or_default().split_whitespace() {
                cgroup.add(child.parse().expect("a pid"));
            }
        }
        cgroup.add(helper.pid());
        assert_freezes_and_thaws(&cgroup, helper.threads().len() + 1);
    }
}

#[test]
fn a_forking_task_freezes_with_all_its_children() {
    for hierarchy in hierarchies() {
        let cgroup = TestCgroup::new(hierarchy);
        let _helper = Helper::start("fork", &cgroup);
        for _ in 0..20 {
            let frozen = agent(&["freeze", "--cgroup", cgroup.path()]);
            assert_eq!(frozen.code, 0, "{frozen:?}");
            assert!(cgroup.is_frozen());
            assert_eq!(agent(&["thaw", "--cgroup", cgroup.path()]).code, 0);
        }
    }
}

#[test]
fn a_frozen_cgroup_is_said_to_be_frozen_already() {
    for hierarchy in hierarchies() {
        let cgroup = TestCgroup::new(hierarchy);
        let _helper = Helper::start("threads 1", &cgroup);
        assert_eq!(agent(&["freeze", "--cgroup", cgroup.path()]).code, 0);
        let again = agent(&["freeze", "--cgroup", cgroup.path()]);
        assert_eq!(again.code, 0);
        assert!(again.stdout.contains("frozen already"), "{again:?}");
    }
}

#[test]
fn threads_of_one_process_in_two_threaded_cgroups_freeze_together() {
    if !available(Hierarchy::V2) {
        return;
    }
    let cgroup = TestCgroup::new(Hierarchy::V2);
    let helper = Helper::start("threads 3", &cgroup);
    let inner = cgroup.child("inner");
    std::fs::write(inner.join("cgroup.type"), "threaded").expect("a threaded cgroup");
    let thread = helper.threads().pop().expect("a thread");
    std::fs::write(inner.join("cgroup.threads"), thread.to_string()).expect("a thread moved");
    assert_freezes_and_thaws(&cgroup, helper.threads().len());
    let inner = agent(&["freeze", "--cgroup", inner.to_str().expect("text"), "--json"]);
    assert_eq!(inner.json()["tasks"]["total"], 1, "{inner:?}");
}
