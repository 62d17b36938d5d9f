//! The two freezers and the states they share.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which freezer: the v1 `freezer` controller or the v2 unified hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hierarchy {
    /// `freezer.state`
    V1,
    /// `cgroup.freeze` and `cgroup.events`
    V2,
}

impl Hierarchy {
    /// The freezer of the other hierarchy.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::V1 => Self::V2,
            Self::V2 => Self::V1,
        }
    }
}

impl fmt::Display for Hierarchy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        })
    }
}

/// State of a whole subtree, in the words of v1, worked out over every descendant on both hierarchies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FreezerState {
    /// No freeze is asked for, by this cgroup or an ancestor.
    Thawed,
    /// Asked for, and some task is not frozen yet.
    Freezing,
    /// Every task of the subtree is frozen.
    Frozen,
}

impl fmt::Display for FreezerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Thawed => "THAWED",
            Self::Freezing => "FREEZING",
            Self::Frozen => "FROZEN",
        })
    }
}
