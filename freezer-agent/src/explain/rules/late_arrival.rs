//! `late-arrival`: the task was forked, exec'd or moved into the cgroup after the freeze was asked for.
//!
//! What happens: a freeze asks the tasks that are there. One that comes later is asked on arrival, so the freeze is
//! done only when that one has frozen too; a stream of arrivals keeps it from ever being done. What an arrival waits
//! for, where that is known, is told as its cause instead.
//!
//! Confirm by hand: `cgroup.procs` (or `tasks`) read twice: the task is in the second list only; its start time in
//! `/proc/TID/stat` is later than the request, or it is not, and then it was moved.
//!
//! Release: stop whoever forks or moves tasks into the cgroup, then freeze again; or move the late task out.
//!
//! Cost: none.
//!
//! Kernels: all, both freezers. Without BPF two looks tell who came: not when, not by whom one was moved, and no execve;
//! of a task that started between the look and the request nothing is said. `explain` knows only of those that come
//! while it watches (`--for`), and only with BPF.
//!
//! Source: `kernel/cgroup/legacy_freezer.c`, `freezer_attach`, `freezer_fork`; `kernel/cgroup/freezer.c`,
//! `cgroup_freezer_migrate_task`.

use super::super::case::{Case, Finding};
use super::super::{Cause, Certainty};
use crate::model::{Joined, JoinedBy};

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    let joined = case.details()?.joined.as_ref()?;
    let place = case.task().stack.first().map(String::as_str).or(case.wchan());
    let place = match place {
        Some(place) if case.asleep() => format!(" and sleeps in {place}, where the freezer cannot reach it"),
        _ => " and has not frozen yet".to_owned(),
    };
    // Two looks do not tell whether it came before the request or after it.
    let certainty = if joined.ago_ns.is_some() { Certainty::Certain } else { Certainty::Likely };
    Some(Finding::new(
        Cause::LateArrival,
        certainty,
        format!("{}{place}", wording(case, joined)),
        "stop whoever brings tasks into the cgroup, then freeze again; or move this task out",
    ))
}

/// The note that a late task with another cause carries.
pub fn note(case: &Case<'_>) -> Option<String> {
    Some(wording(case, case.details()?.joined.as_ref()?))
}

fn wording(case: &Case<'_>, joined: &Joined) -> String {
    let how = match joined.how {
        JoinedBy::Fork { parent: Some(parent) } => format!("was forked by task {parent}"),
        JoinedBy::Fork { parent: None } => "was forked".to_owned(),
        JoinedBy::Move => "was moved in".to_owned(),
        JoinedBy::Exec => "executed a program".to_owned(),
    };
    match (joined.ago_ns, case.facts.asked_ns_ago) {
        (Some(ago), Some(asked)) => {
            format!("{how} {} ms after the request", asked.saturating_sub(ago) / 1_000_000)
        }
        (Some(ago), None) => format!("{how} {} ms before this look", ago / 1_000_000),
        (None, _) => format!("{how} after the freeze was asked for"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::facts::{Facts, TaskFacts};
    use super::super::super::{Blocker, examples, judge};
    use super::*;
    use crate::model::Hierarchy;

    fn blocker(mut task: TaskFacts, ago_ns: Option<u64>) -> Blocker {
        task.details.get_or_insert_default().joined = Some(Joined { how: JoinedBy::Move, ago_ns });
        judge(&Facts { tasks: vec![task], ..examples::empty(Hierarchy::V1) }).blockers.remove(0)
    }

    #[test]
    fn what_only_came_late_is_a_late_arrival() {
        let found = blocker(examples::at(1, &["synchronize_rcu"]), Some(1_500_000_000));
        assert_eq!((found.cause, found.certainty), (Cause::LateArrival, Certainty::Certain));
        assert!(found.summary.starts_with("was moved in 500 ms after the request"), "{}", found.summary);
        assert_eq!(blocker(examples::task(1, "x"), None).certainty, Certainty::Likely);
    }

    #[test]
    fn a_known_wait_stays_the_cause_and_says_that_it_came_late() {
        let found = blocker(examples::fuse_waiter(1), Some(1_500_000_000));
        assert_eq!(found.cause, Cause::FuseRequest);
        assert!(found.evidence.notes.iter().any(|note| note.contains("moved in")), "{:?}", found.evidence.notes);
    }
}
