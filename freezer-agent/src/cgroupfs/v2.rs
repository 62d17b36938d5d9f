//! The v2 core's files (`kernel/cgroup/cgroup.c`, `kernel/cgroup/freezer.c`; Linux 5.2 and newer).

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::file::{self, Action, FileError};

/// Own request of this cgroup, 0 or 1.
pub const FREEZE: &str = "cgroup.freeze";
/// `populated` and `frozen`; wakes POLLPRI when either may have changed.
pub const EVENTS: &str = "cgroup.events";
/// Thread ids, also in a threaded cgroup, where `cgroup.procs` answers ENOTSUP.
pub const THREADS: &str = "cgroup.threads";
/// `frozen_usec`, Linux 6.18 and newer.
pub const STAT_LOCAL: &str = "cgroup.stat.local";

/// What `cgroup.events` says. `frozen` speaks of this cgroup's own tasks and may be 1 while a descendant is not
/// frozen yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Events {
    /// Some task lives in the subtree.
    pub populated: bool,
    /// The kernel counts the cgroup as frozen.
    pub frozen: bool,
}

/// An open `cgroup.events`: polling it tells of changes since its last read.
#[derive(Debug)]
pub struct EventsFile {
    /// The open file, for polling.
    pub file: File,
    /// Its path.
    pub path: PathBuf,
}

impl EventsFile {
    /// Opens the file of one cgroup.
    pub fn open(dir: &Path) -> Result<Self, FileError> {
        let path = dir.join(EVENTS);
        match File::open(&path) {
            Ok(file) => Ok(Self { file, path }),
            Err(source) => Err(FileError::new(Action::Read, path, source)),
        }
    }

    /// Reads it anew; what polling reports afterwards is news since this read.
    pub fn read(&self) -> Result<Events, FileError> {
        let mut buffer = [0; 128];
        match self.file.read_at(&mut buffer, 0) {
            Ok(length) => Ok(parse_events(&buffer[..length])),
            Err(source) => Err(FileError::new(Action::Read, self.path.clone(), source)),
        }
    }
}

/// `cgroup.events` of one cgroup.
pub fn events(dir: &Path) -> Result<Events, FileError> {
    EventsFile::open(dir)?.read()
}

fn parse_events(content: &[u8]) -> Events {
    let is_one = |key| file::keyed(content, key) == Some(1);
    Events { populated: is_one("populated"), frozen: is_one("frozen") }
}

/// Whether this cgroup itself asks.
pub fn own_request(dir: &Path) -> Result<bool, FileError> {
    Ok(file::read(dir, FREEZE)?.trim_ascii() == b"1")
}

/// Asks, or takes the request back.
pub fn write_request(dir: &Path, freeze: bool) -> Result<(), FileError> {
    file::write(dir, FREEZE, if freeze { b"1" } else { b"0" })
}

/// Time from request to thaw in µs, summed over *all* freezes of this cgroup, a present one included; `None`
/// where the kernel does not say (`kernel/cgroup/cgroup.c`, `cgroup_local_stat_show`).
pub fn frozen_usec(dir: &Path) -> Option<u64> {
    file::keyed(&file::read(dir, STAT_LOCAL).ok()?, "frozen_usec")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_events() {
        assert_eq!(parse_events(b"populated 1\nfrozen 0\n"), Events { populated: true, frozen: false });
        assert_eq!(parse_events(b"populated 0\nfrozen 1\n"), Events { populated: false, frozen: true });
    }

    #[test]
    fn a_kernel_without_the_freezer_says_nothing_is_frozen() {
        assert_eq!(parse_events(b"populated 1\n"), Events { populated: true, frozen: false });
    }
}
