//! Memory cgroups that may hold a task back.

use serde::{Deserialize, Serialize};

use crate::model::Name;

/// A v1 memory cgroup on the way from a waiting task's own to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryCgroup {
    /// Its directory.
    pub cgroup: Name,
    /// How deep it lies: a task's charge meets the deepest first.
    pub depth: usize,
    /// `oom_kill_disable` of `memory.oom_control`.
    pub killer_off: bool,
    /// `under_oom` there: a task waits in this cgroup or in an ancestor of it.
    pub under_oom: bool,
    /// Its limits, those that could be read.
    pub limits: Vec<MemoryLimit>,
    /// Thread ids of the waiting tasks it covers.
    pub covers: Vec<i32>,
}

/// A limit and what counts towards it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryLimit {
    /// File that sets it.
    pub file: String,
    /// Limit, bytes.
    pub bytes: u64,
    /// Usage, bytes.
    pub usage: u64,
}
