//! The freeze of the whole system, asked of the kernel itself: by `/dev/snapshot` or a test suspend.
//!
//! Whatever happens it is undone. The kernel thaws all tasks before a freeze that failed returns, and when the descriptor
//! of `/dev/snapshot` is closed, be it by `kill -9`. What is set meanwhile in `/sys/power` is put back by the agent, or,
//! where it was killed, by a process that does nothing else (`Borrowed`).

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::borrowed::Borrowed;

/// The hibernation device (`kernel/power/user.c`).
pub const SNAPSHOT: &str = "/dev/snapshot";
/// Starts a suspend.
const STATE: &str = "/sys/power/state";
/// How far a suspend goes before it turns round; only with `CONFIG_PM_SLEEP_DEBUG`.
const PM_TEST: &str = "/sys/power/pm_test";
/// How long a test suspend stays where it turns round, seconds.
const PM_TEST_DELAY: &str = "/sys/module/suspend/parameters/pm_test_delay";
/// How long the kernel tries to freeze all tasks, ms.
const LIMIT: &str = "/sys/power/pm_freeze_timeout";

nix::ioctl_none!(
    /// Freezes every user task but the caller; returns when that is done or has failed.
    snapshot_freeze, b'3', 1
);
nix::ioctl_none!(
    /// Thaws them.
    snapshot_unfreeze, b'3', 2
);

/// Why the whole system cannot be frozen.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// The kernel has no way to be asked.
    #[error("{0}")]
    Missing(String),
    /// Not allowed.
    #[error("{0}")]
    Permission(String),
    /// Not confirmed.
    #[error(
        "not confirmed: this freezes every process of this machine for a moment; `--yes`, or the word `freeze` typed on a \
         terminal, confirms it"
    )]
    Unconfirmed,
    /// Something failed before any task was asked.
    #[error("{what}: {source}")]
    Failed {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl SystemError {
    fn failed(what: impl Into<String>, source: io::Error) -> Self {
        Self::Failed { what: what.into(), source }
    }
}

/// A way to have the kernel freeze the whole system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Means {
    /// The ioctls `SNAPSHOT_FREEZE` and `SNAPSHOT_UNFREEZE` of /dev/snapshot: user tasks only
    Snapshot,
    /// A suspend that turns round once all tasks, also kernel threads, are frozen
    PmTest,
}

impl Means {
    /// As the report names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Snapshot => SNAPSHOT,
            Self::PmTest => PM_TEST,
        }
    }

    /// The first that this kernel has, or the wanted one.
    pub fn find(wanted: Option<Self>) -> Result<Self, SystemError> {
        let there = |means: &Means| match means {
            Self::Snapshot => Path::new(SNAPSHOT).exists(),
            Self::PmTest => Path::new(PM_TEST).exists(),
        };
        let lacks = |means: &Means| match means {
            Self::Snapshot => "no /dev/snapshot (CONFIG_HIBERNATION, CONFIG_HIBERNATION_SNAPSHOT_DEV)",
            Self::PmTest => "no /sys/power/pm_test (CONFIG_SUSPEND, CONFIG_PM_SLEEP_DEBUG)",
        };
        let all = wanted.map_or_else(|| vec![Self::Snapshot, Self::PmTest], |means| vec![means]);
        all.iter().copied().find(there).ok_or_else(|| {
            let lacking: Vec<&str> = all.iter().map(lacks).collect();
            SystemError::Missing(format!(
                "this kernel cannot be asked to freeze the whole system: it has {}",
                lacking.join(" and ")
            ))
        })
    }
}

/// How long the kernel itself tries; `None` where it cannot freeze the whole system at all.
#[must_use]
pub fn kernel_limit() -> Option<Duration> {
    fs::read_to_string(LIMIT).ok()?.trim().parse().ok().map(Duration::from_millis)
}

/// How the freeze went.
#[derive(Debug, PartialEq, Eq)]
pub enum Went {
    /// Every task was frozen. All are thawed again.
    Frozen,
    /// The kernel gave up, and has thawed all.
    GaveUp(nix::Error),
}

/// Everything that is needed for one freeze.
#[derive(Debug)]
pub struct Trigger {
    means: Means,
    device: Option<File>,
    borrowed: Borrowed,
    /// The limit that holds for this freeze; `None` where it is not known.
    pub limit: Option<Duration>,
    /// The kernel's own.
    pub kernel_limit: Option<Duration>,
}

