//! Two threads read the same open file: one waits for the silent FUSE server with the file's position lock, a
//! mutex, in its hands, the other for that mutex. Both block, each with its own cause.

use super::{Case, Expected, Holder, STUCK, Stage};
use crate::Job;
use crate::cgroup::Hierarchy;
use crate::fuse::SILENT_FILE;

pub(super) const CASE: Case = Case {
    name: "lock-file-position",
    about: "two threads in read on one open file of a silent FUSE mount: one waits for the server, one for a mutex",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (dir, server) = scene.silent_fuse(None)?;
        let reader = scene.worker_in(&cgroup, &Job::ReadTwice(dir.join(SILENT_FILE)))?;
        let (pid, second) = (scene[reader].pid(), scene[reader].tids()[1]);
        scene[reader].wait_stuck(pid, 'S', "request_wait_answer", STUCK)?;
        scene[reader].go()?;
        scene[reader].wait_stuck(second, 'D', "fdget_pos", STUCK)?;
        let server = Holder::running(scene, server);
        let owner = Holder::Task { pid, tid: Some(pid), frozen: false, cgroup: None };
        let first = Expected::main_of(scene, reader, "fuse-request")
            .certainty("certain")
            .waits_for([Holder::Mount(dir.clone()), server.clone()]);
        let second = Expected::main_of(scene, reader, "lock-held")
            .thread(second)
            .certainty("certain")
            .waits_for([owner, Holder::Mount(dir), server]);
        Ok(Stage::stuck(cgroup, vec![first, second]))
    },
};
