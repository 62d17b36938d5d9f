//! The hooks by number, and what each counts.

/// Every program that can drop something, in the order of the counter map's slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Hook {
    /// `sched_switch`: two looks per switch, one at each task.
    SchedSwitch = 0,
    /// `sched_waking`
    SchedWaking = 1,
    /// `sched_process_fork`
    Fork = 2,
    /// `sched_process_exec`
    Exec = 3,
    /// `sched_process_exit`
    Exit = 4,
    /// `cgroup_freeze`; v1's `freezer_apply_state`, by fentry or kprobe, where that freezes.
    CgroupFreeze = 5,
    /// `cgroup_unfreeze`; v1's `freezer_apply_state` where that thaws.
    CgroupUnfreeze = 6,
    /// `cgroup_notify_frozen`
    CgroupNotifyFrozen = 7,
    /// `cgroup_attach_task`
    CgroupAttach = 8,
    /// `freeze_task` or `cgroup_freeze_task`, by fentry or kprobe.
    TaskAsked = 9,
    /// `__refrigerator` or `cgroup_enter_frozen`, by fentry or kprobe; the return of the first, or of
    /// `cgroup_leave_frozen`, by fexit.
    Refrigerated = 10,
    /// The timer sample.
    Sample = 11,
    /// `freeze_kernel_threads` and `thaw_processes`, by fentry or kprobe.
    System = 12,
}

impl Hook {
    /// All hooks, in slot order.
    pub const ALL: [Self; 13] = [
        Self::SchedSwitch,
        Self::SchedWaking,
        Self::Fork,
        Self::Exec,
        Self::Exit,
        Self::CgroupFreeze,
        Self::CgroupUnfreeze,
        Self::CgroupNotifyFrozen,
        Self::CgroupAttach,
        Self::TaskAsked,
        Self::Refrigerated,
        Self::Sample,
        Self::System,
    ];

    /// The name `doctor` and the screens show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SchedSwitch => "sched_switch",
            Self::SchedWaking => "sched_waking",
            Self::Fork => "sched_process_fork",
            Self::Exec => "sched_process_exec",
            Self::Exit => "sched_process_exit",
            Self::CgroupFreeze => "cgroup_freeze",
            Self::CgroupUnfreeze => "cgroup_unfreeze",
            Self::CgroupNotifyFrozen => "cgroup_notify_frozen",
            Self::CgroupAttach => "cgroup_attach_task",
            Self::TaskAsked => "task_asked",
            Self::Refrigerated => "refrigerated",
            Self::Sample => "sample",
            Self::System => "system",
        }
    }
}

/// A kernel function that a program is attached to; the number is the cookie by which one program for all of them
/// (kprobe.multi) tells which it was called from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Function {
    /// `freeze_task`
    FreezeTask = 1,
    /// `cgroup_freeze_task`
    CgroupFreezeTask = 2,
    /// `__refrigerator`
    Refrigerator = 3,
    /// `cgroup_enter_frozen`
    CgroupEnterFrozen = 4,
    /// `freezer_apply_state`
    FreezerApplyState = 5,
    /// `freeze_kernel_threads`
    FreezeKernelThreads = 6,
    /// `thaw_processes`
    ThawProcesses = 7,
    /// `cgroup_leave_frozen`, of which only the return is of interest.
    CgroupLeaveFrozen = 8,
}

impl Function {
    /// Those of which the entry is of interest.
    pub const ENTRIES: [Self; 7] = [
        Self::FreezeTask,
        Self::CgroupFreezeTask,
        Self::Refrigerator,
        Self::CgroupEnterFrozen,
        Self::FreezerApplyState,
        Self::FreezeKernelThreads,
        Self::ThawProcesses,
    ];

    /// Its name in the kernel.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FreezeTask => "freeze_task",
            Self::CgroupFreezeTask => "cgroup_freeze_task",
            Self::Refrigerator => "__refrigerator",
            Self::CgroupEnterFrozen => "cgroup_enter_frozen",
            Self::FreezerApplyState => "freezer_apply_state",
            Self::FreezeKernelThreads => "freeze_kernel_threads",
            Self::ThawProcesses => "thaw_processes",
            Self::CgroupLeaveFrozen => "cgroup_leave_frozen",
        }
    }
}

/// Number of counter slots.
pub const HOOKS: u32 = 13;

/// What became of everything one hook looked at, on one CPU: seen = filtered + submitted + ring full + read failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct HookCounters {
    /// Looks taken.
    pub seen: u64,
    /// Not of the watched subtree, or not of interest.
    pub filtered: u64,
    /// Records that reached the ring.
    pub submitted: u64,
    /// Records lost because the ring was full.
    pub ring_full: u64,
    /// Looks that failed because kernel memory could not be read, or the cgroup lies too deep.
    pub read_failed: u64,
}

crate::layout!(HookCounters, 40, seen @ 0, filtered @ 8, submitted @ 16, ring_full @ 24, read_failed @ 32);

#[cfg(feature = "user")]
// SAFETY: `HookCounters` is `repr(C)`, made of `u64` only, without padding: any bytes are a value of it.
unsafe impl aya::Pod for HookCounters {}
