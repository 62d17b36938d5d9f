//! A byte per second on a loop device of the lab's own: whoever does input or output past the page cache waits
//! uninterruptibly for more than an hour, and so does who waits for its pages to be written.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::{Case, Expected, Holder, Place, STUCK, Stage};
use crate::Job;
use crate::cgroup::{Cgroup, Hierarchy};
use crate::error::{Result, Tried as _};
use crate::scene::{Scene, WorkerId};
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

/// The same by v2's `io.max`, which is the frozen cgroup's own.
pub(super) const MAX: [Case; 3] = [
    Case {
        name: "io-throttle-max-read",
        about: "O_DIRECT read under an io.max of two bytes per second of the cgroup that is frozen",
        hierarchies: &[Hierarchy::V2],
        set_up: |scene, place| limited_v2(scene, place, "rbps", storage::Job::DirectRead),
    },
    Case {
        name: "io-throttle-max-write",
        about: "O_DIRECT write under an io.max of two bytes per second of the cgroup that is frozen",
        hierarchies: &[Hierarchy::V2],
        set_up: |scene, place| limited_v2(scene, place, "wbps", storage::Job::DirectWrite),
    },
    Case {
        name: "io-throttle-max-fsync",
        about: "fsync of a written file under an io.max of two bytes per second of the cgroup that is frozen",
        hierarchies: &[Hierarchy::V2],
        set_up: |scene, place| limited_v2(scene, place, "wbps", storage::Job::WriteAndFsync),
    },
];

fn limited_v2(
    scene: &mut Scene,
    place: &Place,
    what: &str,
    job: fn(PathBuf) -> storage::Job,
) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let (mount, path) = file(scene)?;
    let worker = scene.worker(&Job::Storage(job(path)))?;
    scene[worker].put_in(&cgroup)?;
    let number = device_of(&mount)?;
    let lifted = Undo::Restore { path: cgroup.path().join("io.max"), text: format!("{number} {what}=max") };
    scene.will_undo(lifted)?;
    // The kernel takes no less (block/blk-throttle.c, `tg_set_limit`).
    cgroup.write("io.max", &format!("{number} {what}=2"))?;
    throttled(scene, cgroup.clone(), worker, &cgroup, if what == "rbps" { "dio" } else { "" })
}

fn limited(
    scene: &mut Scene,
    place: &Place,
    file: &str,
    parent_too: bool,
    job: fn(PathBuf) -> storage::Job,
) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let (mount, path) = self::file(scene)?;
    let parent = scene.controller_cgroup("blkio")?;
    let own = scene.child_of(&parent, "own")?;
    let worker = scene.worker(&Job::Storage(job(path)))?;
    own.add(scene[worker].pid())?;
    scene[worker].put_in(&cgroup)?;
    limit(scene, &own, &mount, file)?;
    if parent_too {
        limit(scene, &parent, &mount, file)?;
    }
    throttled(scene, cgroup, worker, &own, if file.starts_with("read") { "dio" } else { "" })
}

/// A file of a filesystem of its own, with something in it.
fn file(scene: &mut Scene) -> Result<(PathBuf, PathBuf)> {
    let mount = scene.ext4()?;
    let path = mount.join("file");
    // Written out before there is a limit: later each block would wait for it.
    std::fs::write(&path, [b'x'; 8192])
        .and_then(|()| std::fs::File::open(&path)?.sync_all())
        .tried("write", path.display())?;
    Ok((mount, path))
}

/// Lets the worker run into the limit of a cgroup.
fn throttled(
    scene: &mut Scene,
    cgroup: Cgroup,
    worker: WorkerId,
    own: &Cgroup,
    function: &str,
) -> Result<Stage> {
    scene[worker].go()?;
    scene[worker].wait_stuck(scene[worker].pid(), 'D', function, STUCK)?;
    let blocker = Expected::main_of(scene, worker, "io-throttle")
        .certainty("likely")
        .waits_for([Holder::Cgroup(own.path().to_path_buf())]);
    Ok(Stage::stuck(cgroup, vec![blocker]))
}

/// One byte per second for the device of a filesystem; lifted before the workers are killed, for they wait unkillably.
fn limit(scene: &mut Scene, cgroup: &Cgroup, mount: &std::path::Path, file: &str) -> Result<()> {
    let number = device_of(mount)?;
    let file = format!("blkio.throttle.{file}");
    scene.will_undo(Undo::Restore { path: cgroup.path().join(&file), text: format!("{number} 0") })?;
    cgroup.write(&file, &format!("{number} 1"))
}

/// As limits name it.
fn device_of(mount: &std::path::Path) -> Result<String> {
    let device = std::fs::metadata(mount).tried("look at", mount.display())?.dev();
    Ok(format!("{}:{}", libc::major(device), libc::minor(device)))
}
