//! The names of the causes: promised to users, see the catalogue in each rule's file.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a task blocks a freeze.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Waits for a FUSE server's answer.
    FuseRequest,
    /// Waits for an NFS or CIFS server.
    NfsRequest,
    /// Waits for a disk, loop, dm or network block device.
    BlockIo,
    /// Held back by an io or blkio limit.
    IoThrottle,
    /// Writes to a filesystem frozen by FIFREEZE.
    FsFrozen,
    /// Waits for a mutex, semaphore or rwsem.
    LockHeld,
    /// Faults, in the kernel, on a userfaultfd range nobody serves.
    Userfault,
    /// Waits for a seccomp supervisor.
    SeccompNotify,
    /// Waits for a fanotify listener's verdict.
    FanotifyPermission,
    /// Waits for the automount daemon.
    Autofs,
    /// Waits for a user-mode helper.
    KeyUpcall,
    /// Waits in a memory cgroup at its limit with the OOM killer off.
    OomWait,
    /// Waits in execve for its other threads to die.
    ExecThreads,
    /// Is tearing its memory or files down.
    Exiting,
    /// Runs a long computation inside the kernel.
    KernelWork,
    /// Is runnable and held back by a CPU quota.
    CpuThrottled,
    /// Is runnable and others have the CPU.
    CpuStarved,
    /// Is a kernel thread in a v2 cgroup.
    KernelThread,
    /// Was forked, exec'd or moved in after the request.
    LateArrival,
    /// Sits in the other hierarchy's refrigerator.
    FrozenElsewhere,
    /// D, nothing more is known.
    Uninterruptible,
    /// R, nothing more is known.
    Running,
}

impl Cause {
    /// All of them, in the order of the catalogue.
    pub const ALL: [Self; 22] = [
        Self::FuseRequest,
        Self::NfsRequest,
        Self::BlockIo,
        Self::IoThrottle,
        Self::FsFrozen,
        Self::LockHeld,
        Self::Userfault,
        Self::SeccompNotify,
        Self::FanotifyPermission,
        Self::Autofs,
        Self::KeyUpcall,
        Self::OomWait,
        Self::ExecThreads,
        Self::Exiting,
        Self::KernelWork,
        Self::CpuThrottled,
        Self::CpuStarved,
        Self::KernelThread,
        Self::LateArrival,
        Self::FrozenElsewhere,
        Self::Uninterruptible,
        Self::Running,
    ];

    /// The name in JSON and on the screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FuseRequest => "fuse-request",
            Self::NfsRequest => "nfs-request",
            Self::BlockIo => "block-io",
            Self::IoThrottle => "io-throttle",
            Self::FsFrozen => "fs-frozen",
            Self::LockHeld => "lock-held",
            Self::Userfault => "userfault",
            Self::SeccompNotify => "seccomp-notify",
            Self::FanotifyPermission => "fanotify-permission",
            Self::Autofs => "autofs",
            Self::KeyUpcall => "key-upcall",
            Self::OomWait => "oom-wait",
            Self::ExecThreads => "exec-threads",
            Self::Exiting => "exiting",
            Self::KernelWork => "kernel-work",
            Self::CpuThrottled => "cpu-throttled",
            Self::CpuStarved => "cpu-starved",
            Self::KernelThread => "kernel-thread",
            Self::LateArrival => "late-arrival",
            Self::FrozenElsewhere => "frozen-elsewhere",
            Self::Uninterruptible => "uninterruptible",
            Self::Running => "running",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_causes_are_listed_once_in_their_own_order_and_json_has_their_names() {
        for (n, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, n, "{cause}");
            assert_eq!(serde_json::to_value(cause).expect("a word"), cause.name());
        }
    }
}
