//! Processes that come, change and go.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use aya_log_ebpf::debug;
use freezer_common::{
    event::{Exec, Fork, Kind, Task},
    hook::Hook,
};

use crate::{
    emit, filter,
    kernel::{
        memory::{Kernel, Raw},
        task,
    },
};

/// `sched_process_fork(parent, child)`: the child has its cgroup already.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn sched_process_fork(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: arguments 0 and 1 are the parent and the child.
    unsafe { forked(&ctx, ctx.arg(0), ctx.arg(1)) };
    0
}

#[inline(always)]
unsafe fn forked(ctx: &BtfTracePointContext, parent: Kernel, child: Kernel) {
    // SAFETY: both are tasks read through the helper that refuses bad addresses.
    unsafe {
        if !emit::admit(Hook::Fork, filter::task::<Raw>(child)) {
            return;
        }
        let (Some(parent), Some(tid), Some(tgid)) =
            (task::tid::<Raw>(parent), task::tid::<Raw>(child), task::tgid::<Raw>(child))
        else {
            return emit::failed(Hook::Fork);
        };
        emit::send(Hook::Fork, Fork { header: emit::header(Kind::Fork), parent, tid, tgid, reserved: 0 });
        debug!(ctx, "task {} of the watched subtree forked {}", parent, tid);
    }
}

/// `sched_process_exec(p, old_pid, bprm)`
#[btf_tracepoint(function = "sched_process_exec")]
pub fn sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: argument 0 is the task.
    unsafe { executed(&ctx, ctx.arg(0)) };
    0
}

#[inline(always)]
unsafe fn executed(ctx: &BtfTracePointContext, who: Kernel) {
    // SAFETY: `who` is a task read through the helper that refuses bad addresses.
    unsafe {
        if !emit::admit(Hook::Exec, filter::task::<Raw>(who)) {
            return;
        }
        let Some(tid) = task::tid::<Raw>(who) else { return emit::failed(Hook::Exec) };
        let comm = task::comm(who);
        emit::send(Hook::Exec, Exec { header: emit::header(Kind::Exec), tid, reserved: 0, comm });
        debug!(ctx, "task {} of the watched subtree executed a program", tid);
    }
}

/// `sched_process_exit(p[, group_dead])`
#[btf_tracepoint(function = "sched_process_exit")]
pub fn sched_process_exit(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: argument 0 is the task.
    unsafe { exited(&ctx, ctx.arg(0)) };
    0
}

#[inline(always)]
unsafe fn exited(ctx: &BtfTracePointContext, who: Kernel) {
    // SAFETY: `who` is a task read through the helper that refuses bad addresses.
    unsafe {
        if !emit::admit(Hook::Exit, filter::task::<Raw>(who)) {
            return;
        }
        let Some(tid) = task::tid::<Raw>(who) else { return emit::failed(Hook::Exit) };
        emit::send(Hook::Exit, Task { header: emit::header(Kind::Exit), tid, reserved: 0 });
        debug!(ctx, "task {} of the watched subtree exited", tid);
    }
}
