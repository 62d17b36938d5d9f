//! A task that v1 has frozen, asked by v2: it sits in the refrigerator and cannot reach v2's trap.

use super::{Case, Expected, Holder, Outcome, STUCK, Stage};
use crate::Job;
use crate::cgroup::{Hierarchy, State};

pub(super) const CASE: Case = Case {
    name: "frozen-elsewhere",
    about: "a task frozen by v1, then asked by v2",
    hierarchies: &[Hierarchy::V2],
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let other = scene.cgroup(Hierarchy::V1)?;
        let task = scene.worker_in(&cgroup, &Job::Sleep)?;
        scene[task].put_in(&other)?;
        other.freeze()?;
        other.wait_state(State::Frozen, STUCK)?;
        let blocker = Expected::main_of(scene, task, "frozen-elsewhere")
            .waits_for([Holder::Cgroup(other.path().to_path_buf())]);
        Ok(Stage { outcome: Outcome::Impossible, ..Stage::stuck(cgroup, vec![blocker]) })
    },
};
