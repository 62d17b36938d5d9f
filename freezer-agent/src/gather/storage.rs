//! Block devices that waiting tasks concern, what lies below them, and their requests: sysfs only, no device is opened.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::descriptors::is_fuse;
use super::mountinfo::Mount;
use super::paths::{beneath, mount_of};
use super::procdir::{ProcDir, Process, number, read};
use super::{io_limits, may_be, network};
use crate::explain::facts::{
    AnonymousFs, BlockDevice, LoopWorker, MountFacts, SpecialFile, StorageFacts, TaskFacts, Traffic,
};
use crate::explain::functions::{Mechanism as M, contains};
use crate::model::{Name, TaskSnapshot};

/// A stuck request is in flight at every look; among busy ones some look finds the device idle.
const LOOKS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(2);
/// Devices followed; a host with more mounted disks than that is looked at in part.
const MOST: usize = 64;

const WAITS: [M; 8] = [
    M::WritebackWait,
    M::BlockWait,
    M::BlockFlush,
    M::PageWait,
    M::IoLimitWait,
    M::DirtyThrottle,
    M::NfsWait,
    M::CifsWait,
];

/// Whether a task may wait for storage.
pub fn concerns(facts: &TaskFacts) -> bool {
    facts.details.is_some() && WAITS.iter().any(|mechanism| may_be(facts, *mechanism))
}

/// Whether any loop device has its file on FUSE: then waiting for a disk may be waiting for a server.
pub fn loops_on_fuse(proc: &ProcDir) -> bool {
    let mounts = Process::own(proc).mounts();
    if !mounts.iter().any(|mount| is_fuse(&mount.facts)) {
        return false;
    }
    names(&proc.sys().join("class/block")).iter().any(|name| {
        let file = proc.sys().join("class/block").join(OsStr::from_bytes(name)).join("loop/backing_file");
        text(&file).is_some_and(|path| mount_of(&mounts, &path).is_some_and(|mount| is_fuse(&mount.facts)))
    })
}

/// Everything about the storage that these tasks wait for.
pub fn gather(
    proc: &ProcDir,
    tasks: &[&TaskFacts],
    host: &[TaskSnapshot],
    deadline: Instant,
) -> StorageFacts {
    let waiting: Vec<&TaskFacts> = tasks.iter().copied().filter(|facts| concerns(facts)).collect();
    if waiting.is_empty() {
        return StorageFacts::default();
    }
    let own = Process::own(proc).mounts();
    let mut look = Look { proc, own: &own, facts: StorageFacts::default() };
    for task in &waiting {
        look.task(task);
    }
    if waiting.iter().any(|task| !names_a_file(task)) {
        // sync(2), umount and exit name no file: any mounted device may be meant.
        for mount in &own {
            look.mount(&mount.facts);
        }
    }
    for worker in loop_workers(proc, host) {
        look.worker(worker);
    }
    look.traffic(deadline);
    let mut facts = look.facts;
    facts.limits = io_limits::covering(proc, &waiting);
    facts.network = network::mounts(proc, &waiting, &own);
    facts
}

fn names_a_file(task: &TaskFacts) -> bool {
    task.details.as_ref().is_some_and(|details| {
        !details.mapped.is_empty()
            || details.syscall.as_ref().is_some_and(|call| call.name != "umount2" && !call.files.is_empty())
    })
}

struct Look<'a> {
    proc: &'a ProcDir,
    own: &'a [Mount],
    facts: StorageFacts,
}

