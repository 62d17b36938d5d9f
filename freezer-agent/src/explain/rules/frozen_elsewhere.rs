//! `frozen-elsewhere`: the task is frozen in v1, and a v2 freeze waits for it.
//!
//! What happens: a task in v1's refrigerator sleeps there until its v1 cgroup is thawed. It never comes to the place
//! where v2 would count it as frozen. The other way round works: v1 takes a task frozen in v2 as it stands.
//!
//! Confirm by hand: `cat /proc/TID/wchan` says `__refrigerator`, and the `freezer:` line of `/proc/TID/cgroup` names a
//! cgroup whose `freezer.state` is not THAWED.
//!
//! Release: thaw the v1 cgroup, and freeze in one hierarchy only.
//!
//! Cost: whoever froze it in v1 loses that freeze.
//!
//! Kernels: all hosts with both hierarchies mounted.
//!
//! Source: `kernel/freezer.c`, `__refrigerator`; `kernel/signal.c`, `do_freezer_trap`.

use super::super::case::{Case, Finding};
use super::super::functions::{Mechanism, means};
use super::super::{Cause, Certainty, WaitsFor};
use crate::model::Hierarchy;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    let task = case.task();
    if case.facts.hierarchy != Hierarchy::V2 {
        return None;
    }
    let marked = task.frozen_v1 == Some(true);
    let in_refrigerator = case.uninterruptible()
        && match task.stack.first() {
            Some(frame) => means(frame, Mechanism::Refrigerator),
            None => case.wchan().is_some_and(|wchan| means(wchan, Mechanism::Refrigerator)),
        };
    if !marked && (!in_refrigerator || task.frozen_v1 == Some(false)) {
        return None;
    }
    let held = task.cgroup_v1.and_then(|id| case.facts.cgroup_path(Hierarchy::V1, id));
    let place = held.map_or_else(|| "its v1 freezer cgroup".to_owned(), |path| format!("the v1 cgroup {path}"));
    let thaw = held.map_or_else(
        || "thaw its v1 freezer cgroup (the `freezer:` line of /proc/TID/cgroup)".to_owned(),
        |path| format!("`echo THAWED > {path}/freezer.state` (or thaw the ancestor that froze it)"),
    );
    let mut finding = Finding::new(
        Cause::FrozenElsewhere,
        if marked { Certainty::Certain } else { Certainty::Likely },
        format!("is already frozen in {place}, where v2 cannot reach it"),
        format!("{thaw}; then freeze in one hierarchy only"),
    );
    if let Some(path) = held {
        finding.waits_for.push(WaitsFor::Cgroup { path: path.clone(), limit: None });
    }
    finding.impossible = Some(format!(
        "task {} ({}) is frozen in {place}; v2 cannot count it as frozen until that is thawed",
        task.tid, task.comm
    ));
    Some(finding)
}
