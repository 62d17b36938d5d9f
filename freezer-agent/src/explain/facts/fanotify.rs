//! Who is asked for leave before files are used, and which files.

use serde::{Deserialize, Serialize};

/// A fanotify group with marks that ask for leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FanotifyListener {
    /// Process ids that hold it: more than one where it was inherited.
    pub holders: Vec<i32>,
    /// Its marks, from `fdinfo`.
    pub marks: Vec<FanotifyMark>,
}

/// One mark of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FanotifyMark {
    /// What is marked.
    pub on: MarkedObject,
    /// Events it asks for: bits of `linux/fanotify.h`.
    pub events: u64,
    /// Events it leaves out of what other marks of the group ask for.
    pub ignored: u64,
}

/// What a mark lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkedObject {
    /// A file or directory: inode number and the superblock's device number.
    Inode(u64, u32, u32),
    /// A mount, by its id.
    Mount(u64),
    /// A filesystem, by the superblock's device number.
    Filesystem(u32, u32),
}

/// The file that a task uses, as the kernel holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedFile {
    /// Id of the mount it is reached through.
    pub mount: u64,
    /// Device number of its superblock.
    pub device: (u32, u32),
    /// Inode number; `None` where only the mount is known.
    pub inode: Option<u64>,
    /// Inode number of the directory it lies in.
    pub parent: Option<u64>,
    /// By an open descriptor, which is the kernel's word; else by a path, which is the task's.
    pub by_descriptor: bool,
}
