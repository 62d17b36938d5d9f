//! The names of the causes: promised to users, see the catalogue in each rule's file.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a task blocks a freeze.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Waits for a FUSE server's answer.
    FuseRequest,
    /// Writes to a filesystem frozen by FIFREEZE.
    FsFrozen,
    /// Waits for a mutex, semaphore or rwsem.
    LockHeld,
    /// Faults, in the kernel, on a userfaultfd range nobody serves.
    Userfault,
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
    /// Sits in the other hierarchy's refrigerator.
    FrozenElsewhere,
    /// D, nothing more is known.
    Uninterruptible,
    /// R, nothing more is known.
    Running,
}

impl Cause {
    /// The name in JSON and on the screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FuseRequest => "fuse-request",
            Self::FsFrozen => "fs-frozen",
            Self::LockHeld => "lock-held",
            Self::Userfault => "userfault",
            Self::Exiting => "exiting",
            Self::KernelWork => "kernel-work",
            Self::CpuThrottled => "cpu-throttled",
            Self::CpuStarved => "cpu-starved",
            Self::KernelThread => "kernel-thread",
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
