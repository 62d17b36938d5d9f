//! Cgroups: v2's freeze, thaw and notification, and tasks moved between cgroups of either hierarchy.

use aya_ebpf::{EbpfContext, programs::BtfTracePointContext};
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

tracepoints! {
    /// `cgroup_freeze(cgrp, path)`, in the writer's context, once per descendant.
    "cgroup_freeze" as cgroup_freeze, raw_cgroup_freeze,
    |ctx| asked(ctx, Hook::CgroupFreeze, Kind::FreezeAsked, ctx.arg(0))
}

tracepoints! {
    /// `cgroup_unfreeze(cgrp, path)`, in the writer's context, once per descendant.
    "cgroup_unfreeze" as cgroup_unfreeze, raw_cgroup_unfreeze,
    |ctx| asked(ctx, Hook::CgroupUnfreeze, Kind::ThawAsked, ctx.arg(0))
}

/// The current task asks a cgroup to freeze or thaw.
#[inline(always)]
pub unsafe fn asked(ctx: &impl EbpfContext, hook: Hook, kind: Kind, whom: Kernel) {
    // SAFETY: `whom` is a cgroup of the watched hierarchy, read through the helper that refuses bad addresses.
    unsafe {
        if !emit::admit(hook, filter::subtree::<Raw>(whom)) {
            return;
        }
        let Some(id) = cgroup::id::<Raw>(whom) else { return emit::failed(hook) };
        tell_asked(ctx, hook, kind, id);
    }
}

/// The current task asks a watched cgroup.
#[inline(always)]
pub fn tell_asked(ctx: &impl EbpfContext, hook: Hook, kind: Kind, id: u64) {
    let (tid, tgid) = (ctx.pid().cast_signed(), ctx.tgid().cast_signed());
    let comm = ctx.command().unwrap_or_default();
    emit::send(hook, Asked { header: emit::header(kind), cgroup: id, tid, tgid, comm });
    debug!(ctx, "task {} asked cgroup {} to freeze or thaw", tid, id);
}

tracepoints! {
    /// `cgroup_notify_frozen(cgrp, path, frozen)`
    "cgroup_notify_frozen" as cgroup_notify_frozen, raw_cgroup_notify_frozen,
    |ctx| notified(ctx, ctx.arg(0), ctx.arg(2))
}

#[inline(always)]
unsafe fn notified(ctx: &BtfTracePointContext, whom: Kernel, frozen: i32) {
    // SAFETY: `whom` is a v2 cgroup read through the helper that refuses bad addresses.
    unsafe {
        if !emit::admit(Hook::CgroupNotifyFrozen, filter::subtree::<Raw>(whom)) {
            return;
        }
        let Some(id) = cgroup::id::<Raw>(whom) else { return emit::failed(Hook::CgroupNotifyFrozen) };
        tell_notified(ctx, id, frozen);
    }
}

/// A watched cgroup is frozen, or not any more.
#[inline(always)]
pub fn tell_notified(ctx: &impl EbpfContext, id: u64, frozen: i32) {
    let header = emit::header(Kind::NotifyFrozen);
    let frozen = u32::from(frozen != 0);
    emit::send(Hook::CgroupNotifyFrozen, NotifyFrozen { header, cgroup: id, frozen, reserved: 0 });
    debug!(ctx, "cgroup {} notified: frozen {}", id, frozen);
}

tracepoints! {
    /// `cgroup_attach_task(dst_cgrp, path, task, threadgroup)`, after the move; once for a whole process.
    "cgroup_attach_task" as cgroup_attach_task, raw_cgroup_attach_task,
    |ctx| attached(ctx, ctx.arg(0), ctx.arg(2))
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
        // One after the other, for the same reason.
        let Some(id) = cgroup::id::<Raw>(to) else { return emit::failed(Hook::CgroupAttach) };
        let Some(tid) = task::tid::<Raw>(who) else { return emit::failed(Hook::CgroupAttach) };
        emit::send(Hook::CgroupAttach, Attach { header: emit::header(Kind::Attach), to: id, tid, into });
        debug!(ctx, "task {} was moved to cgroup {}", tid, id);
    }
}
