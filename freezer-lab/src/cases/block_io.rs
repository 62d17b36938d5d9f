//! A loop device whose file lies on FUSE, with a server that keeps silent: the reader waits for the device, whose
//! worker waits for the server. Uninterruptible on both hierarchies, past the page cache not even killable. And one whose
//! file lies on a filesystem frozen by FIFREEZE, as under a snapshot: its worker waits for the thaw.

use std::fs::File;

use super::{Case, Expected, Holder, Place, STUCK, Stage};
use crate::Job;
use crate::cgroup::Hierarchy;
use crate::error::{Error, Result, Tried as _};
use crate::fuse::{LOOP_FILE, SILENT_NAME};
use crate::scene::Scene;
use crate::worker::storage;

/// Through the page cache, server outside.
pub(super) const READ: Case = Case {
    name: "block-io-loop-read",
    about: "read from a loop device whose file lies on FUSE with a silent server",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| reader(scene, place, false, false),
};

/// Past the page cache.
pub(super) const DIRECT: Case = Case {
    name: "block-io-loop-direct",
    about: "O_DIRECT read from a loop device whose file lies on FUSE with a silent server",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| reader(scene, place, true, false),
};

/// The server is frozen by the same freeze; another mount with a silent server stands beside it.
pub(super) const SERVER_INSIDE: Case = Case {
    name: "block-io-server-inside",
    about: "the same with the server inside the cgroup, and another silent FUSE mount that has nothing to do with it",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let (other, _) = scene.silent_fuse(None)?;
        let stranger = scene.worker(&Job::Stat(other.join(SILENT_NAME)))?;
        scene[stranger].go()?;
        reader(scene, place, true, true)
    },
};

/// The file's filesystem is frozen.
pub(super) const ON_FROZEN: Case = Case {
    name: "block-io-on-frozen",
    about: "msync of a mapped loop device whose file lies on a filesystem frozen by FIFREEZE",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let mount = scene.ext4()?;
        let file = mount.join("image");
        File::create(&file).and_then(|file| file.set_len(1 << 20)).tried("make", file.display())?;
        let writer = scene.worker(&Job::Storage(storage::Job::LoopSync(file.clone())))?;
        let device = loop_device(&file)?;
        scene[writer].put_in(&cgroup)?;
        scene.freeze_fs(&mount)?;
        scene[writer].go()?;
        // The wait for its page below has another name before 5.16.
        scene[writer].wait_stuck(scene[writer].pid(), 'D', "file_write_and_wait_range", STUCK)?;
        let blocker = Expected::main_of(scene, writer, "block-io")
            .certainty("likely")
            .waits_for([Holder::Device(device), Holder::Mount(mount)]);
        Ok(Stage::stuck(cgroup, vec![blocker]))
    },
};

fn reader(scene: &mut Scene, place: &Place, direct: bool, inside: bool) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let (dir, server) = scene.silent_fuse(None)?;
    let file = dir.join(LOOP_FILE);
    let reader = scene.worker(&Job::Storage(storage::Job::LoopRead { file: file.clone(), direct }))?;
    let device = loop_device(&file)?;
    scene[reader].put_in(&cgroup)?;
    scene[reader].go()?;
    // What it waits in below has other names from kernel to kernel (block/fops.c, fs/block_dev.c before 5.16).
    scene[reader].wait_stuck(scene[reader].pid(), 'D', "blkdev_read_iter", STUCK)?;
    if inside {
        scene[server].put_in(&cgroup)?;
    }
    let culprit =
        if inside { Holder::frozen(scene, server, &cgroup) } else { Holder::running(scene, server) };
    let blocker = Expected::main_of(scene, reader, "block-io").certainty("likely").waits_for([
        Holder::Device(device),
        Holder::Mount(dir),
        culprit,
    ]);
    Ok(Stage::stuck(cgroup, vec![blocker]))
}

/// The one that says the file is its own.
pub(super) fn loop_device(file: &std::path::Path) -> Result<String> {
    let entries = std::fs::read_dir("/sys/class/block").into_iter().flatten().flatten();
    let is = |dir: &std::path::Path| {
        std::fs::read_to_string(dir.join("loop/backing_file"))
            .is_ok_and(|text| text.trim_end() == file.as_os_str())
    };
    let found = entries.map(|entry| entry.path()).find(|dir| is(dir));
    let name = found.and_then(|dir| dir.file_name().map(|name| name.to_string_lossy().into_owned()));
    name.ok_or_else(|| Error::new("find", "the loop device of", file.display()))
}
