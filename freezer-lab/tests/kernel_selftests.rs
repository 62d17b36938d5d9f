//! The kernel's own checklist for the cgroup freezer (`tools/testing/selftests/cgroup/test_freezer.c`), driven through
//! the agent: one test for each of its cases, named after it, and on v1 too where the case can be told there.

mod support;

use std::fs;
use std::thread;
use std::time::Duration;

use freezer_lab::{Cgroup, Hierarchy, Job, Scene, State, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{SOON, agent, freeze, on_each, runs, stands_still, status, thaw, wait_for_processes};

fn state(cgroup: &Cgroup) -> State {
    cgroup.state().expect("a state")
}

/// A hundred processes freeze and thaw, and `status` says so.
#[test]
fn simple() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        scene.worker_in(&cgroup, &Job::Family(99)).expect("a family");
        wait_for_processes(&cgroup, 100);
        assert_eq!(status(&cgroup)["state"], "THAWED");
        freeze(&cgroup);
        let frozen = status(&cgroup);
        assert_eq!(
            (&frozen["state"], &frozen["tasks"]["total"]),
            (&"FROZEN".into(), &100.into()),
            "{frozen}"
        );
        thaw(&cgroup);
    });
}

/// Requests of a parent and of its descendants are kept apart: thawing the one does not take the other back.
#[test]
fn tree() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let top = scene.cgroup(hierarchy).expect("A");
        let mut below = |path: &str| scene.child_of(&top, path).expect("a child");
        let [left, left_leaf, _] = ["B", "B/C", "B/D"].map(&mut below);
        let [deep, deeper, still_deeper, deepest] = ["E", "E/F", "E/F/G", "E/F/G/H"].map(&mut below);
        let [_, wide] = ["I", "K"].map(&mut below);
        for (cgroup, processes) in [(&left_leaf, 1), (&deepest, 1), (&wide, 3)] {
            for _ in 0..processes {
                scene.worker_in(cgroup, &Job::Sleep).expect("a sleeper");
            }
        }

        let own_requests = [&left, &deeper, &still_deeper];
        own_requests.into_iter().for_each(freeze);
        assert_eq!([&top, &deep].map(state), [State::Thawed; 2], "what lies below does not freeze them");
        freeze(&top);
        assert_eq!([&left, &deep].map(state), [State::Frozen; 2]);

        for own in own_requests {
            let ended = agent("thaw", own, &[]);
            assert_eq!(
                ended.code(),
                4,
                "an ancestor keeps it frozen, which the agent says: {}",
                ended.stdout
            );
        }
        assert_eq!([&left_leaf, &deepest].map(state), [State::Frozen; 2]);
        thaw(&top);
        assert_eq!([&left_leaf, &wide].map(state), [State::Thawed; 2]);
    });
}

/// A cgroup in which processes fork all the time freezes; in v2 its tasks can be killed frozen, in v1 a kill waits
/// for the thaw.
#[test]
fn forkbomb() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        scene.worker_in(&cgroup, &Job::ForkStorm(20)).expect("a storm");
        assert!(wait::until(SOON, || cgroup.pids().is_ok_and(|pids| pids.len() > 5)), "it rages");
        freeze(&cgroup);
        let pids = cgroup.pids().expect("pids");
        for pid in &pids {
            kill(Pid::from_raw(*pid), Signal::SIGKILL).expect("it is there");
        }
        if hierarchy == Hierarchy::V1 {
            thread::sleep(Duration::from_millis(50));
            assert_eq!(
                cgroup.pids().expect("pids").len(),
                pids.len(),
                "a v1-frozen task does not see its signal"
            );
            thaw(&cgroup);
        }
        wait_for_processes(&cgroup, 0);
    });
}

/// A child made in a frozen cgroup is frozen, and so is a process put into it.
#[test]
fn mkdir() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let parent = scene.cgroup(hierarchy).expect("a parent");
        freeze(&parent);
        let child = scene.child_of(&parent, "child").expect("a child");
        let task = scene.worker(&Job::Spin).expect("a busy loop");
        scene[task].go().expect("it starts");
        assert!(runs(scene[task].pid()));
        scene[task].put_in(&child).expect("it is put in");
        child.wait_state(State::Frozen, SOON).expect("the child is frozen");
        assert_eq!(status(&parent)["state"], "FROZEN");
        assert!(stands_still(scene[task].pid()));
    });
}

