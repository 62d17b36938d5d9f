//! What the rules say: the blockers, and what cannot be said.

use serde::{Deserialize, Serialize};

use super::Cause;
use super::cycles::Cycle;
use crate::model::{Name, TaskState};

/// How sure a blocker's cause and holder are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// A name that fits, nothing more.
    Guess,
    /// The only candidate, or said by the task's own memory.
    Likely,
    /// The kernel itself says so.
    Certain,
}

/// One step of the path from a blocker to what everything waits for, nearest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum WaitsFor {
    /// A task, by process and, where it is a particular thread, thread id.
    Task {
        /// Process id (tgid).
        pid: i32,
        /// Thread id.
        tid: i32,
        /// Task name.
        comm: Name,
        /// Frozen in either hierarchy.
        frozen: bool,
        /// Directory of the cgroup that holds it: the one it is frozen in, else its own.
        cgroup: Option<Name>,
        /// Frozen: directories of the cgroups whose own requests hold it, itself or ancestors, topmost first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        frozen_by: Vec<Name>,
        /// Frozen by this freeze: ns from the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        frozen_after_ns: Option<u64>,
    },
    /// A mounted filesystem.
    Mount {
        /// Where it is mounted, in the blocked task's mount namespace.
        path: Name,
        /// `fuse.sshfs`, `ext4`, ...
        fstype: Name,
        /// What is mounted.
        source: Name,
    },
    /// A block device.
    Device {
        /// `loop0`
        name: Name,
        /// File behind a loop device.
        backing: Option<Name>,
    },
    /// A cgroup with a limit.
    Cgroup {
        /// Its directory.
        path: Name,
        /// The limit, as its file words it.
        limit: Option<String>,
    },
    /// A network server.
    Server {
        /// Its address.
        address: String,
    },
}

/// What a verdict rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Kernel functions, innermost first.
    pub stack: Vec<String>,
    /// System call by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syscall: Option<String>,
    /// Path or descriptor the call concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Name>,
    /// Kernel's own word of where it sleeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wchan: Option<String>,
    /// The task is exiting, whatever it waits for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exiting: bool,
    /// Further observations, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A task that keeps a freeze session from FROZEN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocker {
    /// Thread id.
    pub tid: i32,
    /// Process id.
    pub tgid: i32,
    /// Task name.
    pub comm: Name,
    /// State letter.
    pub state: TaskState,
    /// How long it has not run, ns.
    pub since_ns: Option<u64>,
    /// Why it blocks.
    pub cause: Cause,
    /// How sure cause and holder are.
    pub certainty: Certainty,
    /// One sentence: "waits for ...".
    pub summary: String,
    /// What that rests on.
    pub evidence: Evidence,
    /// Path to the culprit, nearest first.
    pub waits_for: Vec<WaitsFor>,
    /// The way out, concrete and safe.
    pub release: String,
}

/// The outcome of judging one set of facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Tasks that block, worst first.
    pub blockers: Vec<Blocker>,
    /// Thread ids of tasks whose state cannot be told frozen from blocked with what was observed.
    pub unknown: Vec<i32>,
    /// It can never be frozen as it is: the sentence that says why.
    pub impossible: Option<String>,
    /// Circles in which tasks and freezes wait for each other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycles: Vec<Cycle>,
}
