//! From a block device to what it stands on: a stacked device's lower ones, a loop device's file and its server.

use super::super::case::Case;
use super::super::facts::{BlockDevice, MountFacts};
use super::super::functions::{self, Mechanism};
use super::super::{Certainty, WaitsFor};
use super::{files, fs_frozen, fuse_request, nfs_request, on_device};

/// Devices on devices that are followed.
const DEEPEST: usize = 8;

/// What a device stands on.
pub struct Chain {
    /// The device first.
    pub steps: Vec<WaitsFor>,
    /// ", which stands on ...", for the end of a sentence.
    pub words: String,
    /// The way out that the end of the chain knows.
    pub release: Option<String>,
    /// No surer than this.
    pub certainty: Certainty,
    /// Observations on the way.
    pub notes: Vec<String>,
}

/// Follows a device to the end.
pub fn follow(case: &Case<'_>, device: &BlockDevice) -> Chain {
    let mut chain = Chain {
        steps: Vec::new(),
        words: String::new(),
        release: None,
        certainty: Certainty::Certain,
        notes: Vec::new(),
    };
    chain.add(case, device);
    chain
}

/// "loop5 (file /x/image)", "dm-1 (vg-data)"
pub fn wording(device: &BlockDevice) -> String {
    match (&device.dm_name, &device.backing) {
        (Some(name), _) => format!("{} ({name})", device.name),
        (None, Some(file)) => format!("{} (file {file})", device.name),
        (None, None) => device.name.to_string(),
    }
}

impl Chain {
    fn add(&mut self, case: &Case<'_>, device: &BlockDevice) {
        self.steps.push(WaitsFor::Device { name: device.name.clone(), backing: device.backing.clone() });
        self.note_traffic(device);
        self.note_worker(device);
        let storage = &case.facts.storage;
        if self.steps.len() > DEEPEST {
            return;
        }
        if device.suspended {
            // drivers/md/dm.c, `queue_io`: what lies below does not see the request before the device is resumed.
            let name = device.dm_name.as_ref().unwrap_or(&device.name);
            self.words += ", which is suspended";
            self.release = Some(format!(
                "`dmsetup resume {name}`, unless whoever suspended it (a snapshot, a reload of its table) is still at work"
            ));
            return;
        }
        if let Some(mount) = &device.backing_mount {
            if waits_for_fuse(device) && !files::is_fuse(mount) {
                // The path is that of another mount namespace, or hidden beneath another mount.
                self.words += ", whose file's mount could not be told; its worker waits for a FUSE server";
                self.certainty = Certainty::Likely;
                return;
            }
            self.backing(case, device, mount);
            return;
        }
        let below: Vec<&BlockDevice> =
            device.below.iter().filter_map(|number| storage.device(*number)).collect();
        match below.as_slice() {
            [] => {}
            [only] if idle(only) => self.note_traffic(only),
            [only] => {
                self.words += &format!(", which stands on {}", wording(only));
                self.add(case, only);
            }
            several => {
                let names: Vec<String> = several.iter().map(|device| wording(device)).collect();
                self.words += &format!(", which stands on {}", names.join(", "));
                for device in several {
                    self.note_traffic(device);
                }
            }
        }
    }

    /// The filesystem that a loop device's file lies in, by the file's path.
    fn backing(&mut self, case: &Case<'_>, device: &BlockDevice, mount: &MountFacts) {
        self.words += &format!(", whose file lies on {} ({})", mount.path, mount.fstype);
        let served = if files::is_fuse(mount) {
            Some(fuse_request::of_mount(case, mount))
        } else {
            nfs_request::of_mount(case, mount)
        };
        if let Some(finding) = served {
            self.words += &format!(" and {}", finding.summary);
            self.steps.extend(finding.waits_for);
            self.release = Some(finding.release);
            self.certainty = self.certainty.min(finding.certainty).min(Certainty::Likely);
            self.notes.extend(finding.notes);
            return;
        }
        self.certainty = self.certainty.min(Certainty::Likely);
        self.steps.push(files::step(mount));
        if device.worker.as_ref().is_some_and(|worker| fs_frozen::waits_to_write(&worker.stack)) {
            self.words += ", frozen by FIFREEZE";
            self.release = Some(fs_frozen::release(mount));
            return;
        }
        match on_device::of_mount(case, mount).0.as_slice() {
            [only] if idle(only) => self.note_traffic(only),
            [only] => self.add(case, only),
            _ => {}
        }
    }

    fn note_traffic(&mut self, device: &BlockDevice) {
        if let Some(traffic) = device.traffic {
            let [reads, writes] = traffic.in_flight;
            self.notes.push(match (reads, writes) {
                (0, 0) => format!("{} had a moment with no request in flight", device.name),
                _ => format!(
                    "{} has at least {reads} reads and {writes} writes in flight all the time",
                    device.name
                ),
            });
        }
    }

    fn note_worker(&mut self, device: &BlockDevice) {
        let Some(worker) = &device.worker else { return };
        let at = worker.stack.first().map_or("", String::as_str);
        let whose = if waits_for_fuse(device) { ": it waits for a FUSE server" } else { "" };
        self.notes
            .push(format!("the device's worker {} ({}) sleeps in {at}{whose}", worker.comm, worker.tid));
    }
}

/// What is asked of a device that had nothing to do for a moment is not stuck there.
fn idle(device: &BlockDevice) -> bool {
    device.traffic.is_some_and(|traffic| traffic.in_flight == [0, 0])
}

fn waits_for_fuse(device: &BlockDevice) -> bool {
    device.worker.as_ref().is_some_and(|worker| functions::contains(&worker.stack, Mechanism::FuseRequest))
}
