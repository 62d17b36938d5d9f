//! Tasks that joined the subtree after the freeze was asked for.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::TaskSnapshot;

/// When and how a task joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// How.
    pub how: JoinedBy,
    /// ns before the look; `None` where only two looks tell that it joined between them.
    pub ago_ns: Option<u64>,
}

/// How a task joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinedBy {
    /// It was forked or cloned there.
    Fork {
        /// Thread id of the parent, where it was seen.
        parent: Option<i32>,
    },
    /// It was moved there.
    Move,
    /// It was there, and executed another program.
    Exec,
}

/// /proc tells start times in ticks: a task started within this time after what it says.
const TICK_NS: u64 = 10_000_000;

/// Who joined after the request, by two looks at the subtree: one that began at `looked_at`, before the request, and one
/// since. All times are ns since boot. Of a task that started between the first look and the request nothing is said:
/// it may have been there when the freeze was asked for.
#[must_use]
pub fn joined_between<'t>(
    before: &[TaskSnapshot],
    looked_at: u64,
    requested_at: u64,
    now: impl Iterator<Item = &'t TaskSnapshot> + Clone,
) -> HashMap<i32, Joined> {
    // Ids are used again: only the start time tells the same task.
    let known: HashSet<(i32, u64)> = before.iter().map(|task| (task.tid, task.start_ns)).collect();
    let inside: HashSet<i32> =
        before.iter().map(|task| task.tid).chain(now.clone().map(|task| task.tid)).collect();
    let how = |task: &TaskSnapshot| {
        if task.start_ns >= requested_at {
            // A thread's parent is its process's; it was its own process that made it.
            let parent = if task.tid == task.tgid { task.parent } else { task.tgid };
            return Some(JoinedBy::Fork { parent: Some(parent).filter(|tid| inside.contains(tid)) });
        }
        (task.start_ns.saturating_add(TICK_NS) <= looked_at).then_some(JoinedBy::Move)
    };
    now.filter(|task| !known.contains(&(task.tid, task.start_ns)))
        .filter_map(|task| Some((task.tid, Joined { how: how(task)?, ago_ns: None })))
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::{Name, SchedPolicy, TaskState};

    const LOOKED: u64 = 5_000_000_000;
    const ASKED: u64 = 5_200_000_000;

    /// A process of its own.
    pub fn task(tid: i32, start_ns: u64) -> TaskSnapshot {
        TaskSnapshot {
            tid,
            tgid: tid,
            parent: 1,
            comm: Name::from("x"),
            start_ns,
            state: TaskState::Sleeping,
            kernel_thread: false,
            exiting: false,
            frozen_v1: None,
            frozen_v2: None,
            freeze_asked_v2: None,
            cgroup_v1: None,
            cgroup_v2: None,
            on_cpu: None,
            cpu: 0,
            policy: SchedPolicy::Fair,
            throttled: None,
            since_ns: None,
            switches: None,
            lock: None,
            tracer: None,
            times: None,
            stack: Vec::new(),
        }
    }

    fn how(before: &[TaskSnapshot], task: TaskSnapshot) -> Option<JoinedBy> {
        let tid = task.tid;
        let joined = joined_between(before, LOOKED, ASKED, [task].iter());
        joined.get(&tid).map(|joined| joined.how)
    }

    #[test]
    fn who_was_there_before_is_not_late_wherever_in_the_subtree() {
        assert_eq!(how(&[task(7, 100)], task(7, 100)), None);
    }

    #[test]
    fn who_is_older_than_the_first_look_was_moved() {
        assert_eq!(how(&[task(7, 100)], task(8, LOOKED - TICK_NS)), Some(JoinedBy::Move));
        assert_eq!(how(&[], task(8, 100)), Some(JoinedBy::Move));
    }

    #[test]
    fn who_started_after_the_request_was_forked_by_a_parent_inside_or_one_unknown() {
        let child = |parent| TaskSnapshot { parent, ..task(8, ASKED + TICK_NS) };
        assert_eq!(how(&[task(7, 100)], child(7)), Some(JoinedBy::Fork { parent: Some(7) }));
        assert_eq!(how(&[task(7, 100)], child(1)), Some(JoinedBy::Fork { parent: None }));
        let thread = TaskSnapshot { tgid: 7, ..child(1) };
        assert_eq!(how(&[task(7, 100)], thread), Some(JoinedBy::Fork { parent: Some(7) }));
    }

    #[test]
    fn who_started_between_the_look_and_the_request_may_have_been_there() {
        assert_eq!(how(&[], task(8, LOOKED - TICK_NS + 1)), None);
        assert_eq!(how(&[], task(8, ASKED - 1)), None);
    }

    #[test]
    fn a_thread_id_used_again_is_another_task() {
        let again = task(7, ASKED);
        assert_eq!(how(&[task(7, 100)], again), Some(JoinedBy::Fork { parent: None }));
    }
}