impl Look<'_> {
    fn task(&mut self, task: &TaskFacts) {
        let Some(details) = &task.details else { return };
        for file in details.syscall.iter().flat_map(|call| &call.files) {
            let Some(mount) = &file.mount else { continue };
            if [&b"devtmpfs"[..], b"tmpfs"].contains(&mount.fstype.as_bytes()) {
                self.special(&file.path);
            } else {
                self.mount(mount);
            }
        }
        for mapped in &details.mapped {
            self.mount(&mapped.mount);
        }
    }

    /// A file of /dev, by its name: looking at the file itself could hang on the way to it.
    fn special(&mut self, path: &Name) {
        if self.facts.special.iter().any(|known| known.path == *path) {
            return;
        }
        let base = path.as_bytes().rsplit(|&b| b == b'/').next().unwrap_or_default();
        if let Some(number) = self.by_name(base) {
            self.facts.special.push(SpecialFile { path: path.clone(), number });
            self.device(number);
        }
    }

    fn mount(&mut self, mount: &MountFacts) {
        if mount.major != 0 {
            self.device((mount.major, mount.minor));
            return;
        }
        if self.facts.anonymous.iter().any(|known| known.minor == mount.minor) {
            return;
        }
        let devices = self.behind_anonymous(mount);
        if devices.is_empty() {
            return;
        }
        for number in &devices {
            self.device(*number);
        }
        self.facts.anonymous.push(AnonymousFs { minor: mount.minor, devices });
    }

    fn behind_anonymous(&self, mount: &MountFacts) -> Vec<(u32, u32)> {
        if mount.fstype.as_bytes() == b"overlay" {
            return self.layers(mount);
        }
        let Some(source) = mount.source.as_bytes().strip_prefix(b"/dev/") else { return Vec::new() };
        let base = source.rsplit(|&b| b == b'/').next().unwrap_or_default();
        let mut numbers: BTreeSet<(u32, u32)> = self.by_name(base).into_iter().collect();
        // fs/btrfs/sysfs.c: one folder a filesystem, its devices below.
        let all = self.proc.sys().join("fs/btrfs");
        for filesystem in names(&all) {
            let devices = names(&all.join(OsStr::from_bytes(&filesystem)).join("devices"));
            if devices.iter().any(|name| name == base) {
                numbers.extend(devices.iter().filter_map(|name| self.by_name(name)));
            }
        }
        numbers.into_iter().collect()
    }

    /// Devices of an overlay's layers, by the paths its mounter gave (`fs/overlayfs/params.c`).
    fn layers(&self, mount: &MountFacts) -> Vec<(u32, u32)> {
        let seen = self.own.iter().find(|own| own.facts.minor == mount.minor && own.facts.major == 0);
        let Some(seen) = seen else { return Vec::new() };
        let dirs = seen.options.split(|&b| b == b',').filter_map(|option| {
            let keys = [&b"upperdir="[..], b"lowerdir=", b"lowerdir+="];
            keys.iter().find_map(|key| option.strip_prefix(*key))
        });
        let numbers: BTreeSet<(u32, u32)> = dirs
            .flat_map(|dirs| dirs.split(|&b| b == b':'))
            .filter_map(|dir| mount_of(self.own, dir))
            .filter(|mount| mount.facts.major != 0)
            .map(|mount| (mount.facts.major, mount.facts.minor))
            .collect();
        numbers.into_iter().collect()
    }

    fn by_name(&self, name: &[u8]) -> Option<(u32, u32)> {
        if name.is_empty() {
            return None;
        }
        device_number(&read(&self.proc.sys().join("class/block").join(OsStr::from_bytes(name)).join("dev"))?)
    }

    /// The device and all below it.
    fn device(&mut self, number: (u32, u32)) {
        if self.facts.devices.len() >= MOST || self.facts.device(number).is_some() {
            return;
        }
        let dir = directory(self.proc, number);
        let Some(device) = self.describe(&dir, number) else { return };
        let below: Vec<(u32, u32)> = device.below.iter().chain(&device.disk).copied().collect();
        let backing = device.backing_mount.clone();
        self.facts.devices.push(device);
        for number in below {
            self.device(number);
        }
        if let Some(mount) = backing {
            self.mount(&mount);
        }
    }

    fn describe(&self, dir: &Path, number: (u32, u32)) -> Option<BlockDevice> {
        let uevent = read(&dir.join("uevent"))?;
        let name = uevent.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(b"DEVNAME="))?;
        let backing = text(&dir.join("loop/backing_file"));
        let backing_mount = backing.as_ref().and_then(|path| self.mount_of_backing(path));
        let is_partition = dir.join("partition").exists();
        Some(BlockDevice {
            number,
            name: Name::from(name.to_vec()),
            dm_name: text(&dir.join("dm/name")).map(Name::from),
            suspended: text(&dir.join("dm/suspended")).is_some_and(|word| word == b"1"),
            disk: is_partition
                .then(|| read(&dir.join("../dev")).as_deref().and_then(device_number))
                .flatten(),
            below: names(&dir.join("slaves")).iter().filter_map(|name| self.by_name(name)).collect(),
            backing_mount: backing_mount.map(|mount| mount.facts.clone()),
            backing: backing.map(Name::from),
            traffic: None,
            worker: None,
        })
    }

    /// By path, which is another mount namespace's for a loop device set up there: believed where the file is there, or
    /// where a look could hang.
    fn mount_of_backing(&self, path: &[u8]) -> Option<&Mount> {
        let may_hang = self.own.iter().any(|mount| {
            let facts = &mount.facts;
            let remote = is_fuse(facts) || network::is_network(facts.fstype.as_bytes());
            (remote || facts.fstype.as_bytes() == b"autofs") && beneath(facts.path.as_bytes(), path).is_some()
        });
        // fs/d_path.c marks a file that has no name any more.
        let nameless = path.ends_with(b" (deleted)");
        let there = may_hang
            || nameless
            || std::fs::symlink_metadata(OsStr::from_bytes(path)).is_ok_and(|m| m.is_file());
        mount_of(self.own, path).filter(|_| there)
    }

    fn worker(&mut self, worker: LoopWorker) {
        let of = |device: &&mut BlockDevice| {
            let comm = worker.comm.as_bytes();
            let task = comm.rsplit(|&b| b == b'+').next().unwrap_or_default();
            device.name.as_bytes() == task
        };
        if let Some(device) = self.facts.devices.iter_mut().find(of) {
            device.worker = Some(worker);
        }
    }

    fn traffic(&mut self, deadline: Instant) {
        let dirs: Vec<PathBuf> =
            self.facts.devices.iter().map(|device| directory(self.proc, device.number)).collect();
        let first: Vec<Option<Counters>> = dirs.iter().map(|dir| counters(dir)).collect();
        let mut fewest: Vec<[u64; 2]> =
            first.iter().map(|look| look.map_or([0; 2], |look| look.in_flight)).collect();
        let mut last = first.clone();
        for _ in 1..LOOKS {
            if Instant::now() > deadline {
                break;
            }
            thread::sleep(PAUSE);
            last = dirs.iter().map(|dir| counters(dir)).collect();
            for (fewest, look) in fewest.iter_mut().zip(&last) {
                let now = look.map_or([0; 2], |look| look.in_flight);
                *fewest = [fewest[0].min(now[0]), fewest[1].min(now[1])];
            }
        }
        let looks = first.into_iter().zip(last).zip(fewest);
        for (device, ((first, last), in_flight)) in self.facts.devices.iter_mut().zip(looks) {
            device.traffic = first.zip(last).map(|(first, last)| Traffic {
                in_flight,
                completed: [0, 1].map(|kind| last.completed[kind].saturating_sub(first.completed[kind])),
            });
        }
    }
}