impl Trigger {
    /// Prepares it, with a limit no longer than the kernel's own. To be called while this process has one thread.
    pub fn prepare(means: Means, limit: Duration) -> Result<Self, SystemError> {
        if !nix::unistd::geteuid().is_root() {
            return Err(SystemError::Permission(format!("{} is for root alone: run as root", means.name())));
        }
        let kernel_limit = kernel_limit();
        let shorter = kernel_limit.filter(|own| limit < *own).map(|_| limit);
        let mut wanted: Vec<(PathBuf, String)> = Vec::new();
        if let Some(limit) = shorter {
            wanted.push((LIMIT.into(), limit.as_millis().max(1).to_string()));
        }
        if means == Means::PmTest {
            wanted.push((PM_TEST.into(), "freezer".to_owned()));
            if Path::new(PM_TEST_DELAY).exists() {
                wanted.push((PM_TEST_DELAY.into(), "0".to_owned()));
            }
        }
        let borrowed = Borrowed::set(&wanted).map_err(|(path, source)| match source.raw_os_error() {
            Some(libc::EACCES | libc::EPERM | libc::EROFS) => {
                SystemError::Permission(format!("writing {}: {source}", path.display()))
            }
            _ => SystemError::failed(format!("writing {}", path.display()), source),
        })?;
        let device = if means == Means::Snapshot { Some(open()?) } else { None };
        Ok(Self { means, device, borrowed, limit: shorter.or(kernel_limit), kernel_limit })
    }

    /// Freezes every task but the calling thread, and thaws them. Returns when all that is done; no other thread of this
    /// process runs meanwhile.
    pub fn freeze(&self) -> Result<Went, SystemError> {
        let result = match &self.device {
            Some(device) => by_snapshot(device),
            None => by_state(),
        };
        match result {
            Ok(()) => Ok(Went::Frozen),
            Err(errno @ (nix::Error::EBUSY | nix::Error::EAGAIN)) => Ok(Went::GaveUp(errno)),
            Err(errno @ (nix::Error::EPERM | nix::Error::EACCES)) => {
                Err(SystemError::Permission(format!("{}: {}", self.means.name(), errno.desc())))
            }
            Err(errno) => Err(SystemError::failed(self.means.name(), errno.into())),
        }
    }

    /// Puts everything back.
    pub fn restore(self) -> Result<(), SystemError> {
        drop(self.device);
        self.borrowed
            .restore()
            .map_err(|(path, source)| SystemError::failed(format!("putting {} back", path.display()), source))
    }
}

fn open() -> Result<File, SystemError> {
    File::open(SNAPSHOT).map_err(|source| match source.raw_os_error() {
        // kernel/power/hibernate.c, hibernation_available
        Some(libc::EPERM) => SystemError::Permission(format!(
            "{SNAPSHOT}: hibernation is not allowed here (a locked-down kernel, or `nohibernate`); where this kernel has \
             {PM_TEST}, `--by pm-test` does without"
        )),
        Some(libc::EACCES) => SystemError::Permission(format!("opening {SNAPSHOT}: {source}")),
        Some(libc::EBUSY) => {
            SystemError::failed(format!("opening {SNAPSHOT}: another program has it in use"), source)
        }
        _ => SystemError::failed(format!("opening {SNAPSHOT}"), source),
    })
}

fn by_snapshot(device: &File) -> nix::Result<()> {
    use std::os::fd::AsRawFd as _;
    // SAFETY: the ioctl takes no argument, and the descriptor is open.
    unsafe { snapshot_freeze(device.as_raw_fd()) }?;
    // SAFETY: as above.
    unsafe { snapshot_unfreeze(device.as_raw_fd()) }.map(drop)
}

/// `freeze` is there on every kernel with suspend; by `pm_test` neither goes any further.
fn by_state() -> nix::Result<()> {
    let written = fs::write(STATE, "freeze");
    written.map_err(|error| error.raw_os_error().map_or(nix::Error::EIO, nix::Error::from_raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_by_its_name_and_its_option() {
        for means in [Means::Snapshot, Means::PmTest] {
            match Means::find(Some(means)) {
                Ok(found) => assert_eq!(found, means),
                Err(error) => {
                    let said = error.to_string();
                    assert!(said.contains(means.name()) && said.contains("CONFIG_"), "{said}");
                }
            }
        }
    }
}
