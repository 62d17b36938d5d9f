//! What can go wrong while a cgroup is examined, frozen or thawed.

use std::io;
use std::path::PathBuf;

use super::Refusal;
use crate::cgroupfs::{FileError, Trouble};
use crate::model::Name;

/// A freeze, thaw or look that failed for another reason than a task that blocks.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Not done, for safety.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The cgroup was removed.
    #[error("cgroup {} went away", Name::from(dir.as_path()))]
    Gone {
        /// Its directory.
        dir: PathBuf,
    },
    /// Not allowed.
    #[error("{0}; run as root, or as a user who may write the cgroup's files")]
    Permission(#[source] FileError),
    /// Somebody else took the request back while we waited.
    #[error("somebody else thawed {} while it was being frozen", Name::from(dir.as_path()))]
    Withdrawn {
        /// Its directory.
        dir: PathBuf,
    },
    /// The kernel is too old.
    #[error("{} has no cgroup.freeze: the v2 freezer needs Linux 5.2", Name::from(dir.as_path()))]
    NoV2Freezer {
        /// Its directory.
        dir: PathBuf,
    },
    /// Signals or their descriptor could not be set up.
    #[error("setting up signal handling: {0}")]
    Signals(#[source] io::Error),
    /// A kernel file misbehaved.
    #[error(transparent)]
    File(FileError),
}

impl From<FileError> for ControlError {
    fn from(error: FileError) -> Self {
        match error.trouble() {
            Trouble::Gone => Self::Gone { dir: error.path.parent().unwrap_or(&error.path).to_path_buf() },
            Trouble::Permission => Self::Permission(error),
            Trouble::Other => Self::File(error),
        }
    }
}
