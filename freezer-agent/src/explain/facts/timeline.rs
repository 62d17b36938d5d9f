//! When tasks froze.

use serde::{Deserialize, Serialize};

/// A task of the subtree that is frozen, with the time of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Froze {
    /// Thread id.
    pub tid: i32,
    /// ns from the request; `None`: it was frozen before.
    pub after_ns: Option<u64>,
}
