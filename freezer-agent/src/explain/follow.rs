//! From a holder to what the holder itself waits for, until something waits for nothing.

use super::case::{Case, Finding, frozen_hierarchy};
use super::facts::TaskFacts;
use super::rules;
use super::verdict::WaitsFor;
use crate::model::TaskState;

/// Holders a chain may have: deeper ones are cut, as circles are.
const LONGEST: usize = 16;

/// A holder, as the rules word it.
pub struct Holder {
    /// The holder, then what it waits for.
    pub chain: Vec<WaitsFor>,
    /// "sshfs, pid 4312"
    pub who: String,
    /// "frozen by this same freeze", "which is running", ...
    pub state: String,
    /// What the holder itself waits for.
    pub deeper: Option<Finding>,
    /// It is frozen, by this freeze or another.
    pub frozen: bool,
}

/// Describes the holder `tid` of what `case` waits for, and follows it.
#[must_use]
pub fn holder(case: &Case<'_>, tid: i32) -> Option<Holder> {
    let subject = case.facts.task(tid)?;
    let frozen = frozen_hierarchy(&subject.task).is_some();
    let mut chain = vec![entry(case, subject)];
    let who = wording(subject);
    let mut deeper = None;
    let state = if case.path.contains(&tid) {
        "which waits for this very task in turn".to_owned()
    } else if let Some(how) = case.frozen_by(&subject.task) {
        how
    } else if let Some(finding) = onwards(case, subject) {
        let state = format!("which itself {}", finding.summary);
        chain.extend(finding.waits_for.iter().cloned());
        deeper = Some(finding);
        state
    } else {
        doing(subject).to_owned()
    };
    Some(Holder { chain, who, state, deeper, frozen })
}

fn onwards(case: &Case<'_>, subject: &TaskFacts) -> Option<Finding> {
    if case.path.len() >= LONGEST {
        return None;
    }
    let mut path = case.path.to_vec();
    path.push(subject.task.tid);
    let next = Case { facts: case.facts, subject, path: &path };
    rules::waits(&next)
}

fn entry(case: &Case<'_>, subject: &TaskFacts) -> WaitsFor {
    let task = &subject.task;
    let held_in = frozen_hierarchy(task);
    let own = held_in.unwrap_or(case.facts.hierarchy);
    WaitsFor::Task {
        pid: task.tgid,
        tid: task.tid,
        comm: task.comm.clone(),
        frozen: held_in.is_some(),
        cgroup: task.cgroup_in(own).and_then(|id| case.facts.cgroup_path(own, id)).cloned(),
    }
}

fn wording(subject: &TaskFacts) -> String {
    let task = &subject.task;
    if task.tid == task.tgid {
        format!("{}, pid {}", task.comm, task.tgid)
    } else {
        format!("{}, thread {} of pid {}", task.comm, task.tid, task.tgid)
    }
}

fn doing(subject: &TaskFacts) -> &'static str {
    match subject.task.state {
        TaskState::Running => "which is running",
        TaskState::Stopped => "which is stopped (SIGCONT continues it)",
        TaskState::Traced => "which its tracer holds stopped",
        TaskState::Uninterruptible => "which is in uninterruptible sleep itself",
        TaskState::Zombie | TaskState::Dead => "which is dead",
        _ => "which is not frozen",
    }
}
