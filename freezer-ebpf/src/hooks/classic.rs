//! The classic tracepoints, through perf events, where the others are refused. Their records hold ids and no addresses: whose
//! task it is only the current task tells. So there is none for who gets a CPU, is woken or is moved.

use aya_ebpf::{
    EbpfContext as _, helpers::bpf_get_current_task, macros::tracepoint, programs::TracePointContext,
};
use aya_log_ebpf::debug;
use freezer_common::{
    event::{Fork, Kind},
    hook::Hook,
};

use super::{cgroup, process, sched};
use crate::{
    emit,
    filter::{self, Watched},
    kernel::{
        memory::{Kernel, Memory as _, Raw},
        offsets::{
            RECORD_CGROUP_ID, RECORD_CHILD_PID, RECORD_NOTIFY_ID, RECORD_NOTIFY_VAL, RECORD_PREV_STATE,
            WATCH_ID,
        },
        task,
    },
};

/// `TASK_REPORT_MAX` (include/linux/sched.h), the same from 5.10 to 7.3: in a record, the task was preempted.
const TASK_REPORT_MAX: u64 = 0x100;

/// The task that leaves this CPU is still the current one.
#[tracepoint(category = "sched", name = "sched_switch")]
pub fn classic_sched_switch(ctx: TracePointContext) -> u32 {
    // SAFETY: the current task, and the record, are read through the helper that refuses bad addresses.
    unsafe {
        let prev = current();
        sched::left::<Raw>(prev, || {
            let record: u64 = Raw::load(ctx.as_ptr(), &RECORD_PREV_STATE).unwrap_or(0);
            (record & TASK_REPORT_MAX != 0, task::state::<Raw>(prev))
        });
    }
    0
}

/// The current task is the parent. Its child mostly is in the same cgroup (but for `CLONE_INTO_CGROUP`).
#[tracepoint(category = "sched", name = "sched_process_fork")]
pub fn classic_sched_process_fork(ctx: TracePointContext) -> u32 {
    // SAFETY: the current task, and the record, are read through the helper that refuses bad addresses.
    unsafe { forked(&ctx, current()) };
    0
}

#[inline(always)]
unsafe fn forked(ctx: &TracePointContext, parent: Kernel) {
    // SAFETY: passed on from the caller.
    unsafe {
        if !emit::admit(Hook::Fork, filter::task::<Raw>(parent)) {
            return;
        }
        let Some(parent) = task::tid::<Raw>(parent) else { return emit::failed(Hook::Fork) };
        let Some(tid) = Raw::load::<i32>(ctx.as_ptr(), &RECORD_CHILD_PID) else {
            return emit::failed(Hook::Fork);
        };
        // Whether it is a thread the record does not say.
        emit::send(Hook::Fork, Fork { header: emit::header(Kind::Fork), parent, tid, tgid: 0, reserved: 0 });
        debug!(ctx, "task {} of the watched subtree forked {}", parent, tid);
    }
}

/// The current task.
#[tracepoint(category = "sched", name = "sched_process_exec")]
pub fn classic_sched_process_exec(ctx: TracePointContext) -> u32 {
    // SAFETY: the current task, read through the helper that refuses bad addresses.
    unsafe { process::executed(&ctx, current()) };
    0
}

/// The current task.
#[tracepoint(category = "sched", name = "sched_process_exit")]
pub fn classic_sched_process_exit(ctx: TracePointContext) -> u32 {
    // SAFETY: the current task, read through the helper that refuses bad addresses.
    unsafe { process::exited(&ctx, current()) };
    0
}

/// In the writer's context; of the watched cgroup itself, as ids do not tell what lies below it.
#[tracepoint(category = "cgroup", name = "cgroup_freeze")]
pub fn classic_cgroup_freeze(ctx: TracePointContext) -> u32 {
    asked(&ctx, Hook::CgroupFreeze, Kind::FreezeAsked);
    0
}

/// As [`classic_cgroup_freeze`].
#[tracepoint(category = "cgroup", name = "cgroup_unfreeze")]
pub fn classic_cgroup_unfreeze(ctx: TracePointContext) -> u32 {
    asked(&ctx, Hook::CgroupUnfreeze, Kind::ThawAsked);
    0
}

#[inline(always)]
fn asked(ctx: &TracePointContext, hook: Hook, kind: Kind) {
    // SAFETY: the record is read through the helper that refuses bad addresses; any bytes are a `u64`.
    let id = unsafe { Raw::load(ctx.as_ptr(), &RECORD_CGROUP_ID) };
    if let Some(id) = watched(hook, id) {
        cgroup::tell_asked(ctx, hook, kind, id);
    }
}

/// Of the watched cgroup itself.
#[tracepoint(category = "cgroup", name = "cgroup_notify_frozen")]
pub fn classic_cgroup_notify_frozen(ctx: TracePointContext) -> u32 {
    // SAFETY: the record is read through the helper that refuses bad addresses; any bytes are numbers.
    let (id, frozen) = unsafe {
        (Raw::load(ctx.as_ptr(), &RECORD_NOTIFY_ID), Raw::load::<i32>(ctx.as_ptr(), &RECORD_NOTIFY_VAL))
    };
    if let Some(id) = watched(Hook::CgroupNotifyFrozen, id.filter(|_| frozen.is_some())) {
        cgroup::tell_notified(&ctx, id, frozen.unwrap_or(0));
    }
    0
}

/// The id, where it is the watched cgroup's: these tracepoints are v2's alone, so no other hierarchy's has the same.
#[inline(always)]
fn watched(hook: Hook, id: Option<u64>) -> Option<u64> {
    let found = match id {
        None => Watched::Unreadable,
        Some(id) if id == WATCH_ID.load() => Watched::Inside,
        Some(_) => Watched::Outside,
    };
    emit::admit(hook, found).then_some(WATCH_ID.load())
}

fn current() -> Kernel {
    // SAFETY: the helper takes nothing and cannot fail.
    unsafe { bpf_get_current_task() as Kernel }
}
