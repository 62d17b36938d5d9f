//! One look at one task.

use serde::{Deserialize, Serialize};

use super::{Frozen, Hierarchy, Name, Spent};

/// State letter of a task, as /proc prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TaskState {
    /// On a CPU or waiting for one.
    #[serde(rename = "R")]
    Running,
    /// Interruptible sleep.
    #[serde(rename = "S")]
    Sleeping,
    /// Uninterruptible sleep, killable or not.
    #[serde(rename = "D")]
    Uninterruptible,
    /// Stopped by job control.
    #[serde(rename = "T")]
    Stopped,
    /// Stopped by a tracer.
    #[serde(rename = "t")]
    Traced,
    /// Dead, not reaped.
    #[serde(rename = "Z")]
    Zombie,
    /// Dying.
    #[serde(rename = "X")]
    Dead,
    /// Idle kernel thread.
    #[serde(rename = "I")]
    Idle,
    /// Parked kernel thread.
    #[serde(rename = "P")]
    Parked,
    /// A letter this build does not know.
    #[serde(rename = "?")]
    Unknown,
}

impl TaskState {
    /// From the letter of `/proc/PID/stat` (`fs/proc/array.c`, `task_state_array`).
    #[must_use]
    pub fn from_letter(letter: u8) -> Self {
        match letter {
            b'R' => Self::Running,
            b'S' => Self::Sleeping,
            b'D' => Self::Uninterruptible,
            b'T' => Self::Stopped,
            b't' => Self::Traced,
            b'Z' => Self::Zombie,
            b'X' | b'x' => Self::Dead,
            b'I' => Self::Idle,
            b'P' => Self::Parked,
            _ => Self::Unknown,
        }
    }

    /// The letter /proc prints.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Running => 'R',
            Self::Sleeping => 'S',
            Self::Uninterruptible => 'D',
            Self::Stopped => 'T',
            Self::Traced => 't',
            Self::Zombie => 'Z',
            Self::Dead => 'X',
            Self::Idle => 'I',
            Self::Parked => 'P',
            Self::Unknown => '?',
        }
    }
}

/// Scheduling class of a task, as far as an explanation needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedPolicy {
    /// `SCHED_OTHER`, `SCHED_BATCH`, `SCHED_IDLE`, `SCHED_EXT`
    Fair,
    /// `SCHED_FIFO`
    Fifo,
    /// `SCHED_RR`
    RoundRobin,
    /// `SCHED_DEADLINE`
    Deadline,
}

/// A lock the kernel itself names as what a task waits for (`task->blocker`, 6.16+), or in whose queue the task is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockWait {
    /// `mutex`, `semaphore`, `rwsem-read` or `rwsem-write`, as the waiter asked for it.
    pub kind: String,
    /// Thread id of the owner the lock's own word names; `None` where it names nobody.
    pub owner: Option<i32>,
    /// The owner word says readers hold it: the named one is the last reader to come, not the only one.
    pub owner_is_reader: bool,
}

/// One look at one task: from the BPF task iterator, or from /proc with `None` where /proc cannot say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSnapshot {
    /// Thread id in the agent's pid namespace's root (the kernel's pid).
    pub tid: i32,
    /// Process id.
    pub tgid: i32,
    /// Process id of the real parent.
    pub parent: i32,
    /// Task name.
    pub comm: Name,
    /// Start, ns since boot: tells a task from a later one with the same id.
    pub start_ns: u64,
    /// State, as /proc prints it: a v1-frozen task is `D`.
    pub state: TaskState,
    /// `PF_KTHREAD`
    pub kernel_thread: bool,
    /// `PF_EXITING`
    pub exiting: bool,
    /// In the v1 refrigerator or frozen in place; `None` where this source cannot tell.
    pub frozen_v1: Option<bool>,
    /// Counted as frozen by v2.
    pub frozen_v2: Option<bool>,
    /// `JOBCTL_TRAP_FREEZE`: v2 asked this task to freeze.
    pub freeze_asked_v2: Option<bool>,
    /// Id of its v1 freezer cgroup.
    pub cgroup_v1: Option<u64>,
    /// Id of its v2 cgroup.
    pub cgroup_v2: Option<u64>,
    /// On a CPU right now.
    pub on_cpu: Option<bool>,
    /// The CPU it runs on or ran on last.
    pub cpu: u32,
    /// Scheduling class.
    pub policy: SchedPolicy,
    /// Taken off the run queue by a CPU quota; `None` where the kernel has no such mark.
    pub throttled: Option<bool>,
    /// How long since it last ran, ns.
    pub since_ns: Option<u64>,
    /// Voluntary and involuntary context switches so far.
    pub switches: Option<u64>,
    /// Lock it waits for, by the kernel's own word.
    pub lock: Option<LockWait>,
    /// Thread id of its tracer.
    pub tracer: Option<i32>,
    /// What its life was spent on so far, where it was read from /proc.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<CpuTimes>,
    /// Kernel stack, innermost first, without offsets; empty where not taken or not readable.
    pub stack: Vec<String>,
}

