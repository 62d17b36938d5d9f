//! The timer sample: what watched tasks do on a CPU.

use aya_ebpf::{
    EbpfContext as _,
    helpers::{bpf_get_current_task, generated::bpf_get_stack},
    macros::perf_event,
    programs::PerfEventContext,
};
use freezer_common::{
    event::{Kind, SAMPLE_FRAMES, Sample},
    hook::Hook,
};

use crate::{
    emit, filter,
    kernel::{
        memory::{Kernel, Raw},
        task,
    },
};

/// A tick of the CPU clock.
#[perf_event]
pub fn sample(ctx: PerfEventContext) -> u32 {
    // SAFETY: the current task, read through the helper that refuses bad addresses.
    unsafe { take(&ctx, bpf_get_current_task() as Kernel) };
    0
}

#[inline(always)]
unsafe fn take(ctx: &PerfEventContext, who: Kernel) {
    // SAFETY: `who` is a task; the stack is written into room of exactly that size.
    unsafe {
        if !emit::admit(Hook::Sample, filter::task::<Raw>(who)) {
            return;
        }
        let Some(tid) = task::tid::<Raw>(who) else { return emit::failed(Hook::Sample) };
        let Some(mut entry) = emit::reserve::<Sample>(Hook::Sample) else { return };
        let record = entry.as_mut_ptr();
        let stack = &raw mut (*record).stack;
        // Interrupted in user code there is no kernel frame at all: zero bytes.
        let bytes = bpf_get_stack(ctx.as_ptr(), stack.cast(), (SAMPLE_FRAMES * 8) as u32, 0);
        if bytes < 0 {
            return emit::unreadable(Hook::Sample, entry);
        }
        (&raw mut (*record).header).write(emit::header(Kind::Sample));
        (&raw mut (*record).tid).write(tid);
        (&raw mut (*record).frames).write(bytes as u32 / 8);
        emit::submit(Hook::Sample, entry);
    }
}
