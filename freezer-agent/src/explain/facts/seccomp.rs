//! Who answers for system calls that a seccomp filter hands on.

use serde::{Deserialize, Serialize};

/// The listening end of a seccomp filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeccompListener {
    /// Process ids that hold it: more than one where it was inherited.
    pub holders: Vec<i32>,
    /// A notification was received through it and not answered (`poll`); `None` where that could not be asked.
    pub unanswered: Option<bool>,
    /// A notification waits to be received.
    pub unreceived: Option<bool>,
}
