//! The freeze of the whole system, for suspend and hibernation: `kernel/power/process.c`, `try_to_freeze_tasks`.
//!
//! The kernel goes round and asks every task to freeze (`freeze_task`), sleeps for some milliseconds and goes round again,
//! until all are frozen or its time is up. The agent itself is frozen meanwhile. So these programs ride on the rounds: the
//! first tells when each task was asked, and a later one from time to time takes a closer look at those not frozen.

use aya_ebpf::{
    helpers::{bpf_get_current_task, bpf_ktime_get_ns, generated::bpf_get_task_stack},
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use freezer_common::{
    event::{Caller, Kind, Straggler, SystemThaw, Task},
    hook::Hook,
    snapshot::{ON_CPU, STACK_FRAMES, TaskRecord},
    system::SystemFreeze,
};

use super::snapshot;
use crate::{
    emit,
    filter::Watched,
    kernel::{
        memory::{Kernel, Memory as _, Raw},
        offsets::{TASK_FLAGS, TASK_NVCSW},
        task::{self, PF_KTHREAD, PF_NOFREEZE, PF_SUSPEND_TASK},
    },
    maps::SYSTEM,
};

/// When a freeze has taken this long, the tasks not frozen are looked at; and again each time it has taken twice as long.
const FIRST_LOOK_NS: u64 = 100_000_000;

/// `freeze_kernel_threads()`: user space is frozen.
#[fentry(function = "freeze_kernel_threads")]
pub fn fentry_freeze_kernel_threads(_ctx: FEntryContext) -> i32 {
    kernel_threads_next();
    0
}

/// `freeze_kernel_threads()`: user space is frozen.
#[kprobe(function = "freeze_kernel_threads")]
pub fn kprobe_freeze_kernel_threads(_ctx: ProbeContext) -> u32 {
    kernel_threads_next();
    0
}

/// `thaw_processes()`: also where the freeze has failed.
#[fentry(function = "thaw_processes")]
pub fn fentry_thaw_processes(_ctx: FEntryContext) -> i32 {
    thawed();
    0
}

/// `thaw_processes()`: also where the freeze has failed.
#[kprobe(function = "thaw_processes")]
pub fn kprobe_thaw_processes(_ctx: ProbeContext) -> u32 {
    thawed();
    0
}

#[inline(always)]
pub fn kernel_threads_next() {
    let Some(freeze) = SYSTEM.get_ptr_mut(0) else { return };
    // SAFETY: the slot is there for as long as the program, and only the one task that freezes the system writes to it.
    unsafe {
        (*freeze).kernel_threads = 1;
        tell_caller(Hook::System, Kind::SystemKernelThreads);
    }
}

#[inline(always)]
pub fn thawed() {
    let Some(freeze) = SYSTEM.get_ptr_mut(0) else { return };
    // SAFETY: as above.
    unsafe {
        let SystemFreeze { pass_ns: last_pass_ns, passes, unfrozen, active, .. } = *freeze;
        (*freeze).active = 0;
        (*freeze).kernel_threads = 0;
        let watched = if active == 0 { Watched::Outside } else { Watched::Inside };
        if emit::admit(Hook::System, watched) {
            let header = emit::header(Kind::SystemThaw);
            emit::send(Hook::System, SystemThaw { header, last_pass_ns, passes, unfrozen });
        }
    }
}

/// `freeze_task(whom)`; a typed pointer also gives the task's stack.
#[inline(always)]
pub unsafe fn asked<const TYPED: bool>(whom: Kernel) {
    let Some(freeze) = SYSTEM.get_ptr_mut(0) else { return };
    // SAFETY: the slot is there for as long as the program, and only the one task that freezes the system writes to it;
    // tasks are read through the helper that refuses bad addresses.
    unsafe {
        let caller = bpf_get_current_task() as Kernel;
        // A v1 cgroup's freezer calls the same function.
        if task::word::<Raw>(caller, &TASK_FLAGS) & PF_SUSPEND_TASK == 0 {
            return;
        }
        begin_pass(freeze, Raw::load(caller, &TASK_NVCSW).unwrap_or(0));
        if !is_awaited(whom, (*freeze).kernel_threads != 0) {
            return;
        }
        (*freeze).unfrozen += 1;
        if (*freeze).passes == 1 {
            emit::admit(Hook::TaskAsked, Watched::Inside);
            let Some(tid) = task::tid::<Raw>(whom) else { return emit::failed(Hook::TaskAsked) };
            emit::send(Hook::TaskAsked, Task { header: emit::header(Kind::TaskAsked), tid, reserved: 0 });
        }
        if (*freeze).looking != 0 {
            look::<TYPED>(whom);
        }
    }
}

/// Notes the begin of a round, where this call is the first of one: the caller has slept since the last.
#[inline(always)]
unsafe fn begin_pass(freeze: *mut SystemFreeze, switches: u64) {
    // SAFETY: `freeze` is the map's slot; the helper takes nothing and cannot fail.
    unsafe {
        let begins = (*freeze).active == 0;
        if !begins && (*freeze).pass_switches == switches {
            return;
        }
        let now = bpf_ktime_get_ns();
        if begins {
            (*freeze).active = 1;
            (*freeze).passes = 0;
            (*freeze).kernel_threads = 0;
            (*freeze).started_ns = now;
            (*freeze).next_look_ns = now + FIRST_LOOK_NS;
            tell_caller(Hook::TaskAsked, Kind::SystemFreeze);
        }
        let looking = now >= (*freeze).next_look_ns;
        if looking {
            (*freeze).next_look_ns = now + (now - (*freeze).started_ns);
        }
        (*freeze).looking = u32::from(looking);
        (*freeze).passes += 1;
        (*freeze).unfrozen = 0;
        (*freeze).pass_ns = now;
        (*freeze).pass_switches = switches;
    }
}

/// Whether the kernel wants this task frozen, and it is not.
#[inline(always)]
unsafe fn is_awaited(whom: Kernel, kernel_threads: bool) -> bool {
    // SAFETY: `whom` is a task, read through the helper that refuses bad addresses.
    unsafe {
        let flags = task::word::<Raw>(whom, &TASK_FLAGS);
        let exempt = flags & (PF_NOFREEZE | PF_SUSPEND_TASK) != 0 || task::is_skipped(flags);
        let later = flags & PF_KTHREAD != 0 && !kernel_threads;
        !exempt && !later && !task::frozen_v1::<Raw>(whom, task::state::<Raw>(whom))
    }
}

#[inline(always)]
unsafe fn look<const TYPED: bool>(whom: Kernel) {
    emit::admit(Hook::TaskAsked, Watched::Inside);
    let Some(mut entry) = emit::reserve::<Straggler>(Hook::TaskAsked) else { return };
    let record = entry.as_mut_ptr();
    // SAFETY: `record` is room of that size, and the stack is written into exactly its part of it.
    unsafe {
        (&raw mut (*record).header).write(emit::header(Kind::Straggler));
        let room = &raw mut (*record).task;
        snapshot::fill::<Raw>(room, whom.cast_mut());
        // Of a task that runs at this moment the stack changes while it is read.
        let bytes = if TYPED && (*room).marks & ON_CPU == 0 {
            let stack = &raw mut (*record).stack;
            bpf_get_task_stack(whom.cast_mut().cast(), stack.cast(), (STACK_FRAMES * 8) as u32, 0)
        } else {
            0
        };
        let bytes = if bytes > 0 { bytes as u32 } else { 0 };
        (*room).frames = bytes / 8;
        (*room).len = size_of::<TaskRecord>() as u32 + bytes;
    }
    emit::submit(Hook::TaskAsked, entry);
}

#[inline(always)]
unsafe fn tell_caller(hook: Hook, kind: Kind) {
    // SAFETY: the current task, read through the helper that refuses bad addresses.
    unsafe {
        let caller = bpf_get_current_task() as Kernel;
        emit::admit(hook, Watched::Inside);
        let (Some(tid), Some(tgid)) = (task::tid::<Raw>(caller), task::tgid::<Raw>(caller)) else {
            return emit::failed(hook);
        };
        emit::send(hook, Caller { header: emit::header(kind), tid, tgid, comm: task::comm(caller) });
    }
}