/// A child of a frozen cgroup can be removed and made again; the parent stays frozen.
#[test]
fn rmdir() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let parent = scene.cgroup(hierarchy).expect("a parent");
        let child = scene.child_of(&parent, "child").expect("a child");
        freeze(&parent);
        fs::remove_dir(child.path()).expect("it is empty");
        assert_eq!(status(&parent)["state"], "FROZEN");
        fs::create_dir(child.path()).expect("again");
        assert_eq!(status(&child)["state"], "FROZEN");
    });
}

/// A process takes on the state of the cgroup it is moved to: running to frozen, frozen to running, frozen to frozen.
#[test]
fn migrate() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let (a, b) = (scene.cgroup(hierarchy).expect("A"), scene.cgroup(hierarchy).expect("B"));
        let task = scene.worker_in(&a, &Job::Spin).expect("a busy loop");
        let pid = scene[task].pid();

        freeze(&b);
        b.add(pid).expect("running to frozen");
        b.wait_state(State::Frozen, SOON).expect("B is frozen with it");
        assert!(stands_still(pid) && state(&a) == State::Thawed);

        a.add(pid).expect("frozen to running");
        assert!(runs(pid) && state(&b) == State::Frozen);

        freeze(&a);
        b.add(pid).expect("frozen to frozen");
        b.wait_state(State::Frozen, SOON).expect("B is frozen with it");
        assert!(stands_still(pid) && state(&a) == State::Frozen);
    });
}

/// A tracer can stop and leave a task of a frozen v2 cgroup without un-freezing it. Not so in v1: there a frozen
/// task does not answer its tracer until it is thawed.
#[test]
fn ptrace() {
    on_each(&[Hierarchy::V2], |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let task = scene.worker_in(&cgroup, &Job::Spin).expect("a busy loop");
        let pid = scene[task].pid();
        freeze(&cgroup);
        let tracer = scene.worker(&Job::Trace(pid)).expect("a tracer, which has seen the stop");
        cgroup.wait_state(State::Frozen, SOON).expect("still frozen");
        assert_eq!(status(&cgroup)["state"], "FROZEN");
        kill(Pid::from_raw(scene[tracer].pid()), Signal::SIGKILL).expect("the tracer is there");
        cgroup.wait_state(State::Frozen, SOON).expect("frozen without the tracer");
        assert!(stands_still(pid));
    });
}

/// A stopped process freezes, and is still stopped after the thaw.
#[test]
fn stopped() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let task = scene.worker_in(&cgroup, &Job::Spin).expect("a busy loop");
        let pid = scene[task].pid();
        kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("it is there");
        scene[task].wait_stuck(pid, 'T', "", SOON).expect("it stops");
        freeze(&cgroup);
        thaw(&cgroup);
        scene[task].wait_stuck(pid, 'T', "", SOON).expect("it is stopped");
    });
}

/// A task in a ptrace stop freezes, and is still in it after the thaw.
#[test]
fn ptraced() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let task = scene.worker_in(&cgroup, &Job::Spin).expect("a busy loop");
        let pid = scene[task].pid();
        scene.worker(&Job::Trace(pid)).expect("a tracer, which has seen the stop");
        freeze(&cgroup);
        thaw(&cgroup);
        scene[task].wait_stuck(pid, 't', "", SOON).expect("it is in its stop");
    });
}

/// A parent that waits for its vfork child freezes with it.
#[test]
fn vfork() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        scene.worker_in(&cgroup, &Job::Vfork).expect("a parent");
        wait_for_processes(&cgroup, 2);
        freeze(&cgroup);
    });
}

/// The kernel's count of frozen time, in µs, and that `status` shows no other.
fn frozen_usec(cgroup: &Cgroup) -> u64 {
    let read = || {
        let stat = cgroup.read("cgroup.stat.local").expect("frozen time");
        stat.lines()
            .find_map(|line| line.strip_prefix("frozen_usec ")?.parse::<u64>().ok())
            .expect("a number")
    };
    let before = read();
    let shown = status(cgroup)["frozen_total_ns"].as_u64().expect("a number") / 1000;
    let after = read();
    assert!((before..=after).contains(&shown), "{shown} is not between {before} and {after}");
    after
}

/// The body, where this kernel counts frozen time.
fn where_time_is_counted(body: impl Fn(&mut Scene, Hierarchy)) {
    on_each(&[Hierarchy::V2], |scene, hierarchy| {
        let probe = scene.cgroup(hierarchy).expect("a cgroup");
        if probe.path().join("cgroup.stat.local").exists() && probe.read("cgroup.stat.local").is_ok() {
            body(scene, hierarchy);
        } else {
            support::skip("this kernel does not count frozen time (cgroup.stat.local)");
        }
    });
}

