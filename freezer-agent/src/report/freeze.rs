//! The outcome of `freeze`.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::style::{Span, Style, counted};
use super::{SCHEMA, json};
use crate::control::TaskCount;
use crate::explain::Blocker;
use crate::model::{FreezerState, Hierarchy, Name};

/// How a command ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every task is frozen.
    Frozen,
    /// Not within the limit.
    TimedOut,
    /// It can never be frozen as it is.
    Impossible,
    /// Not done, for safety.
    Refused,
    /// No request stands (of `thaw`).
    Thawed,
    /// An ancestor keeps it frozen (of `thaw`).
    HeldByAncestor,
    /// Something else went wrong.
    Error,
}

/// Everything `freeze` reports (contract: JSON of `freeze`).
#[derive(Clone, Debug, Serialize)]
pub struct FreezeReport {
    /// [`SCHEMA`]
    pub schema: &'static str,
    /// Directory.
    pub cgroup: Name,
    /// Which freezer.
    pub hierarchy: Hierarchy,
    /// How it ended.
    pub outcome: Outcome,
    /// State as the command leaves it; `None` where it could not be read.
    pub state: Option<FreezerState>,
    /// A request of this command was taken back.
    pub restored: bool,
    /// It was frozen by its own request before.
    pub already_frozen: bool,
    /// From the request to the end of the wait.
    pub elapsed_ns: u64,
    /// Tasks at the end of the wait.
    pub tasks: Tasks,
    /// What watched.
    pub observer: Observer,
    /// Tasks that block.
    pub blockers: Vec<Blocker>,
    /// How long tasks took.
    pub latency: Latency,
    /// Each task's own times.
    pub tasks_detail: Vec<serde_json::Value>,
    /// What went wrong, one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Counted tasks; `frozen` is `None` where /proc cannot tell frozen from blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tasks {
    /// All of the subtree.
    pub total: usize,
    /// How many are frozen.
    pub frozen: Option<usize>,
    /// Surely frozen.
    pub frozen_at_least: usize,
    /// All but those that surely are not.
    pub frozen_at_most: usize,
}

impl From<TaskCount> for Tasks {
    fn from(count: TaskCount) -> Self {
        Self {
            total: count.total,
            frozen: count.frozen(),
            frozen_at_least: count.at_least,
            frozen_at_most: count.at_most,
        }
    }
}

/// What watched the freeze, and what it lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Observer {
    /// `bpf` or `proc`
    pub mode: &'static str,
    /// Events the kernel could not hand over.
    pub lost_events: u64,
    /// What is not seen, and why.
    pub missing: Vec<String>,
}

impl Default for Observer {
    fn default() -> Self {
        Self { mode: "proc", lost_events: 0, missing: Vec::new() }
    }
}

/// Request-to-frozen times; without kernel events only the last task's is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Request to the whole subtree frozen.
    pub request_to_frozen_ns: Option<u64>,
    /// Median over tasks.
    pub p50_ns: Option<u64>,
    /// 99th percentile over tasks.
    pub p99_ns: Option<u64>,
    /// Slowest task.
    pub max_ns: Option<u64>,
    /// Its thread id.
    pub slowest_tid: Option<i32>,
    /// Tasks by time, in powers of two.
    pub histogram: Vec<Bucket>,
}

/// Tasks that took at most `le_ns` and more than the bucket before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Upper bound.
    pub le_ns: u64,
    /// Tasks.
    pub count: u64,
}

impl FreezeReport {
    /// With nothing known of single tasks.
    pub fn plain(cgroup: Name, hierarchy: Hierarchy, outcome: Outcome, elapsed: Duration) -> Self {
        let elapsed_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let frozen = outcome == Outcome::Frozen;
        Self {
            schema: SCHEMA,
            cgroup,
            hierarchy,
            outcome,
            state: None,
            restored: false,
            already_frozen: false,
            elapsed_ns,
            tasks: TaskCount::default().into(),
            observer: Observer::default(),
            blockers: Vec::new(),
            latency: Latency { request_to_frozen_ns: frozen.then_some(elapsed_ns), ..Latency::default() },
            tasks_detail: Vec::new(),
            error: None,
        }
    }

    /// For scripts.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        json::write(out, self)
    }

    /// One line for people: the state the command leaves behind, and how it came about.
    pub fn write_text(&self, out: &mut impl Write, style: Style) -> io::Result<()> {
        let state = self.state.map_or_else(|| "unknown ".to_owned(), |state| style.state(state));
        let how = self.how();
        writeln!(out, "{state} {} ({}): {how}", self.cgroup, self.hierarchy)
    }

    fn how(&self) -> String {
        let took = Span(Duration::from_nanos(self.elapsed_ns));
        let tasks = counted(self.tasks.total, "task");
        match self.outcome {
            Outcome::Frozen if self.already_frozen => format!("{tasks}, frozen already"),
            Outcome::Frozen => format!("{tasks} in {took}"),
            _ => {
                let end = if self.restored { "; request taken back" } else { "; request stays" };
                format!("{} frozen after {took}{end}", frozen_of(self.tasks))
            }
        }
    }
}

/// `13 of 14 tasks`, or bounds where /proc cannot tell.
pub fn frozen_of(tasks: Tasks) -> String {
    let total = counted(tasks.total, "task");
    match tasks.frozen {
        Some(frozen) => format!("{frozen} of {total}"),
        None if tasks.frozen_at_least == 0 => format!("at most {} of {total}", tasks.frozen_at_most),
        None => format!("{} to {} of {total}", tasks.frozen_at_least, tasks.frozen_at_most),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcome: Outcome) -> FreezeReport {
        let mut report =
            FreezeReport::plain(Name::from("/c/0"), Hierarchy::V1, outcome, Duration::from_millis(2));
        report.state = Some(FreezerState::Frozen);
        report.tasks = TaskCount { total: 14, at_least: 14, at_most: 14 }.into();
        report
    }

    fn text(report: &FreezeReport) -> String {
        let mut out = Vec::new();
        report.write_text(&mut out, Style::default()).expect("a vector takes everything");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_success_is_one_line() {
        assert_eq!(text(&report(Outcome::Frozen)), "FROZEN   /c/0 (v1): 14 tasks in 2.00 ms\n");
    }

    #[test]
    fn a_time_out_says_what_is_left_behind() {
        let mut report = report(Outcome::TimedOut);
        report.state = Some(FreezerState::Thawed);
        report.restored = true;
        report.tasks = TaskCount { total: 14, at_least: 3, at_most: 13 }.into();
        assert_eq!(
            text(&report),
            "THAWED   /c/0 (v1): 3 to 13 of 14 tasks frozen after 2.00 ms; request taken back\n"
        );
    }

    #[test]
    fn an_unknown_number_is_null_in_json() {
        let mut report = report(Outcome::TimedOut);
        report.tasks = TaskCount { total: 2, at_least: 0, at_most: 1 }.into();
        let json = serde_json::to_value(&report).expect("an object");
        assert_eq!(json["tasks"]["frozen"], serde_json::Value::Null);
        assert_eq!(json["outcome"], "timed_out");
        assert_eq!(json["latency"]["request_to_frozen_ns"], serde_json::Value::Null);
    }
}
