//! How long a task has not run, by the scheduler's own clocks.

use aya_ebpf::helpers::bpf_get_current_task;

use super::{
    memory::{Kernel, Memory, Raw},
    offsets::{
        CFS_RQ_RQ, CFS_RQ_THROTTLE_COUNT, RQ_CLOCK, RQ_CLOCK_TASK, TASK_CFS_RQ, TASK_EXEC_START,
        TASK_THROTTLED,
    },
};

/// ns since `task` last ran.
///
/// `se.exec_start` is in its run queue's *task* clock, which leaves out time stolen from or spent in interrupts of
/// that CPU (`update_rq_clock_task`, kernel/sched/core.c), and a run queue's clocks stand still while its CPU
/// idles. So: now, by the run queue this program runs on, less that CPU's left-out time, less `exec_start`.
#[inline(always)]
pub unsafe fn since<M: Memory>(task: Kernel) -> Option<u64> {
    // SAFETY: `task` is a task; pointers are followed through the helper that refuses bad addresses.
    unsafe {
        let queue: Kernel = Raw::load(Raw::load(task, &TASK_CFS_RQ)?, &CFS_RQ_RQ)?;
        let clock: u64 = Raw::load(queue, &RQ_CLOCK)?;
        let clock_task: u64 = Raw::load(queue, &RQ_CLOCK_TASK)?;
        let ran: u64 = M::load(task, &TASK_EXEC_START)?;
        let here: Kernel = Raw::load(bpf_get_current_task() as Kernel, &TASK_CFS_RQ)?;
        let now: u64 = Raw::load(Raw::load(here, &CFS_RQ_RQ)?, &RQ_CLOCK)?;
        let left_out = clock.saturating_sub(clock_task);
        // A task that never was in the fair class never had the mark set.
        if ran == 0 { None } else { Some(now.saturating_sub(left_out).saturating_sub(ran)) }
    }
}

/// Whether a CPU quota keeps the task off its run queue: its own mark (6.18 and newer), else its run queue's.
#[inline(always)]
pub unsafe fn throttled<M: Memory>(task: Kernel) -> Option<bool> {
    // SAFETY: `task` is a task; any bytes are a `u8` and an `i32`.
    unsafe {
        if let Some(mark) = M::load::<u8>(task, &TASK_THROTTLED) {
            return Some(mark != 0);
        }
        let queue: Kernel = Raw::load(task, &TASK_CFS_RQ)?;
        Some(Raw::load::<i32>(queue, &CFS_RQ_THROTTLE_COUNT)? > 0)
    }
}
