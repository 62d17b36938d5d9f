//! Before any freeze: what would block it, and whom it would hurt. Pure: what was seen ([`Sight`]) gives the same
//! findings anywhere.

mod finding;
mod rules;
pub mod sight;

pub use finding::{Finding, Grade, Kind, Obstacle};
pub use sight::Sight;

/// Everything found, what would block first. Nothing that would block: go.
#[must_use]
pub fn examine(sight: &Sight) -> Vec<Finding> {
    let mut findings = rules::all(sight);
    // Stable: within a grade the order of the rules, and of the tasks.
    findings.sort_by_key(|finding| finding.grade);
    findings
}

/// The worst thing in the way; `None`: go.
#[must_use]
pub fn obstacle(findings: &[Finding]) -> Option<Obstacle> {
    findings.iter().filter_map(|finding| finding.obstacle).min()
}
