//! What `status` shows.

use std::io::{self, Write};

use serde::Serialize;

use super::{SCHEMA, Screen, Tasks, json};
use crate::cgroupfs::AncestorRequest;
use crate::control::{Status, Statuses};
use crate::model::units::{count as counted, duration};
use crate::model::{FreezerState, Hierarchy, Name};

/// Everything `status` reports.
#[derive(Clone, Debug, Serialize)]
pub struct StatusReport {
    schema: &'static str,
    cgroups: Vec<Row>,
    /// Cgroups that are thawed and not shown; `None` when one cgroup was asked for.
    thawed: Option<usize>,
    /// What could not be looked at.
    gaps: Vec<String>,
}

/// One cgroup.
#[derive(Clone, Debug, Serialize)]
struct Row {
    cgroup: Name,
    hierarchy: Hierarchy,
    state: FreezerState,
    requested: Requested,
    tasks: Tasks,
    /// Time from request to thaw, over all freezes of this cgroup together; `None` where the kernel does not say.
    frozen_total_ns: Option<u64>,
}

/// Who asks.
#[derive(Clone, Debug, Serialize)]
struct Requested {
    #[serde(rename = "self")]
    own: bool,
    ancestor: bool,
    /// The nearest ancestor that asks, where it can be seen.
    ancestor_cgroup: Option<Name>,
}

impl Row {
    fn new(status: &Status) -> Self {
        let ancestor_cgroup = match &status.state.ancestor {
            Some(AncestorRequest::At(dir)) => Some(Name::from(dir.as_path())),
            Some(AncestorRequest::OutOfView) | None => None,
        };
        Self {
            cgroup: Name::from(status.cgroup.dir.as_path()),
            hierarchy: status.cgroup.hierarchy,
            state: status.state.state,
            requested: Requested {
                own: status.state.own_request,
                ancestor: status.state.ancestor.is_some(),
                ancestor_cgroup,
            },
            tasks: status.tasks.into(),
            frozen_total_ns: status.frozen_usec.map(|usec| usec.saturating_mul(1000)),
        }
    }

    fn requested_by(&self) -> String {
        let ancestor = match &self.requested.ancestor_cgroup {
            Some(dir) => format!("ancestor {dir}"),
            None => "an ancestor out of view".to_owned(),
        };
        match (self.requested.own, self.requested.ancestor) {
            (true, false) => "by itself".to_owned(),
            (true, true) => format!("by itself and {ancestor}"),
            (false, true) => format!("by {ancestor}"),
            (false, false) => String::new(),
        }
    }

    fn tasks(&self) -> String {
        match self.state {
            FreezerState::Freezing => format!("{} frozen", self.tasks),
            FreezerState::Frozen | FreezerState::Thawed => counted(self.tasks.total, "task"),
        }
    }
}

impl StatusReport {
    /// Of one cgroup that was asked for.
    pub fn of_one(status: &Status) -> Self {
        Self { schema: SCHEMA, cgroups: vec![Row::new(status)], thawed: None, gaps: Vec::new() }
    }

    /// Of all cgroups.
    pub fn of_all(all: &Statuses) -> Self {
        Self {
            schema: SCHEMA,
            cgroups: all.shown.iter().map(Row::new).collect(),
            thawed: Some(all.thawed),
            gaps: all.gaps.clone(),
        }
    }

    /// For scripts.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        json::write(out, self)
    }

    /// A line per cgroup that is not thawed, and how many are.
    pub fn write_text(&self, out: &mut impl Write, screen: Screen) -> io::Result<()> {
        for row in &self.cgroups {
            let details = [row.tasks(), row.requested_by(), frozen_for(row.frozen_total_ns)];
            let details: Vec<_> = details.into_iter().filter(|detail| !detail.is_empty()).collect();
            let details = details.join(", ");
            let taken = 8 + 1 + 4 + 2 + details.chars().count();
            let cgroup = screen.fit(&row.cgroup.to_string(), taken);
            writeln!(out, "{} {} {cgroup}: {details}", screen.state(row.state), row.hierarchy)?;
        }
        if let (None, Some(row)) = (self.thawed, self.cgroups.first()) {
            writeln!(out, "{}", screen.faint(hint(row.state)))?;
        }
        if let Some(thawed) = self.thawed {
            let others = if self.cgroups.is_empty() { "" } else { "other " };
            writeln!(out, "{}", counted(thawed, &format!("{others}cgroup")) + " thawed")?;
        }
        for gap in &self.gaps {
            writeln!(out, "not seen: {gap}")?;
        }
        Ok(())
    }
}

/// What else there is to know, and where: it costs a look at every task of the host.
fn hint(state: FreezerState) -> &'static str {
    match state {
        FreezerState::Thawed => "`freezer-agent check` says what a freeze would block or hurt",
        FreezerState::Freezing => "`freezer-agent explain` says which tasks block, and why",
        FreezerState::Frozen => "`freezer-agent explain` says whom outside the freeze hurts, if anybody",
    }
}

fn frozen_for(total_ns: Option<u64>) -> String {
    match total_ns {
        None | Some(0) => String::new(),
        Some(ns) => format!("{} over all its freezes", duration(ns)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::TaskCount;

    fn row(state: FreezerState, own: bool, ancestor: Option<&str>) -> Row {
        Row {
            cgroup: Name::from("/c/0"),
            hierarchy: Hierarchy::V2,
            state,
            requested: Requested {
                own,
                ancestor: ancestor.is_some(),
                ancestor_cgroup: ancestor.map(Name::from),
            },
            tasks: TaskCount { total: 14, at_least: 13, at_most: 13 }.into(),
            frozen_total_ns: Some(3_200_000_000),
        }
    }

    fn text(cgroups: Vec<Row>) -> String {
        let report = StatusReport { schema: SCHEMA, cgroups, thawed: Some(7), gaps: Vec::new() };
        let mut out = Vec::new();
        report.write_text(&mut out, Screen::default()).expect("a vector takes everything");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn each_cgroup_says_its_state_tasks_and_who_asked() {
        assert_eq!(
            text(vec![row(FreezerState::Freezing, true, None), row(FreezerState::Frozen, false, Some("/c"))]),
            "FREEZING v2 /c/0: 13 of 14 tasks frozen, by itself, 3.20 s over all its freezes\n\
             FROZEN   v2 /c/0: 14 tasks, by ancestor /c, 3.20 s over all its freezes\n\
             7 other cgroups thawed\n"
        );
    }

    #[test]
    fn one_cgroup_comes_with_where_to_ask_on() {
        let cgroups = vec![row(FreezerState::Frozen, true, None)];
        let report = StatusReport { schema: SCHEMA, cgroups, thawed: None, gaps: Vec::new() };
        let mut out = Vec::new();
        report.write_text(&mut out, Screen::default()).expect("a vector takes everything");
        let text = String::from_utf8(out).expect("text");
        assert!(
            text.lines().last().is_some_and(|line| line.starts_with("`freezer-agent explain`")),
            "{text}"
        );
    }

    #[test]
    fn a_quiet_host_is_one_line() {
        assert_eq!(text(Vec::new()), "7 cgroups thawed\n");
    }
}
