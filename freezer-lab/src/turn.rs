//! One at a time: cases that take all CPU time or memory disturb others, and a second silent FUSE mount on the host is a
//! second candidate for whoever waits for one.

use std::fs::File;

use nix::fcntl::{Flock, FlockArg};

use crate::error::{Result, Tried as _};

/// Held by whoever runs a case, across processes and builds.
#[must_use]
#[derive(Debug)]
pub struct Turn {
    _lock: Flock<File>,
}

impl Turn {
    /// Waits until nobody else has it.
    pub fn wait() -> Result<Self> {
        // The folder itself, so that no file is left behind.
        let path = std::env::temp_dir();
        let folder = File::open(&path).tried("open", path.display())?;
        let lock = Flock::lock(folder, FlockArg::LockExclusive);
        Ok(Self { _lock: lock.map_err(|(_, errno)| errno).tried("lock", path.display())? })
    }
}
