//! Something that happened to a task or a cgroup, with the kernel's time of it.

use serde::{Deserialize, Serialize};

use super::{Name, TaskSnapshot};

/// Marks of both freezers on a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// In the v1 refrigerator, or frozen in place.
    pub v1: bool,
    /// Counted as frozen by v2.
    pub v2: bool,
}

/// One event of the watched subtree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// `CLOCK_MONOTONIC`, ns.
    pub time_ns: u64,
    /// CPU it happened on.
    pub cpu: u32,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened. `tid` is always a task of the watched subtree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// Left the CPU (`sched_switch`, as prev).
    SwitchOut {
        /// Thread id.
        tid: i32,
        /// `__state` at the switch; 0 with `preempted` means it stayed runnable.
        state: u32,
        /// Involuntary.
        preempted: bool,
        /// Frozen marks at the switch.
        frozen: Frozen,
    },
    /// Got a CPU (`sched_switch`, as next).
    SwitchIn {
        /// Thread id.
        tid: i32,
    },
    /// Somebody wakes it (`sched_waking`).
    Waking {
        /// Thread id.
        tid: i32,
        /// Thread id of the waker.
        by: i32,
    },
    /// A watched task forked or cloned (`sched_process_fork`).
    Fork {
        /// Thread id of the parent.
        parent: i32,
        /// Thread id of the child.
        tid: i32,
        /// Process id of the child; `None` where that is not told.
        tgid: Option<i32>,
    },
    /// `sched_process_exec`
    Exec {
        /// Thread id after the exec.
        tid: i32,
        /// Name after the exec.
        comm: Name,
    },
    /// `sched_process_exit`
    Exit {
        /// Thread id.
        tid: i32,
    },
    /// A freeze was asked of this cgroup, one event per descendant (v2: `cgroup_freeze`; v1: fentry or kprobe, where the
    /// kernel allows).
    FreezeAsked {
        /// Cgroup id.
        cgroup: u64,
        /// The writer.
        by: Caller,
    },
    /// The same for a thaw.
    ThawAsked {
        /// Cgroup id.
        cgroup: u64,
        /// The writer.
        by: Caller,
    },
    /// v2: the kernel says a cgroup became frozen or not (`cgroup_notify_frozen`).
    NotifyFrozen {
        /// Cgroup id.
        cgroup: u64,
        /// What `cgroup.events` says from now on.
        frozen: bool,
    },
    /// Moved into or out of the watched subtree (`cgroup_attach_task`).
    Attach {
        /// Thread id.
        tid: i32,
        /// Cgroup id of the destination.
        to: u64,
        /// Whether the destination lies in the watched subtree.
        into: bool,
    },
    /// The freezer asked this very task to freeze (fentry or kprobe, where the kernel allows).
    TaskAsked {
        /// Thread id.
        tid: i32,
    },
    /// Entered the v1 refrigerator or v2's frozen trap (fentry or kprobe, where the kernel allows).
    Refrigerated {
        /// Thread id.
        tid: i32,
    },
    /// Left the v1 refrigerator or v2's frozen trap (fexit, where the kernel allows).
    LeftRefrigerator {
        /// Thread id.
        tid: i32,
    },
    /// Found on a CPU by the timer sample.
    Sample {
        /// Thread id.
        tid: i32,
        /// In user code: it is computing, not in the kernel.
        user: bool,
        /// Kernel stack, innermost first, symbolised.
        stack: Vec<String>,
    },
    /// The freeze of the whole system began: the kernel asked the first task.
    SystemFreeze {
        /// Who freezes it.
        by: Caller,
    },
    /// User space is frozen, and kernel threads are next.
    SystemKernelThreads,
    /// The whole system is thawed, after it was frozen or because it could not be.
    SystemThaw {
        /// When the kernel last went round to ask the tasks, ns.
        last_pass_ns: u64,
        /// How often it did.
        passes: u32,
        /// Tasks that were not frozen when that last round came to them.
        unfrozen: u32,
    },
    /// Not frozen some time after the freeze of the whole system began.
    Straggler {
        /// The task then, its stack symbolised.
        task: Box<TaskSnapshot>,
    },
}

/// The task that asked for a freeze, of a cgroup or of the whole system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Thread id.
    pub tid: i32,
    /// Process id.
    pub pid: i32,
    /// Name.
    pub comm: Name,
}
