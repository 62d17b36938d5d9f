//! A byte per second on a loop device of the lab's own: whoever does input or output past the page cache waits
//! uninterruptibly for more than an hour, and so does who waits for its pages to be written.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::{Case, Expected, Holder, Place, STUCK, Stage};
use crate::Job;
use crate::cgroup::{Cgroup, Hierarchy};
use crate::error::{Result, Tried as _};
use crate::scene::Scene;
use crate::undo::Undo;
use crate::worker::storage;

/// read(2), limit of the task's own cgroup.
pub(super) const READ: Case = Case {
    name: "io-throttle-read",
    about: "O_DIRECT read under a limit of one byte per second of its own blkio cgroup",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| limited(scene, place, "read_bps_device", false, storage::Job::DirectRead),
};

/// write(2); the parent has the same limit, which does not count: v1 throttling knows no hierarchy
/// (block/blk-throttle.c, `throtl_pd_init`).
pub(super) const WRITE: Case = Case {
    name: "io-throttle-write",
    about: "O_DIRECT write under a limit of one byte per second of its own blkio cgroup; the parent's does not count",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| limited(scene, place, "write_bps_device", true, storage::Job::DirectWrite),
};

/// fsync(2): the pages are written in the task's own name.
pub(super) const FSYNC: Case = Case {
    name: "io-throttle-fsync",
    about: "fsync of a written file under a limit of one byte per second",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| limited(scene, place, "write_bps_device", false, storage::Job::WriteAndFsync),
};

fn limited(
    scene: &mut Scene,
    place: &Place,
    file: &str,
    parent_too: bool,
    job: fn(PathBuf) -> storage::Job,
) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let mount = scene.ext4()?;
    let path = mount.join("file");
    // Written out before there is a limit: later each block would wait for it.
    std::fs::write(&path, [b'x'; 8192])
        .and_then(|()| std::fs::File::open(&path)?.sync_all())
        .tried("write", path.display())?;
    let parent = scene.controller_cgroup("blkio")?;
    let own = scene.child_of(&parent, "own")?;
    let worker = scene.worker(&Job::Storage(job(path)))?;
    own.add(scene[worker].pid())?;
    scene[worker].put_in(&cgroup)?;
    limit(scene, &own, &mount, file)?;
    if parent_too {
        limit(scene, &parent, &mount, file)?;
    }
    scene[worker].go()?;
    let function = if file.starts_with("read") { "dio" } else { "" };
    scene[worker].wait_stuck(scene[worker].pid(), 'D', function, STUCK)?;
    let blocker = Expected::main_of(scene, worker, "io-throttle")
        .certainty("likely")
        .waits_for([Holder::Cgroup(own.path().to_path_buf())]);
    Ok(Stage::stuck(cgroup, vec![blocker]))
}

/// One byte per second for the device of a filesystem; lifted before the workers are killed, for they wait unkillably.
fn limit(scene: &mut Scene, cgroup: &Cgroup, mount: &std::path::Path, file: &str) -> Result<()> {
    let device = std::fs::metadata(mount).tried("look at", mount.display())?.dev();
    let number = format!("{}:{}", libc::major(device), libc::minor(device));
    let file = format!("blkio.throttle.{file}");
    scene.will_undo(Undo::Restore { path: cgroup.path().join(&file), text: format!("{number} 0") })?;
    cgroup.write(&file, &format!("{number} 1"))
}
