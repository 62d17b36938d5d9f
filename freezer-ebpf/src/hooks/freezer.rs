//! The freezer's own functions, where the kernel lets programs onto them: fentry first, kprobe else.
//!
//! Both kinds read through the probing helper and share their bodies: these run once per task and freeze.

use core::ffi::c_void;

use aya_ebpf::{
    helpers::bpf_get_current_task,
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use freezer_common::{
    event::{Kind, Task},
    hook::Hook,
};

use super::system;
use crate::{
    emit, filter,
    kernel::{
        memory::{Kernel, Raw},
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
    if let Some(whom) = ctx.arg::<*const c_void>(0) {
        if filter::whole_system() {
            // SAFETY: argument 0 is a task.
            unsafe { system::asked::<false>(whom) };
        } else {
            record(Hook::TaskAsked, Kind::TaskAsked, whom);
        }
    }
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
    if let (Some(whom), Some(freeze)) = (ctx.arg::<*const c_void>(0), ctx.arg::<u64>(1))
        && freeze & 0xff != 0
    {
        record(Hook::TaskAsked, Kind::TaskAsked, whom);
    }
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
pub fn kprobe_refrigerator(_ctx: ProbeContext) -> u32 {
    record(Hook::Refrigerated, Kind::Refrigerated, current());
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
pub fn kprobe_cgroup_enter_frozen(_ctx: ProbeContext) -> u32 {
    record(Hook::Refrigerated, Kind::Refrigerated, current());
    0
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
