//! A parent that waits, in `D`, for its vfork child (kernel/fork.c, `wait_for_vfork_done`).

use super::{Case, Expected, Holder, STUCK, Stage};
use crate::Job;
use crate::cgroup::Hierarchy;
use crate::error::Error;
use crate::fuse::SILENT_NAME;
use crate::worker::tasks;

/// Frozen enough on its own.
pub(super) const HARMLESS: Case = Case {
    name: "vfork",
    about: "a parent that waits, in D, for its vfork child",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let task = scene.worker_in(&cgroup, &Job::Vfork)?;
        scene[task].wait_stuck(scene[task].pid(), 'D', "", STUCK)?;
        Ok(Stage::frozen(cgroup))
    },
};

/// And so it is beside a child that is not.
pub(super) const CHILD_STUCK: Case = Case {
    name: "fuse-vfork-child",
    about: "a vfork child in a stat on a silent FUSE mount: the child is blamed, not the parent that waits for it",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (dir, server) = scene.silent_fuse(None)?;
        let task = scene.worker_in(&cgroup, &Job::Tasks(tasks::Job::VforkStat(dir.join(SILENT_NAME))))?;
        let line = scene[task].line(STUCK)?;
        let child =
            line.trim().parse().map_err(|error| Error::new("read", format!("the pid {line:?}"), error))?;
        scene[task].wait_stuck(child, 'S', "request_wait_answer", STUCK)?;
        scene[task].wait_stuck(scene[task].pid(), 'D', "", STUCK)?;
        let at_fault = [Holder::Mount(dir), Holder::running(scene, server)];
        let mut blocker = Expected::main_of(scene, task, "fuse-request").waits_for(at_fault);
        (blocker.tid, blocker.pid) = (child, child);
        Ok(Stage::stuck(cgroup, vec![blocker]))
    },
};
