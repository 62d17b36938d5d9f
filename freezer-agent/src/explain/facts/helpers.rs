//! Programs that the kernel started, and keys that they are to make.

use serde::{Deserialize, Serialize};

use crate::model::Name;

/// A process that a kernel thread started (`kernel/umh.c`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserModeHelper {
    /// Process id.
    pub pid: i32,
    /// A worker of the kernel waits for its end; else nobody does, once it has been started.
    pub waited_for: bool,
    /// Since when it exists, ns.
    pub age_ns: u64,
    /// Its command line, from its own memory; empty where that could not be read.
    pub arguments: Vec<Name>,
}

/// A key under construction, from `/proc/keys`, which shows those of the agent's own user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUpcall {
    /// The key's serial number.
    pub serial: u32,
    /// Thread id of the task that asked for it.
    pub requester: i32,
    /// Type and description: `user backup:secret`.
    pub key: Option<Name>,
}
