//! Automount points and who answers for them.

use serde::{Deserialize, Serialize};

/// An autofs filesystem (`fs/autofs/inode.c`, `autofs_show_options`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Automount {
    /// Minor device number of its superblock; the major one is 0.
    pub minor: u32,
    /// Inode number of the pipe the kernel writes its questions to; `None` where it does not say (it needs
    /// `CONFIG_CHECKPOINT_RESTORE`).
    pub pipe: Option<u64>,
    /// Process ids that hold the reading end of that pipe.
    pub readers: Vec<i32>,
    /// Process group of its daemon; `None` where it lies in a pid namespace that is not seen from here.
    pub group: Option<i32>,
}
