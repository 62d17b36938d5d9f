//! A freeze that is cut off: by signals, by the end of the agent itself, by the end of the cgroup.

mod support;

use std::fs;
use std::time::Duration;

use freezer_lab::cases::{self, Place, Stage};
use freezer_lab::{Cgroup, Hierarchy, Job, Scene, State, agent, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{SOON, on_each, status};

/// A cgroup that will not freeze: a task in it waits for a silent FUSE server.
fn stuck(scene: &mut Scene, hierarchy: Hierarchy) -> Stage {
    let all = cases::all();
    let case = all.iter().find(|case| case.name == "fuse-server-outside").expect("the case");
    (case.set_up)(scene, &Place::new(hierarchy)).expect("it can be set up")
}

/// An agent that waits for it.
fn waiting_agent(cgroup: &Cgroup, more: &[&str]) -> agent::Run {
    let mut arguments = vec!["--timeout", "20s"];
    arguments.extend(more);
    let run = agent::start("freeze", cgroup, &arguments).expect("the agent starts");
    cgroup.wait_state(State::Freezing, SOON).expect("it asks for the freeze");
    run
}

/// Restored, and says which signal it was, as shells do.
fn rolled_back_on(signal: Signal) {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        for more in [&[][..], &["--explain"]] {
            let stage = stuck(scene, hierarchy);
            let run = waiting_agent(&stage.cgroup, more);
            kill(Pid::from_raw(run.pid()), signal).expect("it is there");
            let ended = run.end().expect("it ends");
            assert_eq!(ended.code(), 128 + signal as i32, "{}", ended.stderr);
            assert_eq!(stage.cgroup.state().expect("a state"), State::Thawed);
        }
    });
}

#[test]
fn ctrl_c_takes_the_request_back() {
    rolled_back_on(Signal::SIGINT);
}

#[test]
fn sigterm_takes_the_request_back() {
    rolled_back_on(Signal::SIGTERM);
}

/// Nothing can be rolled back then: but the request is plainly there, shown and taken back by a second agent.
#[test]
fn after_a_kill_minus_9_status_shows_the_request_and_thaw_takes_it_back() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        for more in [&[][..], &["--explain"]] {
            let stage = stuck(scene, hierarchy);
            waiting_agent(&stage.cgroup, more).kill().expect("it is killed");
            let row = status(&stage.cgroup);
            assert_eq!(
                (&row["state"], &row["requested"]["self"]),
                (&"FREEZING".into(), &true.into()),
                "{row}"
            );
            support::thaw(&stage.cgroup);
        }
    });
}

#[test]
fn a_request_that_somebody_else_had_made_stays_after_ctrl_c() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let stage = stuck(scene, hierarchy);
        stage.cgroup.freeze().expect("somebody asks");
        let run = agent::start("freeze", &stage.cgroup, &["--timeout", "20s"]).expect("the agent starts");
        std::thread::sleep(Duration::from_millis(200)); // nothing shows that it has begun to wait
        kill(Pid::from_raw(run.pid()), Signal::SIGINT).expect("it is there");
        run.end().expect("it ends");
        assert_eq!(stage.cgroup.state().expect("a state"), State::Freezing);
    });
}

/// The cgroup goes away while the agent waits: it says so (exit 6) instead of waiting for ever.
#[test]
fn a_cgroup_removed_in_the_middle_is_said_to_be_gone() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        for more in [&[][..], &["--explain"]] {
            let stage = stuck(scene, hierarchy);
            let elsewhere = scene.cgroup(hierarchy).expect("another cgroup");
            let child = scene.child_of(&stage.cgroup, "child").expect("a child");
            let run = waiting_agent(&stage.cgroup, more);
            let removed = wait::until(SOON, || {
                let tasks = stage.cgroup.pids().unwrap_or_default();
                for pid in tasks {
                    drop(elsewhere.add(pid)); // one that has just gone cannot be moved
                }
                drop(fs::remove_dir(child.path()));
                fs::remove_dir(stage.cgroup.path()).is_ok()
            });
            assert!(removed);
            let ended = run.end().expect("it ends");
            // The last task's leaving completes the freeze: seen before the removal, that is a success.
            assert!([0, 6].contains(&ended.code()), "{}: {}{}", ended.code(), ended.stdout, ended.stderr);
        }
    });
}

/// Who is moved in while the freeze is stuck freezes too and is not blamed; who blocks still is.
#[test]
fn a_task_moved_in_during_the_freeze_is_not_blamed() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let stage = stuck(scene, hierarchy);
        let arguments = ["--explain", "--json", "--timeout", "1500ms"];
        let run = agent::start("freeze", &stage.cgroup, &arguments).expect("the agent starts");
        stage.cgroup.wait_state(State::Freezing, SOON).expect("it asks for the freeze");
        scene.worker_in(&stage.cgroup, &Job::Poll).expect("a late arrival");
        let late = scene.worker(&Job::Sleep).expect("another");
        scene[late].go().expect("it starts");
        scene[late].put_in(&stage.cgroup).expect("it is moved in");
        let wrong = freezer_lab::judge::json(&stage, &run.end().expect("it ends"));
        assert!(wrong.is_empty(), "{}", wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    });
}
