//! Which block device a task waits for, as far as the facts say.

use super::super::Certainty;
use super::super::case::Case;
use super::super::facts::{BlockDevice, FileFacts, KnownBy, MountFacts};
use super::super::functions::Mechanism;

/// Calls that only read: the others may write, or read and write metadata.
const READS: &[&str] =
    &["read", "pread64", "readv", "preadv", "preadv2", "getdents", "getdents64", "readahead"];
/// Calls that only write out.
const SYNCS: &[&str] = &["fsync", "fdatasync", "sync", "syncfs", "sync_file_range", "msync"];
const WRITES: &[&str] = &["write", "pwrite64", "writev", "pwritev", "pwritev2"];

/// A wait for a block device.
pub struct DeviceWait<'a> {
    /// The device; several where the facts leave a choice, none where they do not tell.
    pub devices: Vec<&'a BlockDevice>,
    /// How sure the device is.
    pub certainty: Certainty,
    /// Whether the request may be a read, a write.
    pub kinds: [bool; 2],
    /// It is a flush: statistics may not count it.
    pub flush: bool,
    /// Slowed down for having made too many pages dirty.
    pub dirty: bool,
}

/// `None` where the task waits for no block device.
pub fn wait<'a>(case: &Case<'a>) -> Option<DeviceWait<'a>> {
    if case.task().lock.is_some() || !case.uninterruptible() {
        return None;
    }
    let flush = case.at(Mechanism::BlockFlush);
    let dirty = case.at(Mechanism::DirtyThrottle);
    let surely = flush || case.at(Mechanism::BlockWait) || case.at(Mechanism::IoLimitWait);
    let written = case.at(Mechanism::WritebackWait);
    if !surely && !dirty && !written && !case.at(Mechanism::PageWait) {
        return None;
    }
    let (mut devices, mut certainty) = named(case);
    if devices.is_empty() {
        (devices, certainty) = (busy(case.facts.storage.devices.iter().collect()), Certainty::Guess);
        // A page of a file on no device is some server's; sync(2) names no file and waits for whatever is written.
        let of_all = written && files(case).is_empty() && !devices.is_empty();
        if !surely && !of_all {
            return None;
        }
    } else if devices.len() > 1 {
        let busy = busy(devices.clone());
        certainty = Certainty::Guess;
        if busy.len() == 1 {
            (devices, certainty) = (busy, Certainty::Likely);
        }
    }
    Some(DeviceWait { devices, certainty, kinds: kinds(case, dirty), flush, dirty })
}

/// The devices below the files that the call or the fault concerns.
fn named<'a>(case: &Case<'a>) -> (Vec<&'a BlockDevice>, Certainty) {
    let mapped = case.details().map_or(&[][..], |details| &details.mapped);
    let mut certainty = Certainty::Certain;
    let mut devices: Vec<&BlockDevice> = Vec::new();
    let mut add = |found: Vec<&'a BlockDevice>| {
        for device in found {
            if !devices.iter().any(|known| known.number == device.number) {
                devices.push(device);
            }
        }
    };
    if mapped.is_empty() {
        for file in files(case) {
            let (found, sure) = of_file(case, file);
            certainty = certainty.min(sure);
            add(found);
        }
    } else {
        // A fault inside a call is on a mapped file, not on the call's own.
        certainty = Certainty::Likely;
        for file in mapped {
            add(of_mount(case, &file.mount).0);
        }
    }
    (devices, certainty)
}

/// umount takes the mount away before it waits: by path it would be the mount beneath.
fn files<'a>(case: &Case<'a>) -> &'a [FileFacts] {
    let call = case.details().and_then(|details| details.syscall.as_ref());
    if call.is_some_and(|call| call.name == "umount2") { &[] } else { case.files() }
}

fn of_file<'a>(case: &Case<'a>, file: &FileFacts) -> (Vec<&'a BlockDevice>, Certainty) {
    let sure = if file.known_by == KnownBy::Descriptor { Certainty::Certain } else { Certainty::Likely };
    let storage = &case.facts.storage;
    if let Some(special) = storage.special.iter().find(|special| special.path == file.path) {
        return (storage.device(special.number).into_iter().collect(), sure);
    }
    let Some(mount) = &file.mount else { return (Vec::new(), sure) };
    let (devices, known) = of_mount(case, mount);
    (devices, sure.min(known))
}

/// The device of a filesystem; those it may use, where its number is no device's.
pub fn of_mount<'a>(case: &Case<'a>, mount: &MountFacts) -> (Vec<&'a BlockDevice>, Certainty) {
    let storage = &case.facts.storage;
    if mount.major != 0 {
        return (storage.device((mount.major, mount.minor)).into_iter().collect(), Certainty::Certain);
    }
    let behind = storage.anonymous.iter().find(|fs| fs.minor == mount.minor);
    let devices = behind.iter().flat_map(|fs| &fs.devices).filter_map(|number| storage.device(*number));
    (devices.collect(), Certainty::Likely)
}

/// Those with requests in flight, without the devices that only carry others' requests.
fn busy(devices: Vec<&BlockDevice>) -> Vec<&BlockDevice> {
    let in_flight = |device: &&BlockDevice| device.traffic.is_some_and(|traffic| traffic.in_flight != [0, 0]);
    let busy: Vec<&BlockDevice> = devices.into_iter().filter(in_flight).collect();
    let carries = |lower: &BlockDevice| {
        busy.iter().any(|upper| upper.disk == Some(lower.number) || upper.below.contains(&lower.number))
    };
    busy.iter().filter(|device| !carries(device)).copied().collect()
}

fn kinds(case: &Case<'_>, dirty: bool) -> [bool; 2] {
    let name = case.details().and_then(|details| details.syscall.as_ref()).map(|call| call.name.as_str());
    let is = |calls: &[&str]| name.is_some_and(|name| calls.contains(&name));
    // Only a write past the page cache waits in it for what it writes; another may read what it is to change.
    let direct = !case.at(Mechanism::PageWait);
    let mapped = case.details().is_some_and(|details| !details.mapped.is_empty());
    if dirty || is(SYNCS) || direct && is(WRITES) {
        [false, true]
    } else if is(READS) && !mapped {
        [true, false]
    } else {
        [true, true]
    }
}
