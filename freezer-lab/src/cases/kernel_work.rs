//! A system call that computes for seconds and never looks for signals.

use super::{Case, Expected, Stage};
use crate::Job;
use crate::cgroup::Hierarchy;

pub(super) const CASE: Case = Case {
    name: "kernel-work",
    about: "a munmap that takes seconds",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let task = scene.worker(&Job::UnmapMuch)?;
        scene[task].put_in(&cgroup)?;
        let blocker = Expected::main_of(scene, task, "kernel-work");
        Ok(Stage::stuck(cgroup, vec![blocker]).after(move |scene| scene[task].go()))
    },
};
