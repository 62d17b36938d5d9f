//! The outcome of `thaw`.

use std::io::{self, Write};

use serde::Serialize;

use super::{Outcome, SCHEMA, Screen, json};
use crate::cgroupfs::AncestorRequest;
use crate::control::Thaw;
use crate::model::units::count as counted;
use crate::model::{FreezerState, Hierarchy, Name};

/// Everything `thaw` reports.
#[derive(Clone, Debug, Serialize)]
pub struct ThawReport {
    schema: &'static str,
    cgroup: Name,
    hierarchy: Hierarchy,
    outcome: Outcome,
    state: FreezerState,
    nothing_to_do: bool,
    /// Ancestor that keeps it frozen; `null` with outcome `held_by_ancestor` where it is out of view.
    ancestor: Option<Name>,
    /// Descendants that stay frozen by their own requests.
    inner_requests: Vec<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl ThawReport {
    /// Of one thaw.
    pub fn new(cgroup: Name, hierarchy: Hierarchy, thaw: &Thaw) -> Self {
        let (outcome, error) = match &thaw.ancestor {
            Some(holder) => (Outcome::HeldByAncestor, Some(held_by(holder))),
            None if thaw.state == FreezerState::Thawed => (Outcome::Thawed, None),
            None => {
                (Outcome::TimedOut, Some("the kernel has not thawed every task within the limit".to_owned()))
            }
        };
        Self {
            schema: SCHEMA,
            cgroup,
            hierarchy,
            outcome,
            state: thaw.state,
            nothing_to_do: thaw.nothing_to_do,
            ancestor: thaw.ancestor.as_ref().and_then(|holder| match holder {
                AncestorRequest::At(dir) => Some(Name::from(dir.as_path())),
                AncestorRequest::OutOfView => None,
            }),
            inner_requests: thaw.inner_requests.iter().map(|inner| Name::from(inner.dir.as_path())).collect(),
            error,
        }
    }

    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// For scripts.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        json::write(out, self)
    }

    /// The state, and on further lines what stays frozen.
    pub fn write_text(&self, out: &mut impl Write, screen: Screen) -> io::Result<()> {
        let how = match (&self.error, self.nothing_to_do) {
            (Some(error), _) => format!(": {error}"),
            (None, true) => ": it asked for no freeze".to_owned(),
            (None, false) => String::new(),
        };
        writeln!(out, "{} {} ({}){how}", screen.state(self.state), self.cgroup, self.hierarchy)?;
        if !self.inner_requests.is_empty() {
            let number = counted(self.inner_requests.len(), "cgroup");
            writeln!(out, "below it {number} asked for a freeze of their own and stay frozen:")?;
            for inner in &self.inner_requests {
                writeln!(out, "  {inner}")?;
            }
        }
        Ok(())
    }
}

/// Which ancestor holds, and what to do.
fn held_by(holder: &AncestorRequest) -> String {
    match holder {
        AncestorRequest::At(dir) => {
            let dir = Name::from(dir.as_path());
            format!("still held by its ancestor {dir}; thaw that one: freezer-agent thaw --cgroup {dir}")
        }
        AncestorRequest::OutOfView => {
            "still held by an ancestor outside this container's view; it must be thawed from outside"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_frozen_ancestor_is_named() {
        let thaw = Thaw {
            state: FreezerState::Frozen,
            nothing_to_do: false,
            ancestor: Some(AncestorRequest::At(PathBuf::from("/c"))),
            inner_requests: Vec::new(),
        };
        let report = ThawReport::new(Name::from("/c/0"), Hierarchy::V2, &thaw);
        assert_eq!(report.outcome(), Outcome::HeldByAncestor);
        let mut out = Vec::new();
        report.write_text(&mut out, Screen::default()).expect("a vector takes everything");
        let text = String::from_utf8(out).expect("text");
        assert!(text.starts_with("FROZEN   /c/0 (v2): still held by its ancestor /c;"), "{text}");
    }
}
