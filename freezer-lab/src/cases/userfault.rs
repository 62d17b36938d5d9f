//! write(2) from memory that a userfaultfd covers and nobody serves: the fault is taken in the kernel.
//!
//! Asleep in `handle_userfault` until the freeze wakes it; from then on the fault is retried without end, in R.

use std::fs;

use super::{Case, Expected, Holder, Hurt, Place, STUCK, Stage};
use crate::Job;
use crate::cgroup::Hierarchy;
use crate::error::{Error, Result};
use crate::scene::{Scene, WorkerId};

/// The process holds the userfaultfd itself.
pub(super) const OWN: Case = Case {
    name: "userfault",
    about: "write from memory under a userfaultfd of its own that nobody reads",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| faulting(scene, place, false),
};

/// Another process, outside, holds it.
pub(super) const HELD_OUTSIDE: Case = Case {
    name: "userfault-held-outside",
    about: "write from memory under a userfaultfd that a process outside holds and does not read",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| faulting(scene, place, true),
};

fn faulting(scene: &mut Scene, place: &Place, outside: bool) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let task = scene.worker(&Job::Userfault { close: outside })?;
    let pid = scene[task].pid();
    scene[task].put_in(&cgroup)?;
    let holder = if outside { hold(scene, task)? } else { task };
    scene[task].go()?;
    scene[task].wait_stuck(pid, 'S', "handle_userfault", STUCK)?;
    let blocker = Expected::main_of(scene, task, "userfault").waits_for([Holder::running(scene, holder)]);
    // The freezer's signal stays pending: the fault goes round after the thaw too.
    let spins = Hurt { kind: "userfault-spin", pid, by: None };
    Ok(Stage::stuck(cgroup, vec![blocker]).hurting([spins]))
}

fn hold(scene: &mut Scene, task: WorkerId) -> Result<WorkerId> {
    let pid = scene[task].pid();
    let is_userfaultfd = |fd: &i32| {
        fs::read_link(format!("/proc/{pid}/fd/{fd}"))
            .is_ok_and(|link| link.as_os_str() == "anon_inode:[userfaultfd]")
    };
    let fd = (3..64)
        .find(is_userfaultfd)
        .ok_or_else(|| Error::new("find the userfaultfd of", pid, "it has none"))?;
    let holder = scene.worker(&Job::HoldDescriptor { pid, fd })?;
    scene[holder].go()?;
    Ok(holder)
}
