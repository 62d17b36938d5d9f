//! Where the running kernel keeps its fields: filled in by the agent from the kernel's own BTF before loading.
//!
//! Read-only to the programs, so the verifier treats each as a constant: a load is checked against the kernel's
//! types at exactly that offset, and code behind an absent field is not even verified.

use aya_ebpf::Global;
use freezer_common::ABSENT;

macro_rules! globals {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        $($(#[$doc])* #[unsafe(no_mangle)] pub static $name: Global<u32> = Global::new(ABSENT);)+
    };
}

globals! {
    TASK_STATE, TASK_SAVED_STATE, TASK_EXIT_STATE, TASK_FLAGS, TASK_JOBCTL,
    /// Byte that holds the v2 `frozen` bit.
    TASK_FROZEN_BYTE,
    TASK_PID, TASK_TGID, TASK_REAL_PARENT, TASK_PARENT, TASK_PTRACE, TASK_COMM, TASK_CGROUPS, TASK_ON_CPU,
    TASK_CPU, TASK_POLICY, TASK_EXEC_START, TASK_CFS_RQ, TASK_THROTTLED, TASK_NVCSW, TASK_NIVCSW, TASK_START,
    TASK_BLOCKER,
    CFS_RQ_RQ, CFS_RQ_THROTTLE_COUNT, RQ_CLOCK, RQ_CLOCK_TASK,
    /// The pointer to the freezer's state in `css_set->subsys`.
    CSS_SET_FREEZER,
    CSS_SET_DFL_CGRP, CSS_CGROUP,
    /// `freezer->css.cgroup` of v1's `struct freezer`.
    FREEZER_CGROUP,
    /// `cgroup->self.parent`
    CGROUP_PARENT,
    CGROUP_ROOT, CGROUP_KN, KN_ID,
    MUTEX_OWNER, RWSEM_OWNER, SEMAPHORE_HOLDER,
    /// The saved stack pointer of a task that sleeps.
    TASK_SP,
    TASK_STACK, MUTEX_WAIT_LIST, RWSEM_WAIT_LIST, RWSEM_COUNT,
    /// The task in an entry of a lock's queue, where mutexes and rwsems have it at the same place.
    WAITER_TASK,
    RWSEM_WAITER_TYPE,
    FILE_INODE, FILE_PRIVATE, INODE_RDEV, INODE_PRIVATE,
    /// In the records of classic tracepoints: `sched_switch`, `sched_process_fork`, `cgroup_freeze` and
    /// `cgroup_unfreeze`, `cgroup_notify_frozen`.
    RECORD_PREV_STATE, RECORD_CHILD_PID, RECORD_CGROUP_ID, RECORD_NOTIFY_ID, RECORD_NOTIFY_VAL,
    /// `freezer->state`, which is looked at before 6.1 only.
    FREEZER_STATE,
}

/// Mask of the v2 `frozen` bit in its byte.
#[unsafe(no_mangle)]
pub static TASK_FROZEN_MASK: Global<u32> = Global::new(0);
/// `PF_FROZEN` where this kernel's v1 freezer uses it (before 6.1), else 0.
#[unsafe(no_mangle)]
pub static PF_FROZEN_MASK: Global<u32> = Global::new(0);
/// 1 where `sched_switch` hands over the previous task's state (5.18 and newer).
#[unsafe(no_mangle)]
pub static SWITCH_HAS_STATE: Global<u32> = Global::new(0);
/// The agent's own process id.
#[unsafe(no_mangle)]
pub static OWN_TGID: Global<u32> = Global::new(0);
/// Id of the watched cgroup.
#[unsafe(no_mangle)]
pub static WATCH_ID: Global<u64> = Global::new(0);
/// 1: v1, 2: v2, anything else: nothing is watched.
#[unsafe(no_mangle)]
pub static WATCH_HIERARCHY: Global<u32> = Global::new(0);

/// Whether the running kernel has the field.
#[inline(always)]
pub fn present(offset: &Global<u32>) -> bool {
    offset.load() != ABSENT
}
