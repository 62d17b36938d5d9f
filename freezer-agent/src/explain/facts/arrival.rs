//! Tasks that joined the subtree after the freeze was asked for.

use serde::{Deserialize, Serialize};

/// When and how a task joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// How.
    pub how: JoinedBy,
    /// ns before the look; `None` where only two looks tell that it joined between them.
    pub ago_ns: Option<u64>,
}

/// How a task joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinedBy {
    /// It was forked or cloned there.
    Fork {
        /// Thread id of the parent, where it was seen.
        parent: Option<i32>,
    },
    /// It was moved there.
    Move,
    /// It was there, and executed another program.
    Exec,
}
