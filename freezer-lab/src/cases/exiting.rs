//! A process that takes seconds to tear its memory or its files down, asked to freeze meanwhile.

use std::time::Duration;

use super::{Case, Expected, Place, STUCK, Stage};
use crate::cgroup::Hierarchy;
use crate::error::Result;
use crate::scene::Scene;
use crate::{Job, proc, wait};

/// It computes: R.
pub(super) const MEMORY: Case = Case {
    name: "exiting-memory",
    about: "exit of a process with 48 GiB of page table entries",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| exiting(scene, place, &Job::ExitWithMuch),
};

/// It waits: D.
pub(super) const SOCKETS: Case = Case {
    name: "exiting-sockets",
    about: "exit of a process with 150 packet sockets, each of which takes a grace period to close",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| exiting(scene, place, &Job::ExitWithSockets),
};

fn exiting(scene: &mut Scene, place: &Place, job: &Job) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let task = scene.worker(job)?;
    scene[task].put_in(&cgroup)?;
    let mut blocker = Expected::main_of(scene, task, "exiting");
    blocker.exiting = true;
    let mut stage = Stage::stuck(cgroup, vec![blocker]).after(move |scene| {
        scene[task].go()?;
        let pid = scene[task].pid();
        wait::became(STUCK, "exiting", pid, || proc::is_exiting(pid))
    });
    stage.limit = Duration::from_millis(200);
    Ok(stage)
}
