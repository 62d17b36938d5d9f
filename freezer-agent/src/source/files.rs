//! A walk over the open files of all processes, for what `fdinfo` leaves out: the FUSE connection of a `/dev/fuse`.

use std::sync::{Mutex, Weak};

use super::object::{Loaded, lock};
use super::snapshot::{SnapshotError, iterator, walk};
use crate::decode::{self, FileLook};

const PROGRAM: &str = "open_files";

/// Walks on demand, on whichever thread facts are gathered, for as long as its observer is there.
#[derive(Clone)]
pub struct OpenFiles(Weak<Mutex<Loaded>>);

impl OpenFiles {
    pub(super) fn new(loaded: Weak<Mutex<Loaded>>) -> Self {
        Self(loaded)
    }

    /// Every `/dev/fuse` that is open, and every file of this process.
    pub fn walk(&self) -> Result<Vec<FileLook>, SnapshotError> {
        let gone = || SnapshotError::Refused("the observer is gone".to_owned());
        let loaded = self.0.upgrade().ok_or_else(gone)?;
        let mut buffer = Vec::new();
        walk(iterator(&mut lock(&loaded), PROGRAM, "task_file")?, &mut buffer)?;
        Ok(decode::files(&buffer)?)
    }
}

impl std::fmt::Debug for OpenFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpenFiles")
    }
}
