//! Cgroups: v2's freeze, thaw and notification, and tasks moved between cgroups of either hierarchy.

use aya_ebpf::{EbpfContext as _, macros::btf_tracepoint, programs::BtfTracePointContext};
use aya_log_ebpf::debug;
use freezer_common::{
    event::{Asked, Attach, Kind, NotifyFrozen},
    hook::Hook,
};

use crate::{
    emit,
    filter::{self, Watched},
    kernel::{
        cgroup,
        memory::{Kernel, Raw},
        task,
    },
};

/// `cgroup_freeze(cgrp, path)`, in the writer's context, once per descendant.
#[btf_tracepoint(function = "cgroup_freeze")]
pub fn cgroup_freeze(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: argument 0 is the cgroup.
    unsafe { asked(&ctx, Hook::CgroupFreeze, Kind::FreezeAsked, ctx.arg(0)) };
    0
}

/// `cgroup_unfreeze(cgrp, path)`, in the writer's context, once per descendant.
#[btf_tracepoint(function = "cgroup_unfreeze")]
pub fn cgroup_unfreeze(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: argument 0 is the cgroup.
    unsafe { asked(&ctx, Hook::CgroupUnfreeze, Kind::ThawAsked, ctx.arg(0)) };
    0
}

#[inline(always)]
unsafe fn asked(ctx: &BtfTracePointContext, hook: Hook, kind: Kind, whom: Kernel) {
    // SAFETY: `whom` is a v2 cgroup read through the helper that refuses bad addresses.
    unsafe {
        if !emit::admit(hook, filter::subtree::<Raw>(whom)) {
            return;
        }
        let Some(id) = cgroup::id::<Raw>(whom) else { return emit::failed(hook) };
        let by = ctx.pid().cast_signed();
        emit::send(hook, Asked { header: emit::header(kind), cgroup: id, by, reserved: 0 });
        debug!(ctx, "task {} asked cgroup {} to freeze or thaw", by, id);
    }
}

/// `cgroup_notify_frozen(cgrp, path, frozen)`
#[btf_tracepoint(function = "cgroup_notify_frozen")]
pub fn cgroup_notify_frozen(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: argument 0 is the cgroup, argument 2 an int.
    unsafe { notified(&ctx, ctx.arg(0), ctx.arg(2)) };
    0
}

#[inline(always)]
unsafe fn notified(ctx: &BtfTracePointContext, whom: Kernel, frozen: i32) {
    // SAFETY: `whom` is a v2 cgroup read through the helper that refuses bad addresses.
    unsafe {
        if !emit::admit(Hook::CgroupNotifyFrozen, filter::subtree::<Raw>(whom)) {
            return;
        }
        let Some(id) = cgroup::id::<Raw>(whom) else { return emit::failed(Hook::CgroupNotifyFrozen) };
        let header = emit::header(Kind::NotifyFrozen);
        let frozen = u32::from(frozen != 0);
        emit::send(Hook::CgroupNotifyFrozen, NotifyFrozen { header, cgroup: id, frozen, reserved: 0 });
        debug!(ctx, "cgroup {} notified: frozen {}", id, frozen);
    }
}

/// `cgroup_attach_task(dst_cgrp, path, task, threadgroup)`, after the move; once for a whole process.
#[btf_tracepoint(function = "cgroup_attach_task")]
pub fn cgroup_attach_task(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: argument 0 is the destination, argument 2 the task.
    unsafe { attached(&ctx, ctx.arg(0), ctx.arg(2)) };
    0
}

#[inline(always)]
unsafe fn attached(ctx: &BtfTracePointContext, to: Kernel, who: Kernel) {
    // SAFETY: both are read through the helper that refuses bad addresses.
    unsafe {
        // Moves in other hierarchies are of no interest, and their ids may be the same numbers. Where the task
        // came from the kernel does not say: a move out of the subtree and one elsewhere look alike here.
        let Some(mine) = filter::cgroup_of::<Raw>(who) else {
            emit::admit(Hook::CgroupAttach, Watched::Unreadable);
            return;
        };
        // Numbers, not options: of two options the compiler compares what is not set, too, which verifiers up to 6.1
        // refuse.
        let [mine, here] = [mine, to].map(|cgroup| cgroup::root::<Raw>(cgroup).unwrap_or(0));
        if mine != here {
            emit::admit(Hook::CgroupAttach, Watched::Outside);
            return;
        }
        let into = u32::from(matches!(filter::subtree::<Raw>(to), Watched::Inside));
        emit::admit(Hook::CgroupAttach, Watched::Inside);
        let (Some(id), Some(tid)) = (cgroup::id::<Raw>(to), task::tid::<Raw>(who)) else {
            return emit::failed(Hook::CgroupAttach);
        };
        emit::send(Hook::CgroupAttach, Attach { header: emit::header(Kind::Attach), to: id, tid, into });
        debug!(ctx, "task {} was moved to cgroup {}", tid, id);
    }
}