#[derive(Clone, Copy)]
struct Counters {
    in_flight: [u64; 2],
    completed: [u64; 2],
}

/// Documentation/block/stat.rst; `queue/iostats` 0 leaves all of it at 0.
fn counters(dir: &Path) -> Option<Counters> {
    let kept = read(&dir.join("queue/iostats")).or_else(|| read(&dir.join("../queue/iostats")));
    if kept.as_deref().and_then(number::<u8>) == Some(0) {
        return None;
    }
    let words = |file: &str| -> Option<Vec<u64>> {
        let bytes = read(&dir.join(file))?;
        let words = std::str::from_utf8(&bytes).ok()?.split_ascii_whitespace().map(str::parse);
        words.collect::<Result<_, _>>().ok()
    };
    let (in_flight, stat) = (words("inflight")?, words("stat")?);
    Some(Counters {
        in_flight: [*in_flight.first()?, *in_flight.get(1)?],
        completed: [*stat.first()?, *stat.get(4)?],
    })
}

fn directory(proc: &ProcDir, (major, minor): (u32, u32)) -> PathBuf {
    proc.sys().join(format!("dev/block/{major}:{minor}"))
}

/// Workers of loop devices that sleep in one's request. Their name says which only in /proc (`wq_worker_comm`).
fn loop_workers(proc: &ProcDir, host: &[TaskSnapshot]) -> Vec<LoopWorker> {
    host.iter()
        .filter(|task| task.kernel_thread && contains(&task.stack, M::LoopWork))
        .filter_map(|task| {
            let comm = text(&proc.process(task.tid).path("comm"))?;
            Some(LoopWorker { tid: task.tid, comm: Name::from(comm), stack: task.stack.clone() })
        })
        .collect()
}

/// `7:0`
pub fn device_number(bytes: &[u8]) -> Option<(u32, u32)> {
    let (major, minor) = std::str::from_utf8(bytes).ok()?.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// A file's one line.
fn text(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = read(path)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    (!bytes.is_empty()).then_some(bytes)
}

fn names(dir: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().as_bytes().to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_disk_without_statistics_has_no_traffic_rather_than_none_in_flight() {
        let dir = tempfile::tempdir().expect("a directory");
        let write = |file: &str, text: &str| std::fs::write(dir.path().join(file), text).expect("written");
        std::fs::create_dir(dir.path().join("queue")).expect("made");
        write("inflight", "       3        1\n");
        write("stat", "10 0 80 3 20 0 8 1 4 0 0\n");
        write("queue/iostats", "1\n");
        let look = counters(dir.path()).expect("statistics");
        assert_eq!((look.in_flight, look.completed), ([3, 1], [10, 20]));
        write("queue/iostats", "0\n");
        assert!(counters(dir.path()).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_device_number_or_not(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            device_number(&bytes);
        }
    }
}
