//! The task iterator: one record per task, with its kernel stack.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_get_task_stack, bpf_seq_write};
use freezer_common::snapshot::{
    FROZEN_V1, FROZEN_V2, HAS_FROZEN_V2, HAS_JOBCTL, HAS_LOCK, HAS_ON_CPU, HAS_SINCE, HAS_THROTTLED,
    LOCK_READERS, ON_CPU, SCOPE_SYSTEM, SCOPE_WATCHED, STACK_FRAMES, STACKS_ALL, STACKS_NONE, THROTTLED,
    TaskRecord,
};

use crate::{
    filter::{self, Watched},
    kernel::{
        cgroup, clock, lock,
        memory::{Kernel, Memory, Raw, Typed},
        offsets::{
            TASK_CPU, TASK_EXIT_STATE, TASK_FLAGS, TASK_JOBCTL, TASK_NIVCSW, TASK_NVCSW, TASK_ON_CPU,
            TASK_POLICY, TASK_SAVED_STATE, TASK_START, WATCH_HIERARCHY, present,
        },
        task,
    },
    maps::{REQUEST, SCRATCH, Scratch},
};

/// `struct bpf_iter__task` (kernel/bpf/task_iter.c). Untyped pointers: typed ones would put forward declarations
/// into the object whose order differs from build to build.
#[repr(C)]
pub struct TaskContext {
    meta: *const Meta,
    task: *mut c_void,
}

/// `struct bpf_iter_meta` (include/linux/bpf.h)
#[repr(C)]
pub struct Meta {
    pub seq: *mut c_void,
    session_id: u64,
    seq_num: u64,
}

const RECORD: usize = size_of::<TaskRecord>();

/// One step of the walk; a null task ends it.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
pub extern "C" fn snapshot(ctx: *const TaskContext) -> i32 {
    // SAFETY: the kernel hands over its context; the task is checked for null.
    unsafe {
        let task = (*ctx).task;
        if task.is_null() {
            return 0;
        }
        step((*(*ctx).meta).seq, task)
    }
}

/// Every length a stack can have, and no bit more.
const STACK_MASK: usize = (STACK_FRAMES + 1) * 8 - 1;
const _: () = assert!((STACK_MASK + 1).is_power_of_two(), "a mask");

#[inline(always)]
unsafe fn step(seq: *mut c_void, task: *mut c_void) -> i32 {
    let (Some(request), Some(scratch)) = (REQUEST.get(0), SCRATCH.get_ptr_mut(0)) else { return 0 };
    // SAFETY: `task` is a task whose type the verifier knows; `scratch` is this CPU's slot.
    unsafe {
        if request.scope == SCOPE_WATCHED && !matches!(filter::task::<Raw>(task), Watched::Inside) {
            return 0;
        }
        fill::<Typed>(&raw mut (*scratch).record, task);
        let flags = (&raw const (*scratch).record.flags).read_volatile();
        mark(
            &raw mut (*scratch).record,
            0,
            request.scope == SCOPE_SYSTEM && task::is_skipped(flags),
            FROZEN_V1,
        );
        let stacks = request.stacks;
        let len = RECORD + stack_of(scratch, task, stacks);
        (*scratch).record.len = len as u32;
        (*scratch).record.frames = ((len - RECORD) / 8) as u32;
        // Where the buffer is full the kernel asks for the same task again on the next read: nothing is lost.
        bpf_seq_write(seq.cast(), scratch.cast(), len as u32);
    }
    0
}

/// Takes the stack as asked and gives its length in bytes.
#[inline(always)]
unsafe fn stack_of(scratch: *mut Scratch, task: *mut c_void, stacks: u32) -> usize {
    // SAFETY: `scratch` is this CPU's slot, and the stack is written into room of exactly that size.
    unsafe {
        let marks = (*scratch).record.marks;
        // In the other hierarchy the mark may mean little: waiting for a vfork child sets v2's without any freeze
        // (`wait_for_vfork_done`, kernel/fork.c).
        let frozen = marks
            & match WATCH_HIERARCHY.load() {
                1 => FROZEN_V1,
                2 => FROZEN_V2,
                _ => FROZEN_V1 | FROZEN_V2,
            }
            != 0;
        // The stack of a task that runs at this moment changes while it is read: samples tell that one.
        if stacks == STACKS_NONE || (frozen && stacks != STACKS_ALL) || marks & ON_CPU != 0 {
            return 0;
        }
        let room = &raw mut (*scratch).stack;
        let bytes = bpf_get_task_stack(task.cast(), room.cast(), (STACK_FRAMES * 8) as u32, 0);
        // A mask and not a comparison: verifiers up to 6.12 lose a signed bound on the way to the write.
        if bytes > 0 { bytes as usize & STACK_MASK } else { 0 }
    }
}

