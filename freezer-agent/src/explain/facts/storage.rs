//! Block devices, the limits on them, and the servers of network filesystems.

use serde::{Deserialize, Serialize};

use super::MountFacts;
use crate::model::Name;

/// What blocked tasks may wait for in storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageFacts {
    /// Devices that files of blocked tasks lie on, and what lies below those.
    pub devices: Vec<BlockDevice>,
    /// Block special files that tasks have open, by path in the task's root.
    pub special: Vec<SpecialFile>,
    /// Devices of filesystems whose own number is no device's (btrfs, overlay), by minor number.
    pub anonymous: Vec<AnonymousFs>,
    /// Limits of the cgroups that blocked tasks are in.
    pub limits: Vec<IoLimit>,
    /// Network filesystems mounted where a blocked task or the agent sees them.
    pub network: Vec<NetworkMount>,
}

impl StorageFacts {
    /// Nothing gathered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A device by number.
    #[must_use]
    pub fn device(&self, number: (u32, u32)) -> Option<&BlockDevice> {
        self.devices.iter().find(|device| device.number == number)
    }
}

/// A disk, partition or virtual block device, from `/sys/dev/block`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockDevice {
    /// Major and minor number.
    pub number: (u32, u32),
    /// Kernel name: `loop0`, `dm-1`, `nvme0n1p2`.
    pub name: Name,
    /// Name of a device-mapper device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dm_name: Option<Name>,
    /// A device-mapper device that is suspended: it keeps requests until it is resumed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// Number of the whole disk, where this is a partition: limits are set on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<(u32, u32)>,
    /// Devices directly below a stacked one (`slaves`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub below: Vec<(u32, u32)>,
    /// A loop device's file, as the agent sees its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backing: Option<Name>,
    /// The mount that file lies in, by its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backing_mount: Option<MountFacts>,
    /// Requests at the device; `None` where it keeps no statistics.
    pub traffic: Option<Traffic>,
    /// Kernel thread that works for a loop device and sleeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<LoopWorker>,
}

/// Requests at a device over several looks, reads and writes apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// The fewest in flight in any look: a request that is stuck at the device is in all of them.
    pub in_flight: [u64; 2],
    /// Completed between the first look and the last.
    pub completed: [u64; 2],
}

/// A sleeping worker of a loop device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopWorker {
    /// Thread id.
    pub tid: i32,
    /// Its name with what it works on: `kworker/u8:3+loop5`.
    pub comm: Name,
    /// Kernel functions, innermost first.
    pub stack: Vec<String>,
}

/// A block special file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecialFile {
    /// Path in the task's root.
    pub path: Name,
    /// The device it stands for.
    pub number: (u32, u32),
}

/// A filesystem with an anonymous device number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnonymousFs {
    /// Minor number of its superblock; major is 0.
    pub minor: u32,
    /// Devices it may keep its data on.
    pub devices: Vec<(u32, u32)>,
}

/// A limit on a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoLimit {
    /// Directory of the cgroup that has it.
    pub cgroup: Name,
    /// `blkio.throttle.read_bps_device`, `io.max`, `io.latency`
    pub file: String,
    /// The device's line in that file.
    pub line: String,
    /// Device.
    pub number: (u32, u32),
    /// Which requests it limits: reads, writes.
    pub limits: [bool; 2],
    /// Thread ids of blocked tasks it covers.
    pub covers: Vec<i32>,
}

/// A mounted NFS or CIFS filesystem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkMount {
    /// The mount.
    pub mount: MountFacts,
    /// `addr=` of the superblock's options.
    pub address: Option<String>,
    /// Tries for ever (NFS: no `soft` or `softerr`).
    pub hard: bool,
}
