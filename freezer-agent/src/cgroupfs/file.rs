//! Reads and writes of small kernel files, with errors that say what was tried on what.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::Name;

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// stat or open of a directory
    Look,
    /// reading
    Read,
    /// writing
    Write,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Look => "looking at",
            Self::Read => "reading",
            Self::Write => "writing",
        })
    }
}

/// What the caller has to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The cgroup does not exist (any more).
    Gone,
    /// Not allowed.
    Permission,
    /// Anything else.
    Other,
}

/// A kernel file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{action} {}: {source}", Name::from(path.as_path()))]
pub struct FileError {
    /// What was tried.
    pub action: Action,
    /// On which file or directory.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

impl FileError {
    pub(crate) fn new(action: Action, path: PathBuf, source: io::Error) -> Self {
        Self { action, path, source }
    }

    /// What kind of failure it is.
    pub fn trouble(&self) -> Trouble {
        match self.source.raw_os_error() {
            // kernfs answers ENODEV on files of a cgroup that was removed while they were open
            // (fs/kernfs/file.c, kernfs_get_active), ENOENT afterwards.
            Some(libc::ENOENT | libc::ENODEV | libc::ENOTDIR) => Trouble::Gone,
            Some(libc::EACCES | libc::EPERM | libc::EROFS) => Trouble::Permission,
            _ => Trouble::Other,
        }
    }

    /// The cgroup went away: often no error at all for somebody who walks a tree.
    pub fn is_gone(&self) -> bool {
        self.trouble() == Trouble::Gone
    }
}

/// Whole content of `dir/file`.
pub fn read(dir: &Path, file: &str) -> Result<Vec<u8>, FileError> {
    let path = dir.join(file);
    match File::open(&path).and_then(slurp) {
        Ok(bytes) => Ok(bytes),
        Err(source) => Err(FileError::new(Action::Read, path, source)),
    }
}

/// Reads to the end without asking for the size first: these files say 0.
fn slurp(mut file: File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4096];
    let mut length = 0;
    loop {
        if length == bytes.len() {
            bytes.resize(length * 2, 0);
        }
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// One write of `value` to `dir/file`; EINTR and EBUSY are tried again for about a tenth of a second.
pub fn write(dir: &Path, file: &str, value: &[u8]) -> Result<(), FileError> {
    const TRIES: u32 = 20;
    let path = dir.join(file);
    let mut tries = 0;
    loop {
        let result = OpenOptions::new().write(true).open(&path).and_then(|mut file| file.write_all(value));
        match result {
            Ok(()) => return Ok(()),
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::EINTR | libc::EBUSY)) && tries < TRIES =>
            {
                tries += 1;
                std::thread::sleep(Duration::from_micros(500) * tries);
            }
            Err(source) => return Err(FileError::new(Action::Write, path, source)),
        }
    }
}

/// Number behind `key` in a file of `key value` lines.
pub fn keyed(content: &[u8], key: &str) -> Option<u64> {
    content.split(|&b| b == b'\n').find_map(|line| {
        let value = line.strip_prefix(key.as_bytes())?.strip_prefix(b" ")?;
        std::str::from_utf8(value).ok()?.trim().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_matched_whole() {
        assert_eq!(keyed(b"populated 1\nfrozen 0\n", "frozen"), Some(0));
        assert_eq!(keyed(b"populated 1\nfrozen_usec 12\n", "frozen"), None);
    }

    #[test]
    fn a_missing_directory_counts_as_gone() {
        let error = read(Path::new("/nonexistent/cgroup"), "x").expect_err("no such file");
        assert!(error.is_gone());
        assert!(error.to_string().starts_with("reading /nonexistent/cgroup/x: "));
    }
}
