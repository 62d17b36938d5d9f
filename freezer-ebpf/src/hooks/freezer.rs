//! The freezer's own functions, where the kernel lets programs onto them: fentry first, kprobe else.
//!
//! Both kinds read through the probing helper and share their bodies: these run once per task and freeze.

use aya_ebpf::{
    EbpfContext,
    helpers::{bpf_get_current_task, generated::bpf_get_attach_cookie},
    macros::{fentry, fexit, kprobe},
    programs::{FEntryContext, FExitContext, ProbeContext},
};
use freezer_common::{
    event::{Kind, Task},
    hook::{Function, Hook},
};

use super::{cgroup, system};
use crate::{
    emit,
    filter::{self, Watched},
    kernel::{
        memory::{Kernel, Memory as _, Raw},
        offsets::FREEZER_CGROUP,
        task,
    },
};

/// `freeze_task(p)`: v1 and suspend.
#[fentry(function = "freeze_task")]
pub fn fentry_freeze_task(ctx: FEntryContext) -> i32 {
    if filter::whole_system() {
        // SAFETY: argument 0 is a task whose type the verifier knows.
        unsafe { system::asked::<true>(ctx.arg(0)) };
        return 0;
    }
    record(Hook::TaskAsked, Kind::TaskAsked, ctx.arg(0));
    0
}

/// `freeze_task(p)`: v1 and suspend.
#[kprobe(function = "freeze_task")]
pub fn kprobe_freeze_task(ctx: ProbeContext) -> u32 {
    called(&ctx, Function::FreezeTask);
    0
}

/// `cgroup_freeze_task(task, freeze)`: v2.
#[fentry(function = "cgroup_freeze_task")]
pub fn fentry_cgroup_freeze_task(ctx: FEntryContext) -> i32 {
    if ctx.arg::<u64>(1) & 0xff != 0 {
        record(Hook::TaskAsked, Kind::TaskAsked, ctx.arg(0));
    }
    0
}

/// `cgroup_freeze_task(task, freeze)`: v2.
#[kprobe(function = "cgroup_freeze_task")]
pub fn kprobe_cgroup_freeze_task(ctx: ProbeContext) -> u32 {
    called(&ctx, Function::CgroupFreezeTask);
    0
}

/// `__refrigerator()`: v1 and suspend, in the task's own context.
#[fentry(function = "__refrigerator")]
pub fn fentry_refrigerator(_ctx: FEntryContext) -> i32 {
    record(Hook::Refrigerated, Kind::Refrigerated, current());
    0
}

/// `__refrigerator()`: v1 and suspend, in the task's own context.
#[kprobe(function = "__refrigerator")]
pub fn kprobe_refrigerator(ctx: ProbeContext) -> u32 {
    called(&ctx, Function::Refrigerator);
    0
}

/// `cgroup_enter_frozen()`: v2, in the task's own context.
#[fentry(function = "cgroup_enter_frozen")]
pub fn fentry_cgroup_enter_frozen(_ctx: FEntryContext) -> i32 {
    record(Hook::Refrigerated, Kind::Refrigerated, current());
    0
}

/// `cgroup_enter_frozen()`: v2, in the task's own context.
#[kprobe(function = "cgroup_enter_frozen")]
pub fn kprobe_cgroup_enter_frozen(ctx: ProbeContext) -> u32 {
    called(&ctx, Function::CgroupEnterFrozen);
    0
}

/// `freezer_apply_state(freezer, freeze, state)`: v1, in the writer's context, once per descendant.
#[fentry(function = "freezer_apply_state")]
pub fn fentry_freezer_apply_state(ctx: FEntryContext) -> i32 {
    applied(&ctx, ctx.arg(0), ctx.arg(1));
    0
}

/// `freezer_apply_state(freezer, freeze, state)`: v1, in the writer's context, once per descendant.
#[kprobe(function = "freezer_apply_state")]
pub fn kprobe_freezer_apply_state(ctx: ProbeContext) -> u32 {
    called(&ctx, Function::FreezerApplyState);
    0
}

