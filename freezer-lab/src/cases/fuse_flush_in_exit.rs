//! A task that exits and on the way closes a FUSE file whose flush is never answered.
//!
//! The flush is a forced request: not even SIGKILL ends its wait (fs/fuse/file.c, `fuse_flush`).

use super::{Case, Expected, Holder, STUCK, Stage};
use crate::Job;
use crate::cgroup::Hierarchy;
use crate::fuse::SILENT_FLUSH;

pub(super) const CASE: Case = Case {
    name: "fuse-flush-in-exit",
    about: "exit with a file of a silent FUSE mount open",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (dir, server) = scene.silent_fuse(None)?;
        let client = scene.worker_in(&cgroup, &Job::ExitWithOpen(dir.join(SILENT_FLUSH)))?;
        scene[client].wait_stuck(scene[client].pid(), 'S', "fuse_flush", STUCK)?;
        let mut blocker = Expected::main_of(scene, client, "fuse-request")
            .waits_for([Holder::Mount(dir), Holder::running(scene, server)]);
        blocker.exiting = true;
        Ok(Stage::stuck(cgroup, vec![blocker]))
    },
};
