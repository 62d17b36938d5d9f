//! The object that `--json` prints when a command could not do its work.

use serde::Serialize;

use super::{Outcome, SCHEMA};
use crate::model::{Hierarchy, Name};

/// A failure, for scripts.
#[derive(Clone, Debug, Serialize)]
pub struct Failed {
    schema: &'static str,
    cgroup: Option<Name>,
    hierarchy: Option<Hierarchy>,
    outcome: Outcome,
    error: String,
}

impl Failed {
    /// `cgroup` is the name as typed.
    pub fn new(cgroup: Option<Name>, hierarchy: Option<Hierarchy>, outcome: Outcome, error: String) -> Self {
        Self { schema: SCHEMA, cgroup, hierarchy, outcome, error }
    }
}
