//! The scheduler: who leaves a CPU, who gets one, who is woken.

use aya_ebpf::{EbpfContext as _, macros::btf_tracepoint, programs::BtfTracePointContext};
use freezer_common::{
    event::{FROZEN_V1, FROZEN_V2, Kind, PREEMPTED, SwitchOut, Task, Waking},
    hook::Hook,
};

use crate::{
    emit, filter,
    kernel::{
        memory::{Kernel, Typed},
        offsets::SWITCH_HAS_STATE,
        task,
    },
};

/// `sched_switch(preempt, prev, next[, prev_state])`
#[btf_tracepoint(function = "sched_switch")]
pub fn sched_switch(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: arguments 1 and 2 are the tasks that leave and get this CPU.
    unsafe {
        left(&ctx, ctx.arg(1));
        got(ctx.arg(2));
    }
    0
}

#[inline(always)]
unsafe fn left(ctx: &BtfTracePointContext, prev: Kernel) {
    // SAFETY: `prev` is a task whose type the verifier knows.
    unsafe {
        if !emit::admit(Hook::SchedSwitch, filter::task::<Typed>(prev)) {
            return;
        }
        // The argument was taken before a concurrent wake-up could change `__state`.
        let state = if SWITCH_HAS_STATE.load() == 1 { ctx.arg(3) } else { task::state::<Typed>(prev) };
        let preempted: u64 = ctx.arg(0);
        let mut marks = 0;
        if preempted & 0xff != 0 {
            marks |= PREEMPTED;
        }
        if task::frozen_v1::<Typed>(prev, state) {
            marks |= FROZEN_V1;
        }
        if task::frozen_v2::<Typed>(prev) == Some(true) {
            marks |= FROZEN_V2;
        }
        let Some(tid) = task::tid::<Typed>(prev) else { return emit::failed(Hook::SchedSwitch) };
        emit::send(
            Hook::SchedSwitch,
            SwitchOut { header: emit::header(Kind::SwitchOut), tid, state, marks, reserved: 0 },
        );
    }
}

#[inline(always)]
unsafe fn got(next: Kernel) {
    // SAFETY: `next` is a task whose type the verifier knows.
    unsafe {
        if !emit::admit(Hook::SchedSwitch, filter::task::<Typed>(next)) {
            return;
        }
        let Some(tid) = task::tid::<Typed>(next) else { return emit::failed(Hook::SchedSwitch) };
        emit::send(Hook::SchedSwitch, Task { header: emit::header(Kind::SwitchIn), tid, reserved: 0 });
    }
}

/// `sched_waking(p)`, in the waker's context.
#[btf_tracepoint(function = "sched_waking")]
pub fn sched_waking(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: argument 0 is the task being woken.
    unsafe { waking(&ctx, ctx.arg(0)) };
    0
}

#[inline(always)]
unsafe fn waking(ctx: &BtfTracePointContext, woken: Kernel) {
    // SAFETY: `woken` is a task whose type the verifier knows.
    unsafe {
        if !emit::admit(Hook::SchedWaking, filter::task::<Typed>(woken)) {
            return;
        }
        let Some(tid) = task::tid::<Typed>(woken) else { return emit::failed(Hook::SchedWaking) };
        let by = ctx.pid().cast_signed();
        emit::send(Hook::SchedWaking, Waking { header: emit::header(Kind::Waking), tid, by });
    }
}
