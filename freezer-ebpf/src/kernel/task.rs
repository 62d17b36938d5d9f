//! Fields of `struct task_struct`.

use aya_ebpf::{Global, helpers::bpf_probe_read_kernel};
use freezer_common::COMM_LEN;

use super::{
    memory::{Kernel, Memory},
    offsets::{
        PF_FROZEN_MASK, TASK_COMM, TASK_FLAGS, TASK_FROZEN_BYTE, TASK_FROZEN_MASK, TASK_PARENT, TASK_PID,
        TASK_PTRACE, TASK_REAL_PARENT, TASK_STATE, TASK_TGID,
    },
};

/// `TASK_FROZEN` (`include/linux/sched.h`, 6.1 and newer; no other state bit has ever been there).
const TASK_FROZEN: u32 = 0x8000;

/// `include/linux/sched.h`, these four the same from 5.10 to 7.3.
pub const PF_KTHREAD: u32 = 0x0020_0000;
/// Never to be frozen.
pub const PF_NOFREEZE: u32 = 0x0000_8000;
/// Freezes the whole system, itself excepted.
pub const PF_SUSPEND_TASK: u32 = 0x8000_0000;
/// Counts as frozen (before 6.1, where there is `PF_FROZEN`).
const PF_FREEZER_SKIP: u32 = 0x4000_0000;

/// Reads a `u32` field; 0 where the kernel has none.
#[inline(always)]
pub unsafe fn word<M: Memory>(task: Kernel, offset: &Global<u32>) -> u32 {
    // SAFETY: `task` is a task; any bytes are a `u32`.
    unsafe { M::load(task, offset) }.unwrap_or(0)
}

/// Thread id.
#[inline(always)]
pub unsafe fn tid<M: Memory>(task: Kernel) -> Option<i32> {
    // SAFETY: `task` is a task; any bytes are an `i32`.
    unsafe { M::load(task, &TASK_PID) }
}

/// Process id.
#[inline(always)]
pub unsafe fn tgid<M: Memory>(task: Kernel) -> Option<i32> {
    // SAFETY: `task` is a task; any bytes are an `i32`.
    unsafe { M::load(task, &TASK_TGID) }
}

/// `__state`
#[inline(always)]
pub unsafe fn state<M: Memory>(task: Kernel) -> u32 {
    // SAFETY: `task` is a task.
    unsafe { word::<M>(task, &TASK_STATE) }
}

/// Whether a task in `state` is frozen in v1: its state says so, or before 6.1 its flags.
#[inline(always)]
pub unsafe fn frozen_v1<M: Memory>(task: Kernel, state: u32) -> bool {
    // SAFETY: `task` is a task.
    state & TASK_FROZEN != 0 || unsafe { word::<M>(task, &TASK_FLAGS) } & PF_FROZEN_MASK.load() != 0
}

/// Whether a freeze of v1 or of the whole system counts a task with these flags as frozen, marked or not: before 6.1 it does
/// not wait for who sleeps so that it may go on sleeping (`freezer_do_not_count`, `freezer_should_skip`, include/linux/freezer.h).
#[inline(always)]
pub fn is_skipped(flags: u32) -> bool {
    PF_FROZEN_MASK.load() != 0 && flags & PF_FREEZER_SKIP != 0
}

/// Whether v2 counts the task as frozen; `None` where the kernel has no v2 freezer.
#[inline(always)]
pub unsafe fn frozen_v2<M: Memory>(task: Kernel) -> Option<bool> {
    // SAFETY: `task` is a task; any byte is a `u8`.
    let byte = unsafe { M::load::<u8>(task, &TASK_FROZEN_BYTE) }?;
    Some(u32::from(byte) & TASK_FROZEN_MASK.load() != 0)
}

/// Process id of the real parent; 0 where there is none.
#[inline(always)]
pub unsafe fn parent<M: Memory>(task: Kernel) -> i32 {
    // SAFETY: `task` is a task, and so is its parent; a null pointer is not followed.
    unsafe { related::<M>(task, &TASK_REAL_PARENT, &TASK_TGID) }
}

/// Thread id of the tracer; 0 where there is none. `task->parent` is the tracer while `task->ptrace` is set.
#[inline(always)]
pub unsafe fn tracer<M: Memory>(task: Kernel) -> i32 {
    // SAFETY: `task` is a task, and so is its parent; a null pointer is not followed.
    unsafe {
        if word::<M>(task, &TASK_PTRACE) == 0 { 0 } else { related::<M>(task, &TASK_PARENT, &TASK_PID) }
    }
}

#[inline(always)]
unsafe fn related<M: Memory>(task: Kernel, pointer: &Global<u32>, field: &Global<u32>) -> i32 {
    // SAFETY: passed on from the callers.
    match unsafe { M::load::<Kernel>(task, pointer) } {
        // SAFETY: as above.
        Some(other) if !other.is_null() => unsafe { M::load(other, field) }.unwrap_or(0),
        _ => 0,
    }
}

/// Name; empty where it cannot be read.
#[inline(always)]
pub unsafe fn comm(task: Kernel) -> [u8; COMM_LEN] {
    // SAFETY: the helper refuses addresses it cannot read; any bytes are an array of bytes.
    unsafe { bpf_probe_read_kernel(task.byte_add(TASK_COMM.load() as usize).cast::<[u8; COMM_LEN]>()) }
        .unwrap_or([0; COMM_LEN])
}
