//! Runs the rules over tasks that nobody has asked to freeze: which of them would block if somebody did now?

use super::case::{Case, Finding};
use super::functions::{Mechanism, contains};
use super::judge::blocker;
use super::standing::{Standing, standing};
use super::{Blocker, Cause, Facts, rules};
use crate::model::{Hierarchy, TaskState};

/// A task that would block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// What it waits for, as a freeze would tell.
    pub blocker: Blocker,
    /// It has not run between two looks: no wait in passing.
    pub unmoved: bool,
    /// It could never be frozen as it is.
    pub impossible: bool,
}

/// The tasks of the subtree that would keep a freeze from completing, as far as their present waits show it. A task that
/// runs freezes on its way back to user code: that it runs says nothing.
#[must_use]
pub fn foresee(facts: &Facts) -> Vec<Foreseen> {
    facts
        .tasks
        .iter()
        .filter_map(|subject| one(&Case { facts, subject, path: &[subject.task.tid] }))
        .collect()
}

fn one(case: &Case<'_>) -> Option<Foreseen> {
    let task = case.task();
    let elsewhere = task.frozen_in(case.facts.hierarchy.other()) == Some(true);
    if standing(case) == Standing::Done || case.facts.hierarchy == Hierarchy::V1 && task.kernel_thread {
        return None;
    }
    let finding = match task.state {
        _ if task.kernel_thread || elsewhere => Some(rules::judge(case)),
        // Frozen where it sleeps, without being woken (TASK_FREEZABLE, 6.1 and newer).
        TaskState::Uninterruptible if sleeps_freezable(case) => None,
        TaskState::Uninterruptible => Some(rules::judge(case)),
        TaskState::Sleeping => rules::waits(case).filter(|finding| outlasts_a_signal(case, finding)),
        _ => None,
    }?;
    let before = case.details().and_then(|details| details.before.as_ref());
    let unmoved = before.is_some_and(|before| before.switches.is_some() && before.switches == task.switches);
    let impossible = finding.impossible.is_some();
    // What only names the other freezer's own sleep is no wait of the task.
    let is_wait = impossible || !elsewhere;
    is_wait.then(|| Foreseen { blocker: blocker(case, finding), unmoved, impossible })
}

fn sleeps_freezable(case: &Case<'_>) -> bool {
    case.facts.hierarchy == Hierarchy::V1 && contains(&case.task().stack, Mechanism::FreezableSleep)
}

/// A freeze wakes it, and it goes on waiting. A userfault of user code ends at the signal, one inside a system call is
/// tried again without end.
fn outlasts_a_signal(case: &Case<'_>, finding: &Finding) -> bool {
    let in_call = case.details().is_some_and(|details| details.syscall.is_some());
    finding.never_frozen_in_place || finding.cause == Cause::Userfault && in_call
}
