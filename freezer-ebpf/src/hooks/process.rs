//! Processes that come, change and go.

use aya_ebpf::{EbpfContext, programs::BtfTracePointContext};
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

tracepoints! {
    /// `sched_process_fork(parent, child)`: the child has its cgroup already.
    "sched_process_fork" as sched_process_fork, raw_sched_process_fork, |ctx| forked(ctx, ctx.arg(0), ctx.arg(1))
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

tracepoints! {
    /// `sched_process_exec(p, old_pid, bprm)`
    "sched_process_exec" as sched_process_exec, raw_sched_process_exec, |ctx| executed(ctx, ctx.arg(0))
}

/// `who` has executed a program.
#[inline(always)]
pub unsafe fn executed(ctx: &impl EbpfContext, who: Kernel) {
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

tracepoints! {
    /// `sched_process_exit(p[, group_dead])`
    "sched_process_exit" as sched_process_exit, raw_sched_process_exit, |ctx| exited(ctx, ctx.arg(0))
}

/// `who` begins to exit.
#[inline(always)]
pub unsafe fn exited(ctx: &impl EbpfContext, who: Kernel) {
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
