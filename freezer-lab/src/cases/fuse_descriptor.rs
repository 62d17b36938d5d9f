//! A FUSE file already open: the descriptor names the mount, the kernel itself vouches for it.

use super::{Case, Expected, Holder, Place, STUCK, Stage};
use crate::Job;
use crate::cgroup::Hierarchy;
use crate::error::Result;
use crate::fuse::{CACHED_FILE, SILENT_FILE};
use crate::scene::Scene;

/// read(2) past the page cache.
pub(super) const READ: Case = Case {
    name: "fuse-read",
    about: "read from an open file of a FUSE mount whose server keeps silent",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| open_file(scene, place, SILENT_FILE, Job::Read, "request_wait_answer"),
};

/// fsync(2).
pub(super) const FSYNC: Case = Case {
    name: "fuse-fsync",
    about: "fsync of an open file of a FUSE mount whose server keeps silent",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| open_file(scene, place, SILENT_FILE, Job::Fsync, "request_wait_answer"),
};

/// read(2) through the page cache.
pub(super) const CACHED_READ: Case = Case {
    name: "fuse-cached-read",
    about: "read through the page cache from a FUSE mount whose server keeps silent",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| open_file(scene, place, CACHED_FILE, Job::Read, ""),
};

fn open_file(
    scene: &mut Scene,
    place: &Place,
    file: &str,
    job: fn(std::path::PathBuf) -> Job,
    function: &str,
) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let (dir, server) = scene.silent_fuse(None)?;
    let client = scene.worker_in(&cgroup, &job(dir.join(file)))?;
    scene[client].wait_stuck(scene[client].pid(), 'S', function, STUCK)?;
    let blocker = Expected::main_of(scene, client, "fuse-request")
        .certainty("certain")
        .waits_for([Holder::Mount(dir), Holder::running(scene, server)]);
    Ok(Stage::stuck(cgroup, vec![blocker]))
}
