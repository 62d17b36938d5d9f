//! A task that exits and on the way closes a FUSE file whose flush is never answered.
//!
//! The flush is a forced request: not even SIGKILL ends its wait (fs/fuse/file.c, `fuse_flush`). By then the task has
//! dropped its memory and its table of descriptors (kernel/exit.c, `do_exit`: `exit_mm`, then `exit_files`, which takes the
//! table off the task and only then closes its files), so that no file of /proc names the mount: the connections' own counts
//! of waiting requests are left to tell which one it is, less those that other tasks account for. Where two such tasks wait
//! on two connections, nothing tells which on which.
//!
//! From 7.x on v1 does not wait for a task that is exiting (seen on 7.3, not on 6.18): there the freeze succeeds.

use super::needs::is_linux;
use super::{Case, Expected, Holder, Place, STUCK, Stage};
use crate::Job;
use crate::cgroup::Hierarchy;
use crate::error::Result;
use crate::fuse::{SILENT_FLUSH, SILENT_NAME};
use crate::scene::Scene;

pub(super) const ALL: [Case; 2] = [
    Case {
        name: "fuse-flush-in-exit",
        about: "exit with a file of a silent FUSE mount open",
        hierarchies: &Hierarchy::BOTH,
        set_up,
    },
    Case {
        name: "fuse-flush-beside-busy-mount",
        about: "exit with a file of a silent FUSE mount open, while somebody else waits for the server of another",
        hierarchies: &Hierarchy::BOTH,
        set_up: |scene, place| {
            let (dir, _) = scene.silent_fuse(None)?;
            let other = scene.worker(&Job::Stat(dir.join(SILENT_NAME)))?;
            scene[other].go()?;
            scene[other].wait_stuck(scene[other].pid(), 'S', "request_wait_answer", STUCK)?;
            set_up(scene, place)
        },
    },
];

fn set_up(scene: &mut Scene, place: &Place) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let (dir, server) = scene.silent_fuse(None)?;
    let client = scene.worker_in(&cgroup, &Job::ExitWithOpen(dir.join(SILENT_FLUSH)))?;
    scene[client].wait_stuck(scene[client].pid(), 'S', "fuse_flush", STUCK)?;
    if place.hierarchy == Hierarchy::V1 && is_linux(7, 0) {
        return Ok(Stage::frozen(cgroup));
    }
    let mut blocker = Expected::main_of(scene, client, "fuse-request")
        .waits_for([Holder::Mount(dir), Holder::running(scene, server)]);
    blocker.exiting = true;
    Ok(Stage::stuck(cgroup, vec![blocker]))
}