/// What a thread's life was spent on so far: the difference of two looks tells what the time between them was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTimes {
    /// On a CPU, ns; up to a tick behind for one that runs (`schedstat`).
    pub ran_ns: u64,
    /// Runnable without a CPU, ns, up to the last time it got one (`schedstat`; without what a quota held it back on 6.18).
    pub waited_ns: u64,
    /// On a CPU in the kernel, ns, as its ticks tell (`stime` of its own `stat`).
    pub system_ns: u64,
    /// How often it went to sleep (`voluntary_ctxt_switches`).
    pub sleeps: u64,
}

impl CpuTimes {
    /// What `over_ns` up to this look were spent on, where `before` was that long ago.
    #[must_use]
    pub fn spent_since(&self, before: &Self, runnable_before: bool, over_ns: u64) -> Spent {
        let running_ns = self.ran_ns.saturating_sub(before.ran_ns).min(over_ns);
        let rest = over_ns - running_ns;
        let waited_ns = self.waited_ns.saturating_sub(before.waited_ns).min(rest);
        // One that never went to sleep was runnable for all the rest, accounted yet or not.
        let runnable_ns = if runnable_before && self.sleeps == before.sleeps { rest } else { waited_ns };
        Spent { running_ns, runnable_ns, asleep_ns: rest - runnable_ns }
    }
}

impl TaskSnapshot {
    /// Whether it is frozen in `hierarchy`; `None` where the source cannot tell.
    #[must_use]
    pub fn frozen_in(&self, hierarchy: Hierarchy) -> Option<bool> {
        match hierarchy {
            Hierarchy::V1 => self.frozen_v1,
            Hierarchy::V2 => self.frozen_v2,
        }
    }

    /// Its cgroup id in `hierarchy`.
    #[must_use]
    pub fn cgroup_in(&self, hierarchy: Hierarchy) -> Option<u64> {
        match hierarchy {
            Hierarchy::V1 => self.cgroup_v1,
            Hierarchy::V2 => self.cgroup_v2,
        }
    }

    /// Both freezers' marks.
    #[must_use]
    pub fn frozen(&self) -> Frozen {
        Frozen { v1: self.frozen_v1.unwrap_or(false), v2: self.frozen_v2.unwrap_or(false) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn times(ran_ms: u64, waited_ms: u64, sleeps: u64) -> CpuTimes {
        CpuTimes { ran_ns: ran_ms * MS, waited_ns: waited_ms * MS, system_ns: 0, sleeps }
    }

    #[test]
    fn who_went_to_sleep_spent_the_rest_asleep_and_who_did_not_waited_for_a_cpu() {
        let ms = |spent: Spent| [spent.running_ns, spent.runnable_ns, spent.asleep_ns].map(|ns| ns / MS);
        let before = times(1000, 50, 7);
        assert_eq!(ms(times(1010, 60, 8).spent_since(&before, true, 100 * MS)), [10, 10, 80]);
        assert_eq!(ms(times(1010, 50, 7).spent_since(&before, true, 100 * MS)), [10, 90, 0]);
        assert_eq!(
            ms(times(1010, 50, 7).spent_since(&before, false, 100 * MS)),
            [10, 0, 90],
            "asleep before"
        );
        assert_eq!(ms(times(1900, 90, 9).spent_since(&before, true, 100 * MS)), [100, 0, 0], "clocks differ");
    }
}
