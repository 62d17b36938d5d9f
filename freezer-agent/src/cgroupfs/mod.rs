//! The freezer files of both hierarchies and the trees they form.
//!
//! [`mountinfo`] finds the hierarchies, [`mod@resolve`] turns a name a person typed into a [`Cgroup`], [`v1`] and
//! [`v2`] know the files, [`tree`] walks descendants, [`state`] works the subtree's state out in v1's words on
//! both, and [`membership`] leads from a process or an id back to a cgroup. Nothing here waits or decides.

pub mod file;
pub mod membership;
pub mod mountinfo;
pub mod resolve;
pub mod state;
pub mod tree;
pub mod v1;
pub mod v2;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use file::{FileError, Trouble};
pub use mountinfo::{CgroupMount, Mounts};
pub use resolve::{ResolveError, Resolved, resolve, resolve_in};
pub use state::{AncestorRequest, SubtreeState};

use crate::model::Hierarchy;

/// One cgroup of a freezer hierarchy, as it was when it was looked up: it may be gone by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// Which freezer.
    pub hierarchy: Hierarchy,
    /// Its directory, below the mount point.
    pub dir: PathBuf,
    /// Cgroup id: the inode number of the directory.
    pub id: u64,
    /// The mount it was found under.
    pub mount: Arc<CgroupMount>,
}

impl Cgroup {
    /// The cgroup at `dir`, which lies below `mount`.
    pub fn open(mount: &Arc<CgroupMount>, dir: PathBuf) -> Result<Self, FileError> {
        match std::fs::metadata(&dir) {
            Ok(meta) => {
                Ok(Self { hierarchy: mount.hierarchy, id: meta.ino(), mount: Arc::clone(mount), dir })
            }
            Err(source) => Err(FileError::new(file::Action::Look, dir, source)),
        }
    }

    /// The root of the hierarchy: it has no file to freeze it by. A container's mount may show an inner cgroup as
    /// its top, so the mount point alone says nothing.
    pub fn is_root(&self) -> bool {
        let file = match self.hierarchy {
            Hierarchy::V1 => v1::STATE,
            // `cgroup.events` is absent from the root only; `cgroup.freeze` also before Linux 5.2.
            Hierarchy::V2 => v2::EVENTS,
        };
        !self.dir.join(file).exists()
    }

    /// Path from the hierarchy's root as this process's cgroup namespace shows it, as in `/proc/PID/cgroup`.
    pub fn path_in_hierarchy(&self) -> PathBuf {
        let below = self.dir.strip_prefix(&self.mount.point).unwrap_or(Path::new(""));
        if below.as_os_str().is_empty() { self.mount.root.clone() } else { self.mount.root.join(below) }
    }

    /// The cgroup above, `None` at the top of what the mount shows.
    pub fn parent(&self) -> Option<Self> {
        if self.dir == self.mount.point {
            return None;
        }
        Self::open(&self.mount, self.dir.parent()?.to_path_buf()).ok()
    }

    /// Whether this cgroup itself, not an ancestor, asks for a freeze.
    pub fn own_request(&self) -> Result<bool, FileError> {
        match self.hierarchy {
            Hierarchy::V1 => v1::self_freezing(&self.dir),
            Hierarchy::V2 => v2::own_request(&self.dir),
        }
    }

    /// Asks for a freeze (`true`) or takes this cgroup's own request back (`false`).
    pub fn write_request(&self, freeze: bool) -> Result<(), FileError> {
        match self.hierarchy {
            Hierarchy::V1 => v1::write_request(&self.dir, freeze),
            Hierarchy::V2 => v2::write_request(&self.dir, freeze),
        }
    }

    /// The file a request is written to.
    pub fn request_file(&self) -> PathBuf {
        self.dir.join(match self.hierarchy {
            Hierarchy::V1 => v1::STATE,
            Hierarchy::V2 => v2::FREEZE,
        })
    }
}
