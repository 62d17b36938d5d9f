//! Two makers of directories in one directory: the first, outside the cgroup, holds the directory's rwsem while its
//! look-up waits for a silent FUSE server; the second, inside, waits for the rwsem.

use super::{Case, Expected, Holder, STUCK, Stage};
use crate::Job;
use crate::cgroup::Hierarchy;
use crate::fuse::SILENT_NAME;

pub(super) const CASE: Case = Case {
    name: "lock-directory",
    about: "mkdir in a directory whose lock is held outside, by a task that waits for a silent FUSE server",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (dir, server) = scene.silent_fuse(None)?;
        let holder = scene.worker(&Job::Mkdir(dir.join(SILENT_NAME)))?;
        scene[holder].go()?;
        let holder_pid = scene[holder].pid();
        scene[holder].wait_stuck(holder_pid, 'S', "request_wait_answer", STUCK)?;
        let waiter = scene.worker_in(&cgroup, &Job::Mkdir(dir.join("other")))?;
        scene[waiter].wait_stuck(scene[waiter].pid(), 'D', "filename_create", STUCK)?;
        let owner = Holder::Task { pid: holder_pid, tid: Some(holder_pid), frozen: false, cgroup: None };
        let blocker = Expected::main_of(scene, waiter, "lock-held").certainty("certain").waits_for([
            owner,
            Holder::Mount(dir),
            Holder::running(scene, server),
        ]);
        Ok(Stage::stuck(cgroup, vec![blocker]))
    },
};