/// The time grows from the request to the thaw and stands still otherwise, without any process.
#[test]
fn time_empty() {
    where_time_is_counted(|scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        grows_only_while_frozen(&cgroup);
    });
}

/// The same with one process.
#[test]
fn time_simple() {
    where_time_is_counted(|scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        scene.worker_in(&cgroup, &Job::Sleep).expect("a sleeper");
        grows_only_while_frozen(&cgroup);
    });
}

fn grows_only_while_frozen(cgroup: &Cgroup) {
    assert_eq!(frozen_usec(cgroup), 0);
    freeze(cgroup);
    thread::sleep(Duration::from_millis(1));
    let while_frozen = frozen_usec(cgroup);
    assert!(while_frozen >= 1000, "{while_frozen}");
    thaw(cgroup);
    let at_thaw = frozen_usec(cgroup);
    assert!(at_thaw > while_frozen);
    thread::sleep(Duration::from_millis(1));
    assert_eq!(frozen_usec(cgroup), at_thaw);
}

/// Processes that arrive while it is frozen do not disturb the time.
#[test]
fn time_populate() {
    where_time_is_counted(|scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        scene.worker_in(&cgroup, &Job::Family(20)).expect("a family");
        wait_for_processes(&cgroup, 21);
        assert_eq!(frozen_usec(&cgroup), 0);
        freeze(&cgroup);
        let before = frozen_usec(&cgroup);
        for _ in 0..10 {
            let late = scene.worker(&Job::Sleep).expect("a sleeper");
            scene[late].put_in(&cgroup).expect("it is put in");
        }
        let after = frozen_usec(&cgroup);
        assert!(after > before);
        thaw(&cgroup);
        let at_thaw = frozen_usec(&cgroup);
        assert!(at_thaw > after);
        assert_eq!(frozen_usec(&cgroup), at_thaw);
    });
}

/// A process that leaves a frozen cgroup takes no frozen time along, and leaves the counting going.
#[test]
fn time_migrate() {
    where_time_is_counted(|scene, hierarchy| {
        let (a, b) = (scene.cgroup(hierarchy).expect("A"), scene.cgroup(hierarchy).expect("B"));
        let task = scene.worker_in(&a, &Job::Sleep).expect("a sleeper");
        freeze(&a);
        let before = frozen_usec(&a);
        scene[task].put_in(&b).expect("it is moved");
        thread::sleep(Duration::from_millis(1));
        assert_eq!(frozen_usec(&b), 0);
        assert!(frozen_usec(&a) > before);
    });
}

/// A child made while its parent is frozen counts from its making; frozen itself, it counts on after the parent's thaw.
#[test]
fn time_parent() {
    where_time_is_counted(|scene, hierarchy| {
        let parent = scene.cgroup(hierarchy).expect("a parent");
        freeze(&parent);
        thread::sleep(Duration::from_millis(1));
        let child = scene.child_of(&parent, "child").expect("a child");
        let (of_parent, of_child) = (frozen_usec(&parent), frozen_usec(&child));
        assert_eq!(state(&child), State::Frozen);
        freeze(&child);
        thaw(&parent);
        // The child has less on its clock than the parent, by the time the parent was frozen without it.
        let stood_still = frozen_usec(&parent);
        assert!(wait::until(SOON, || frozen_usec(&child) > stood_still), "{of_parent} {of_child}");
        assert_eq!(frozen_usec(&parent), stood_still);
    });
}

/// A child's frozen time is not its parent's.
#[test]
fn time_child() {
    where_time_is_counted(|scene, hierarchy| {
        let parent = scene.cgroup(hierarchy).expect("a parent");
        let child = scene.child_of(&parent, "child").expect("a child");
        freeze(&child);
        assert!(frozen_usec(&child) > 0);
        assert_eq!(frozen_usec(&parent), 0);
    });
}

/// Frozen from the inside out and thawed from the outside in, the innermost has the most time.
#[test]
fn time_nested() {
    where_time_is_counted(|scene, hierarchy| {
        let a = scene.cgroup(hierarchy).expect("A");
        let b = scene.child_of(&a, "B").expect("B");
        let c = scene.child_of(&b, "C").expect("C");
        [&c, &b, &a].into_iter().for_each(freeze);
        // B and C have asked for themselves and stay frozen until it is their turn.
        for cgroup in [&a, &b, &c] {
            assert_eq!(agent("thaw", cgroup, &[]).code(), 0);
        }
        let (of_a, of_b, of_c) = (frozen_usec(&a), frozen_usec(&b), frozen_usec(&c));
        assert!(of_c > of_b && of_b > of_a, "{of_c} {of_b} {of_a}");
    });
}