/// `__refrigerator()` returns: thawed.
#[fexit(function = "__refrigerator")]
pub fn fexit_refrigerator(_ctx: FExitContext) -> i32 {
    record(Hook::Refrigerated, Kind::LeftRefrigerator, current());
    0
}

/// `cgroup_leave_frozen(always_leave)` returns: thawed, unless it was to stay.
#[fexit(function = "cgroup_leave_frozen")]
pub fn fexit_cgroup_leave_frozen(_ctx: FExitContext) -> i32 {
    let who = current();
    // SAFETY: the current task, read through the helper that refuses bad addresses.
    if unsafe { task::frozen_v2::<Raw>(who) } == Some(false) {
        record(Hook::Refrigerated, Kind::LeftRefrigerator, who);
    }
    0
}

/// Any of them, by one link for all (kprobe.multi): its cookie tells which.
#[kprobe]
pub fn kprobe_multi(ctx: ProbeContext) -> u32 {
    // SAFETY: the helper takes this program's own context.
    let cookie = unsafe { bpf_get_attach_cookie(ctx.as_ptr()) };
    // Only those of the watched freezer are attached.
    for function in Function::ENTRIES {
        if function as u64 == cookie {
            called(&ctx, function);
        }
    }
    0
}

/// What a kprobe's registers hold is what an fentry program is handed as arguments.
#[inline(always)]
fn called(ctx: &ProbeContext, function: Function) {
    match function {
        Function::FreezeTask => {
            let Some(whom) = ctx.arg::<Kernel>(0) else { return };
            if filter::whole_system() {
                // SAFETY: argument 0 is a task.
                unsafe { system::asked::<false>(whom) };
            } else {
                record(Hook::TaskAsked, Kind::TaskAsked, whom);
            }
        }
        Function::CgroupFreezeTask => {
            let (Some(whom), Some(freeze)) = (ctx.arg(0), ctx.arg::<u64>(1)) else { return };
            if freeze & 0xff != 0 {
                record(Hook::TaskAsked, Kind::TaskAsked, whom);
            }
        }
        Function::Refrigerator | Function::CgroupEnterFrozen => {
            record(Hook::Refrigerated, Kind::Refrigerated, current());
        }
        Function::FreezerApplyState => {
            if let (Some(freezer), Some(freeze)) = (ctx.arg(0), ctx.arg(1)) {
                applied(ctx, freezer, freeze);
            }
        }
        Function::FreezeKernelThreads => system::kernel_threads_next(),
        Function::ThawProcesses => system::thawed(),
        Function::CgroupLeaveFrozen => {}
    }
}

#[inline(always)]
fn applied(ctx: &impl EbpfContext, freezer: Kernel, freeze: u64) {
    // A bool fills its register's low byte only.
    let (hook, kind) = if freeze & 0xff != 0 {
        (Hook::CgroupFreeze, Kind::FreezeAsked)
    } else {
        (Hook::CgroupUnfreeze, Kind::ThawAsked)
    };
    // SAFETY: `freezer` is a v1 freezer, whose cgroup is read through the helper that refuses bad addresses.
    unsafe {
        match Raw::load(freezer, &FREEZER_CGROUP) {
            Some(cgroup) => cgroup::asked(ctx, hook, kind, cgroup),
            None => _ = emit::admit(hook, Watched::Unreadable),
        }
    }
}

fn current() -> Kernel {
    // SAFETY: the helper takes nothing and cannot fail.
    unsafe { bpf_get_current_task() as Kernel }
}

#[inline(always)]
fn record(hook: Hook, kind: Kind, whom: Kernel) {
    // SAFETY: `whom` is a task, read through the helper that refuses bad addresses.
    unsafe {
        if !emit::admit(hook, filter::task::<Raw>(whom)) {
            return;
        }
        let Some(tid) = task::tid::<Raw>(whom) else { return emit::failed(hook) };
        emit::send(hook, Task { header: emit::header(kind), tid, reserved: 0 });
    }
}
