//! A suspended device-mapper device, as a snapshot that hangs half-way leaves it: it keeps every request until it is resumed
//! (drivers/md/dm.c, `queue_io`), and the device below never sees them.

use super::block_io::loop_device;
use super::{Case, Expected, Holder, Place, STUCK, Stage};
use crate::Job;
use crate::cgroup::Hierarchy;
use crate::error::{Error, Result, Tried as _};
use crate::scene::Scene;
use crate::undo::Undo;
use crate::worker::storage;

pub(super) const ALL: [Case; 2] = [
    Case {
        name: "block-io-dm-read",
        about: "read from a suspended device-mapper device",
        hierarchies: &Hierarchy::BOTH,
        set_up: |scene, place| reader(scene, place, false),
    },
    Case {
        name: "block-io-dm-direct",
        about: "O_DIRECT read from a suspended device-mapper device",
        hierarchies: &Hierarchy::BOTH,
        set_up: |scene, place| reader(scene, place, true),
    },
];

fn reader(scene: &mut Scene, place: &Place, direct: bool) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let dir = scene.directory()?;
    let file = dir.join("image");
    std::fs::File::create(&file).and_then(|image| image.set_len(1 << 20)).tried("make", file.display())?;
    // The directory's name is nobody else's.
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    scene.will_undo(Undo::ReleaseMapped(name.clone()))?;
    let job = storage::Job::MappedRead { file: file.clone(), name: name.clone(), direct };
    let reader = scene.worker(&Job::Storage(job))?;
    let lower = loop_device(&file)?;
    let device = upper(&lower)?;
    scene[reader].put_in(&cgroup)?;
    scene[reader].go()?;
    scene[reader].wait_stuck(scene[reader].pid(), 'D', "blkdev_read_iter", STUCK)?;
    let blocker =
        Expected::main_of(scene, reader, "block-io").certainty("certain").waits_for([Holder::Device(device)]);
    Ok(Stage::stuck(cgroup, vec![blocker]))
}

/// The device that stands on another.
fn upper(lower: &str) -> Result<String> {
    let dir = format!("/sys/class/block/{lower}/holders");
    let mut holders = std::fs::read_dir(&dir).into_iter().flatten().flatten();
    let name = holders.next().map(|entry| entry.file_name().to_string_lossy().into_owned());
    name.ok_or_else(|| Error::new("find", "the device on", lower))
}
