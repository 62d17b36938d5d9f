//! `block-io`: the task waits for a disk, loop, device-mapper or network block device.
//!
//! What happens: a read, a write, a flush or the journal has sent a request to a device, and the task sleeps
//! uninterruptibly until the device answers. A device that is dead, removed, suspended, or whose file or server does
//! not answer (a loop device on FUSE, NBD) never does. Slow disks end by themselves.
//!
//! Confirm by hand: `/proc/TID/stack` shows `submit_bio_wait`, `__iomap_dio_rw`, `folio_wait_bit*`, `jbd2_log_wait_commit`
//! and the like; the file's device is the major:minor of its mount in `/proc/TID/mountinfo`; `/sys/dev/block/M:N/inflight`
//! stays above 0; for a loop device `cat /sys/block/loopN/loop/backing_file`, for a stacked one `ls /sys/block/X/slaves`;
//! `/sys/block/dm-N/dm/suspended` is 1 where a device-mapper device keeps all requests until it is resumed.
//! The same page wait on a FUSE or NFS file is those causes': the file's filesystem decides.
//!
//! Release: make the device answer: bring the path, target or server back; `dmsetup resume` a suspended device; answer or
//! abort the server a loop device's file depends on. A device that is gone fails its requests when its driver gives up.
//!
//! Cost: failing requests is an I/O error to the filesystem, which may turn read-only and lose what was not written.
//! Thawing costs nothing, and the task goes on waiting.
//!
//! Kernels: all. These sleeps are never frozen in place, so they block v1 and v2 alike. A filesystem over several
//! devices (btrfs, overlay) has no device number of its own: the devices are then those it may use. A call that names no
//! file (sync, umount, exit) waits for one of the devices with requests in flight.
//!
//! Source: `block/bio.c`, `submit_bio_wait`; `mm/filemap.c`, `folio_wait_bit_common`; `fs/iomap/direct-io.c`,
//! `__iomap_dio_rw`; `drivers/block/loop.c`, `loop_process_work`; `block/genhd.c`, `part_inflight_show`.

use super::super::case::{Case, Finding};
use super::super::functions::Mechanism;
use super::super::{Cause, Certainty};
use super::on_device::DeviceWait;
use super::{device_chain, io_throttle, on_device};

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    let wait = on_device::wait(case)?;
    let mut finding = match wait.devices.as_slice() {
        [only] => {
            let chain = device_chain::follow(case, only);
            let what = format!("waits for the block device {}{}", device_chain::wording(only), chain.words);
            let release = chain.release.unwrap_or_else(|| {
                format!("make {} answer: nothing takes a request back from a device; a slow one needs only time", only.name)
            });
            let mut finding =
                Finding::new(Cause::BlockIo, wait.certainty.min(chain.certainty), what, release);
            finding.waits_for = chain.steps;
            finding.notes = chain.notes;
            finding
        }
        several => untold(&wait, several.is_empty()),
    };
    if wait.dirty {
        finding.notes.push("it made too many pages dirty and is let go on when enough of them are written".to_owned());
    }
    if case.at(Mechanism::PageWait) && !case.at(Mechanism::BlockWait) {
        finding.notes.push("it waits for a page of the file, whoever asked the device for it".to_owned());
    }
    finding.notes.extend(io_throttle::limits(case, &wait).map(|limit| {
        format!("{} also limits it ({} {}), but the requests are at the device", limit.cgroup, limit.file, limit.line)
    }));
    finding.never_frozen_in_place = true;
    Some(finding)
}

fn untold(wait: &DeviceWait<'_>, none: bool) -> Finding {
    let names: Vec<String> = wait.devices.iter().map(|device| device_chain::wording(device)).collect();
    let (certainty, what) = if none {
        (Certainty::Likely, "waits for a block device that could not be told".to_owned())
    } else {
        (Certainty::Guess, format!("waits for a block device, one of {}", names.join(", ")))
    };
    let release = "make the device answer: `/sys/block/*/inflight` shows which has requests that do not end";
    Finding::new(Cause::BlockIo, certainty, what, release)
}
