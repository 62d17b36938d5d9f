//! The scheduler: who leaves a CPU, who gets one, who is woken.

use aya_ebpf::{EbpfContext as _, programs::BtfTracePointContext};
use freezer_common::{
    event::{FROZEN_V1, FROZEN_V2, Kind, PREEMPTED, SwitchOut, Task, Waking},
    hook::Hook,
};

use crate::{
    emit, filter,
    kernel::{
        memory::{Kernel, Memory},
        offsets::SWITCH_HAS_STATE,
        task,
    },
};

tracepoints! {
    /// `sched_switch(preempt, prev, next[, prev_state])`
    "sched_switch" as sched_switch, raw_sched_switch, |ctx, M| {
        left::<M>(ctx.arg(1), || (ctx.arg::<u64>(0) & 0xff != 0, state_at_switch::<M>(ctx)));
        got::<M>(ctx.arg(2));
    }
}

/// The argument was taken before a concurrent wake-up could change `__state`.
#[inline(always)]
unsafe fn state_at_switch<M: Memory>(ctx: &BtfTracePointContext) -> u32 {
    // SAFETY: argument 1 is a task.
    if SWITCH_HAS_STATE.load() == 1 { ctx.arg(3) } else { unsafe { task::state::<M>(ctx.arg(1)) } }
}

/// `prev` leaves its CPU; `how` tells whether it was preempted, and in what state.
#[inline(always)]
pub unsafe fn left<M: Memory>(prev: Kernel, how: impl FnOnce() -> (bool, u32)) {
    // SAFETY: `prev` is a task.
    unsafe {
        if !emit::admit(Hook::SchedSwitch, filter::task::<M>(prev)) {
            return;
        }
        let (preempted, state) = how();
        let mut marks = 0;
        if preempted {
            marks |= PREEMPTED;
        }
        if task::frozen_v1::<M>(prev, state) {
            marks |= FROZEN_V1;
        }
        if task::frozen_v2::<M>(prev) == Some(true) {
            marks |= FROZEN_V2;
        }
        let Some(tid) = task::tid::<M>(prev) else { return emit::failed(Hook::SchedSwitch) };
        emit::send(
            Hook::SchedSwitch,
            SwitchOut { header: emit::header(Kind::SwitchOut), tid, state, marks, reserved: 0 },
        );
    }
}

#[inline(always)]
unsafe fn got<M: Memory>(next: Kernel) {
    // SAFETY: `next` is a task.
    unsafe {
        if !emit::admit(Hook::SchedSwitch, filter::task::<M>(next)) {
            return;
        }
        let Some(tid) = task::tid::<M>(next) else { return emit::failed(Hook::SchedSwitch) };
        emit::send(Hook::SchedSwitch, Task { header: emit::header(Kind::SwitchIn), tid, reserved: 0 });
    }
}

tracepoints! {
    /// `sched_waking(p)`, in the waker's context.
    "sched_waking" as sched_waking, raw_sched_waking, |ctx, M| waking::<M>(ctx, ctx.arg(0))
}

#[inline(always)]
unsafe fn waking<M: Memory>(ctx: &BtfTracePointContext, woken: Kernel) {
    // SAFETY: `woken` is a task.
    unsafe {
        if !emit::admit(Hook::SchedWaking, filter::task::<M>(woken)) {
            return;
        }
        let Some(tid) = task::tid::<M>(woken) else { return emit::failed(Hook::SchedWaking) };
        let by = ctx.pid().cast_signed();
        emit::send(Hook::SchedWaking, Waking { header: emit::header(Kind::Waking), tid, by });
    }
}
