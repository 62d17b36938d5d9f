//! One thread of several is stuck: that thread is to be blamed, not its process.

use super::{Case, Expected, Holder, STUCK, Stage};
use crate::Job;
use crate::cgroup::Hierarchy;
use crate::fuse::SILENT_NAME;

pub(super) const CASE: Case = Case {
    name: "fuse-one-thread",
    about: "one of six threads in a stat on a silent FUSE mount",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (dir, server) = scene.silent_fuse(None)?;
        let client = scene.worker_in(&cgroup, &Job::ThreadsOneStat(6, dir.join(SILENT_NAME)))?;
        let tid = scene[client].tids()[5];
        scene[client].wait_stuck(tid, 'S', "request_wait_answer", STUCK)?;
        let blocker = Expected::main_of(scene, client, "fuse-request")
            .thread(tid)
            .certainty("likely")
            .waits_for([Holder::Mount(dir), Holder::running(scene, server)]);
        Ok(Stage::stuck(cgroup, vec![blocker]))
    },
};
