//! A page fault in a v1 memory cgroup at its limit, with the OOM killer off (mm/memcontrol-v1.c,
//! `mem_cgroup_oom_synchronize`): killable, never freezable.

use super::{Case, Expected, Holder, Place, STUCK, Stage};
use crate::Job;
use crate::cgroup::{Cgroup, Hierarchy};
use crate::error::Result;
use crate::scene::{Scene, WorkerId};
use crate::worker::tasks;

const LIMIT: usize = 16 << 20;

/// The limit is the task's own cgroup's.
pub(super) const OWN: Case = Case {
    name: "oom-wait",
    about: "a page fault in a memory cgroup at its limit with the OOM killer off",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| waiter(scene, place, false),
};

/// The child is marked `under_oom` and has its killer off as well, but has no limit.
pub(super) const PARENT: Case = Case {
    name: "oom-wait-parent",
    about: "the same where the limit is that of the memory cgroup above",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| waiter(scene, place, true),
};

/// The others freeze.
pub(super) const THREAD: Case = Case {
    name: "oom-wait-thread",
    about: "the same in one of three threads",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let limited = limited(scene)?;
        let task = scene.worker(&Job::Tasks(tasks::Job::FillMemoryInThread(4 * LIMIT)))?;
        let tid = scene[task].tids()[2];
        let blocker = fill(scene, task, tid, &cgroup, &limited)?;
        Ok(Stage::stuck(cgroup, vec![blocker.waits_for([Holder::Cgroup(limited.path().to_path_buf())])]))
    },
};

fn waiter(scene: &mut Scene, place: &Place, in_child: bool) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let limited = limited(scene)?;
    let own = if in_child { scene.child_of(&limited, "child")? } else { limited.clone() };
    let task = scene.worker(&Job::Tasks(tasks::Job::FillMemory(4 * LIMIT)))?;
    let tid = scene[task].pid();
    let blocker = fill(scene, task, tid, &cgroup, &own)?;
    Ok(Stage::stuck(cgroup, vec![blocker.waits_for([Holder::Cgroup(limited.path().to_path_buf())])]))
}

fn limited(scene: &mut Scene) -> Result<Cgroup> {
    let limited = scene.controller_cgroup("memory")?;
    limited.write("memory.limit_in_bytes", &LIMIT.to_string())?;
    limited.write("memory.oom_control", "1")?;
    Ok(limited)
}

/// Lets it fill the memory of a memory cgroup.
fn fill(scene: &mut Scene, task: WorkerId, tid: i32, cgroup: &Cgroup, own: &Cgroup) -> Result<Expected> {
    scene[task].put_in(cgroup)?;
    scene[task].put_in(own)?;
    scene[task].go()?;
    scene[task].wait_stuck(tid, 'D', "mem_cgroup_oom_synchronize", STUCK)?;
    Ok(Expected::main_of(scene, task, "oom-wait").thread(tid).certainty("certain"))
}
