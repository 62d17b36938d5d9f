//! From a holder to what the holder itself waits for, until something waits for nothing.

use super::case::{Case, Finding, frozen_hierarchy};
use super::facts::TaskFacts;
use super::rules;
use super::standing::{Standing, standing};
use super::verdict::WaitsFor;
use crate::model::{Hierarchy, TaskState};

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
    let held_in = held_in(case, subject);
    let frozen = held_in.is_some();
    let mut chain = vec![entry(case, subject, held_in)];
    let who = wording(subject);
    let mut deeper = None;
    let state = if case.path.contains(&tid) {
        "which waits for this very task in turn".to_owned()
    } else if let Some(hierarchy) = held_in {
        case.frozen_by(&subject.task, hierarchy)
    } else if let Some(finding) = onwards(case, subject) {
        let state = format!("which itself {}", finding.summary);
        chain.extend(finding.waits_for.iter().cloned());
        deeper = Some(finding);
        state
    } else if is_doubtful(case, subject) {
        "which may be frozen by this same freeze: /proc alone does not tell".to_owned()
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

/// Where the holder is frozen: by its marks, or, where there are none, by what leaves no doubt about it.
fn held_in(case: &Case<'_>, subject: &TaskFacts) -> Option<Hierarchy> {
    let own = case.facts.hierarchy;
    frozen_hierarchy(&subject.task)
        .or_else(|| (unmarked(case, subject) == Some(Standing::Done) && is_alive(subject)).then_some(own))
}

fn is_doubtful(case: &Case<'_>, subject: &TaskFacts) -> bool {
    unmarked(case, subject) == Some(Standing::Doubtful)
}

/// Standing of a task of the subtree that carries no mark of this freeze.
fn unmarked(case: &Case<'_>, subject: &TaskFacts) -> Option<Standing> {
    let marked = subject.task.frozen_in(case.facts.hierarchy).is_some();
    let next = Case { subject, ..*case };
    (!marked && case.in_subtree(&subject.task)).then(|| standing(&next))
}

fn is_alive(subject: &TaskFacts) -> bool {
    !matches!(subject.task.state, TaskState::Zombie | TaskState::Dead)
}

fn entry(case: &Case<'_>, subject: &TaskFacts, held_in: Option<Hierarchy>) -> WaitsFor {
    let task = &subject.task;
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