/// All of a record but its stack.
///
/// Field by field, each written before the next is read: with what is still to be written kept in registers, every read
/// that may fail would double the paths that the verifier follows.
#[inline(always)]
pub unsafe fn fill<M: Memory>(record: *mut TaskRecord, task: *mut c_void) {
    let who: Kernel = task;
    macro_rules! put {
        ($($field:ident: $value:expr;)*) => { $((&raw mut (*record).$field).write_volatile($value);)* };
    }
    // SAFETY: `task` is a task, `record` valid for writes.
    unsafe {
        put! {
            len: 0;
            frames: 0;
            address: who as u64;
            marks: 0;
            lock_owner_address: 0;
            lock_owner: 0;
            lock_kind: 0;
            since_ns: 0;
            start_ns: M::load(who, &TASK_START).unwrap_or(0);
            switches: M::load(who, &TASK_NVCSW).unwrap_or(0);
            switches: (&raw const (*record).switches).read_volatile() + M::load(who, &TASK_NIVCSW).unwrap_or(0_u64);
            jobctl: M::load(who, &TASK_JOBCTL).unwrap_or(0);
            cgroup_v1: cgroup_id(cgroup::v1_of::<Raw>(who));
            cgroup_v2: cgroup_id(cgroup::v2_of::<Raw>(who));
            tid: task::tid::<M>(who).unwrap_or(0);
            tgid: task::tgid::<M>(who).unwrap_or(0);
            parent: task::parent::<Raw>(who);
            tracer: task::tracer::<Raw>(who);
            saved_state: task::word::<M>(who, &TASK_SAVED_STATE);
            exit_state: task::word::<M>(who, &TASK_EXIT_STATE);
            flags: task::word::<M>(who, &TASK_FLAGS);
            cpu: task::word::<M>(who, &TASK_CPU);
            policy: task::word::<M>(who, &TASK_POLICY);
            reserved: 0;
            comm: task::comm(who);
            state: task::state::<M>(who);
        }
        if let Some(lock) = lock::awaited::<M>(who) {
            put! { lock_owner_address: lock.owner; lock_owner: lock.tid; lock_kind: lock.kind; }
            mark(record, HAS_LOCK, lock.readers, LOCK_READERS);
        }
        if let Some(since) = clock::since::<M>(who) {
            put! { since_ns: since; }
            mark(record, HAS_SINCE, false, 0);
        }
        // An int, in 7.3 (seen) a byte, and never more than 1: its first byte tells in both.
        if let Some(on_cpu) = M::load::<u8>(who, &TASK_ON_CPU) {
            mark(record, HAS_ON_CPU, on_cpu != 0, ON_CPU);
        }
        mark(record, 0, task::frozen_v1::<M>(who, (&raw const (*record).state).read_volatile()), FROZEN_V1);
        if task::is_skipped((&raw const (*record).flags).read_volatile()) {
            mark(record, 0, cgroup::is_freezing_v1::<Raw>(who), FROZEN_V1);
        }
        if let Some(frozen) = task::frozen_v2::<M>(who) {
            mark(record, HAS_FROZEN_V2, frozen, FROZEN_V2);
        }
        if let Some(throttled) = clock::throttled::<M>(who) {
            mark(record, HAS_THROTTLED, throttled, THROTTLED);
        }
        if present(&TASK_JOBCTL) {
            mark(record, HAS_JOBCTL, false, 0);
        }
    }
}

/// Sets marks: that the kernel tells something, and what it tells.
#[inline(always)]
unsafe fn mark(record: *mut TaskRecord, has: u32, is: bool, what: u32) {
    // SAFETY: passed on from the caller.
    unsafe {
        let marks = &raw mut (*record).marks;
        marks.write_volatile(marks.read_volatile() | has);
        if is {
            marks.write_volatile(marks.read_volatile() | what);
        }
    }
}

#[inline(always)]
unsafe fn cgroup_id(cgroup: Option<Kernel>) -> u64 {
    // SAFETY: passed on from the caller: the cgroup of a task.
    cgroup.and_then(|cgroup| unsafe { cgroup::id::<Raw>(cgroup) }).unwrap_or(0)
}
