//! Tracers inside the cgroup or frozen before: their tracees are frozen enough all the same.

use super::{Case, STUCK, Stage};
use crate::Job;
use crate::cgroup::{Hierarchy, State};

/// Both freeze.
pub(super) const INSIDE: Case = Case {
    name: "traced-inside",
    about: "a process in a ptrace stop, its tracer in the same cgroup: both freeze",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let task = scene.worker_in(&cgroup, &Job::Spin)?;
        let pid = scene[task].pid();
        scene.worker_in(&cgroup, &Job::Trace(pid))?;
        scene[task].wait_stuck(pid, 't', "", STUCK)?;
        Ok(Stage::frozen(cgroup))
    },
};

/// Nobody can continue the tracee, and nobody needs to.
pub(super) const TRACER_FROZEN: Case = Case {
    name: "traced-tracer-frozen",
    about: "a process in a ptrace stop whose tracer sits in a cgroup that is frozen",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let other = scene.cgroup(place.hierarchy)?;
        let task = scene.worker_in(&cgroup, &Job::Spin)?;
        let pid = scene[task].pid();
        scene.worker_in(&other, &Job::Trace(pid))?;
        scene[task].wait_stuck(pid, 't', "", STUCK)?;
        other.freeze()?;
        other.wait_state(State::Frozen, STUCK)?;
        Ok(Stage::frozen(cgroup))
    },
};
