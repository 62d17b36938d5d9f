//! Does this task keep the freeze from completing? Said only as far as the facts are sound.

use super::case::Case;
use super::functions::{Mechanism, contains, means};
use crate::model::{Hierarchy, TaskState};

/// Where a task stands towards the freeze of its hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Frozen, frozen enough (stopped, traced, vfork parent), or dead: never a blocker.
    Done,
    /// Not frozen, by the kernel's marks or by what they leave no doubt about.
    NotFrozen,
    /// Not frozen only if it waits in a way that can never be frozen in place; else unknown.
    Doubtful,
}

/// Judges one task of the subtree.
#[must_use]
pub fn standing(case: &Case<'_>) -> Standing {
    let task = case.task();
    if matches!(task.state, TaskState::Zombie | TaskState::Dead) {
        // css_task_iter skips the dead (kernel/cgroup/cgroup.c), and v2 does not count them.
        return Standing::Done;
    }
    if matches!(task.state, TaskState::Stopped | TaskState::Traced) || case.waits_for_vfork() {
        // v2: do_signal_stop, ptrace_stop and wait_for_vfork_done enter the frozen state themselves.
        // v1: 6.1+ freezes them in place (__set_task_frozen), older kernels skip them (freezer_should_skip).
        return Standing::Done;
    }
    match task.frozen_in(case.facts.hierarchy) {
        Some(true) => Standing::Done,
        Some(false) => marked_not_frozen(case),
        None => unmarked(case),
    }
}

fn marked_not_frozen(case: &Case<'_>) -> Standing {
    let task = case.task();
    let v1 = case.facts.hierarchy == Hierarchy::V1;
    if v1 && task.state == TaskState::Sleeping && task.frozen_v2 == Some(true) {
        // v2's trap sleeps freezable: v1 marks it (6.1+) or skips it (older).
        return Standing::Done;
    }
    if v1 && case.waits_for_dump() {
        // 5.10: the wait is `freezable_schedule`, and v1 skips it (freezer_should_skip).
        return Standing::Done;
    }
    if v1 && task.kernel_thread && case.facts.system.is_none() {
        // A kernel thread with PF_NOFREEZE does not count for v1, and no fact tells those from the others.
        return Standing::Doubtful;
    }
    match task.state {
        TaskState::Running | TaskState::Uninterruptible => Standing::NotFrozen,
        _ if task.kernel_thread => Standing::NotFrozen,
        // A dying thread waits idly for a core dump (kernel/exit.c, coredump_task_exit): v1 freezes that in place.
        TaskState::Idle if !v1 => Standing::NotFrozen,
        // Found at work since the request and not frozen: it goes round in the kernel, sleeping for a moment each time.
        _ if case.details().is_some_and(|details| !details.samples.is_empty()) => Standing::NotFrozen,
        // Asleep and asked: it wakes and freezes at its next run, unless its wait says otherwise.
        _ => Standing::Doubtful,
    }
}

/// No mark was readable: /proc alone.
fn unmarked(case: &Case<'_>) -> Standing {
    let task = case.task();
    match (case.facts.hierarchy, task.state) {
        (Hierarchy::V1, _) if task.kernel_thread => Standing::Doubtful,
        (Hierarchy::V2, TaskState::Sleeping) if case.innermost(Mechanism::FrozenTrap) => Standing::Done,
        (_, TaskState::Running) | (Hierarchy::V2, TaskState::Uninterruptible) => Standing::NotFrozen,
        (Hierarchy::V2, _) if task.kernel_thread => Standing::NotFrozen,
        (Hierarchy::V1, _) if case.innermost(Mechanism::Refrigerator) => Standing::Done,
        (Hierarchy::V1, TaskState::Uninterruptible) => unmarked_v1_d(case),
        _ => Standing::Doubtful,
    }
}

/// `D` under v1 without a mark: frozen in place, in the refrigerator, or blocked.
fn unmarked_v1_d(case: &Case<'_>) -> Standing {
    let Some(before) = case.details().and_then(|details| details.before.as_ref()) else {
        return Standing::Doubtful;
    };
    let unmoved = before.switches.is_some() && before.switches == case.task().switches;
    match before.state {
        TaskState::Sleeping if unmoved => Standing::Done,
        // Blocked since before the request, unless its sleep is of the few D sleeps that v1 freezes in place.
        TaskState::Uninterruptible if unmoved && case.place_is_known() && !case.sleeps_freezable() => {
            Standing::NotFrozen
        }
        _ => Standing::Doubtful,
    }
}

impl Case<'_> {
    fn waits_for_vfork(&self) -> bool {
        self.task().state == TaskState::Uninterruptible && self.innermost(Mechanism::VforkWait)
    }

    /// Sleeps in this very function: the innermost of its stack, or where there is none, its wchan.
    pub fn innermost(&self, mechanism: Mechanism) -> bool {
        match self.task().stack.first() {
            Some(frame) => means(frame, mechanism),
            None => self.wchan().is_some_and(|wchan| means(wchan, mechanism)),
        }
    }

    fn place_is_known(&self) -> bool {
        !self.task().stack.is_empty() || self.wchan().is_some()
    }

    fn sleeps_freezable(&self) -> bool {
        contains(&self.task().stack, Mechanism::FreezableSleep)
            || self.wchan().is_some_and(|wchan| means(wchan, Mechanism::FreezableSleep))
    }
}
