//! What looks dangerous and is not: these freezes succeed and blame nobody.

use super::{Case, STUCK, Stage};
use crate::Job;
use crate::cgroup::{Hierarchy, State};

/// A tracer outside.
pub(super) const TRACED: Case = Case {
    name: "traced",
    about: "a process in a ptrace stop, its tracer outside: frozen enough",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let task = scene.worker_in(&cgroup, &Job::Spin)?;
        let pid = scene[task].pid();
        scene.worker(&Job::Trace(pid))?;
        scene[task].wait_stuck(pid, 't', "", STUCK)?;
        Ok(Stage::frozen(cgroup))
    },
};

/// Tasks come and go all the time.
pub(super) const FORK_STORM: Case = Case {
    name: "fork-storm",
    about: "a process that forks and reaps without end, 20 children at once",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        scene.worker_in(&cgroup, &Job::ForkStorm(20))?;
        Ok(Stage::frozen(cgroup))
    },
};

/// The ordinary.
pub(super) const SLEEPERS: Case = Case {
    name: "sleepers",
    about: "thirty sleeping processes and threads",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        for _ in 0..10 {
            scene.worker_in(&cgroup, &Job::Poll)?;
        }
        scene.worker_in(&cgroup, &Job::Threads(20))?;
        Ok(Stage::frozen(cgroup))
    },
};

/// Busy, but with a CPU.
pub(super) const BUSY: Case = Case {
    name: "busy",
    about: "two busy loops in user space",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        scene.worker_in(&cgroup, &Job::Spin)?;
        scene.worker_in(&cgroup, &Job::Spin)?;
        Ok(Stage::frozen(cgroup))
    },
};

/// The order of the hierarchies that works.
pub(super) const FROZEN_V2_FIRST: Case = Case {
    name: "frozen-v2-first",
    about: "a task frozen by v2, then asked by v1",
    hierarchies: &[Hierarchy::V1],
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let other = scene.cgroup(Hierarchy::V2)?;
        let task = scene.worker_in(&cgroup, &Job::Sleep)?;
        scene[task].put_in(&other)?;
        other.freeze()?;
        other.wait_state(State::Frozen, STUCK)?;
        Ok(Stage::frozen(cgroup))
    },
};
