//! How soon one blocker among thousands of frozen tasks is named once the time is up.

use anyhow::Context as _;
use freezer_lab::cases::{self, Place};
use freezer_lab::{Hierarchy, Scene};

use crate::agent::{Agent, Figure, median_of};
use crate::table::{Limit, Quantity, Row};
use crate::{SOME, measuring};

/// The lab's case.
const CASE: &str = "fuse-among-5000";

/// As text and as JSON.
pub fn diagnosis(agent: &Agent, hierarchy: Hierarchy) -> anyhow::Result<Vec<Row>> {
    let mut scene = Scene::new();
    let case = cases::all().into_iter().find(|case| case.name == CASE).context("the lab has no such case")?;
    let stage = (case.set_up)(&mut scene, &Place::new(hierarchy))?;
    let mut rows = Vec::new();
    for (name, form) in [("screen", &[][..]), ("JSON", &["--json"])] {
        measuring(&format!("diagnosis of one blocker among 5000 tasks, {name}, {hierarchy}"));
        let run = |_| agent.explain_stuck(stage.cgroup.path(), stage.limit, form);
        let runs: Vec<_> = (0..SOME).map(run).collect();
        rows.push(Row::new(
            format!("one blocker among 5000 tasks, {hierarchy}: time limit to printed {name}"),
            median_of(&runs, Figure::LimitToPrinted).map(Quantity::Time),
            Limit::AtMost(Quantity::Time(50e6), "thaw included".to_owned()),
        ));
        rows.push(Row::new(
            format!("one blocker among 5000 tasks, {hierarchy}, {name}: peak memory"),
            median_of(&runs, Figure::PeakMemory).map(Quantity::Bytes),
            Limit::AtMost(Quantity::Bytes(40e6), "resident".to_owned()),
        ));
    }
    Ok(rows)
}
