//! A system call that computes for seconds and never looks for signals.

use super::{Case, Expected, STUCK, Stage};
use crate::Job;
use crate::cgroup::Hierarchy;
use crate::{proc, wait};

pub(super) const CASE: Case = Case {
    name: "kernel-work",
    about: "a mincore over terabytes of empty address space, which takes seconds",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let task = scene.worker(&Job::LookThroughMuch)?;
        scene[task].put_in(&cgroup)?;
        let blocker = Expected::main_of(scene, task, "kernel-work");
        Ok(Stage::stuck(cgroup, vec![blocker]).after(move |scene| {
            let pid = scene[task].pid();
            let before = proc::system_ticks(pid);
            scene[task].go()?;
            wait::became(STUCK, "busy in the kernel", pid, || proc::system_ticks(pid) > before)
        }))
    },
};
