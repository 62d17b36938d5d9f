//! How many tasks of a subtree are frozen, as far as /proc can tell.

use super::ControlError;
use super::task::{TaskLook, wchan};
use crate::cgroupfs::Cgroup;
use crate::model::{FreezerState, Hierarchy, TaskState};

/// Tasks of a subtree, and bounds for how many of them are frozen: /proc alone cannot always tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCount {
    /// All tasks.
    pub total: usize,
    /// Surely frozen.
    pub at_least: usize,
    /// All but those that surely are not.
    pub at_most: usize,
}

impl TaskCount {
    /// How many are frozen, where that is sure.
    pub fn frozen(&self) -> Option<usize> {
        (self.at_least == self.at_most).then_some(self.at_least)
    }
}

/// Counts the tasks of a subtree whose state is `state`: only while FREEZING does each task need a look.
pub fn count(cgroup: &Cgroup, state: FreezerState) -> Result<TaskCount, ControlError> {
    let tasks = cgroup.subtree_tasks()?;
    let total = tasks.len();
    Ok(match state {
        FreezerState::Frozen => TaskCount { total, at_least: total, at_most: total },
        FreezerState::Thawed => TaskCount { total, at_least: 0, at_most: 0 },
        FreezerState::Freezing => {
            let mut count = TaskCount { total, ..TaskCount::default() };
            for tid in tasks {
                match looks_frozen(tid, cgroup.hierarchy) {
                    Some(true) => {
                        count.at_least += 1;
                        count.at_most += 1;
                    }
                    None => count.at_most += 1,
                    Some(false) => {}
                }
            }
            count
        }
    })
}

/// Whether a task of a freezing cgroup is frozen; `None` where /proc shows the same for frozen and blocked ones.
fn looks_frozen(tid: i32, hierarchy: Hierarchy) -> Option<bool> {
    let state = TaskLook::take(tid)?.state;
    let wchan = wchan(tid);
    judge(hierarchy, state, wchan.as_deref())
}

fn judge(hierarchy: Hierarchy, state: TaskState, wchan: Option<&[u8]>) -> Option<bool> {
    use TaskState::{Dead, Running, Sleeping, Uninterruptible, Zombie};
    // On a CPU or waiting for one. A zombie may still be listed; it is frozen in neither.
    if matches!(state, Running | Zombie | Dead) {
        return Some(false);
    }
    match (hierarchy, state, wchan?) {
        (Hierarchy::V1, Uninterruptible, b"__refrigerator")
        | (Hierarchy::V2, Sleeping, b"do_freezer_trap" | b"get_signal") => Some(true),
        // v2 leaves an ordinary sleeper no sleep but its own. A vfork parent counts as frozen.
        (Hierarchy::V2, Sleeping, _) => Some(false),
        (Hierarchy::V2, Uninterruptible, name) if name != b"kernel_clone" => Some(false),
        // v2: stopped, traced and vforking tasks may count. v1 freezes many sleepers in place: they show `D` in
        // whatever they slept in, as blocked ones do.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v1_cannot_tell_frozen_in_place_from_blocked() {
        assert_eq!(judge(Hierarchy::V1, TaskState::Uninterruptible, Some(b"request_wait_answer")), None);
        assert_eq!(judge(Hierarchy::V1, TaskState::Uninterruptible, Some(b"__refrigerator")), Some(true));
    }

    #[test]
    fn v2_shows_its_own_sleep() {
        assert_eq!(judge(Hierarchy::V2, TaskState::Sleeping, Some(b"do_freezer_trap")), Some(true));
        assert_eq!(
            judge(Hierarchy::V2, TaskState::Uninterruptible, Some(b"request_wait_answer")),
            Some(false)
        );
        assert_eq!(judge(Hierarchy::V2, TaskState::Uninterruptible, Some(b"kernel_clone")), None);
        assert_eq!(judge(Hierarchy::V2, TaskState::Stopped, Some(b"do_signal_stop")), None);
    }

    #[test]
    fn a_running_task_is_never_frozen() {
        for hierarchy in [Hierarchy::V1, Hierarchy::V2] {
            assert_eq!(judge(hierarchy, TaskState::Running, None), Some(false));
        }
    }
}
