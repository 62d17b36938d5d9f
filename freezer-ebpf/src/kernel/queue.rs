//! The lock a task waits for on kernels without `task->blocker` (before 6.16): by its place in the lock's queue.
//!
//! Whoever waits for a mutex or an rwsem has an entry of the lock's queue on its own kernel stack, in the frame of the slow
//! path: `struct mutex_waiter` (`include/linux/mutex.h`), `struct rwsem_waiter` (`kernel/locking/rwsem.c`), which both begin
//! with the link and the task. An entry that names the task and to which both its neighbours point back is such an entry and
//! nothing left over from an earlier call. From there the queue leads to the lock.

use aya_ebpf::{Global, helpers::generated::bpf_probe_read_kernel};
use freezer_common::snapshot::{LOCK_MUTEX, LOCK_RWSEM_READ, LOCK_RWSEM_WRITE};

use super::{
    lock::{Lock, OWNER_FLAGS, READERS},
    memory::{Kernel, Memory},
    offsets::{
        MUTEX_OWNER, MUTEX_WAIT_LIST, RWSEM_COUNT, RWSEM_OWNER, RWSEM_WAIT_LIST, RWSEM_WAITER_TYPE, TASK_PID,
        TASK_SP, TASK_STACK, TASK_STATE, WAITER_TASK, present,
    },
};
use crate::maps::{QUEUE, QUEUE_WORDS};

/// `TASK_UNINTERRUPTIBLE`, which killable sleeps have too, and `TASK_NOLOAD`, which marks an idle kernel thread
/// (`include/linux/sched.h`).
const UNINTERRUPTIBLE: u32 = 0x2;
const NOLOAD: u32 = 0x400;
/// Waiters ahead of the task that are passed on the way to the lock.
const MOST_WAITERS: u32 = 16;
/// No kernel stack is larger (arm64 with 64 KiB pages).
const LARGEST_STACK: u64 = 64 << 10;
/// `MUTEX_FLAG_WAITERS` (kernel/locking/mutex.h): set for as long as somebody is in the queue.
const MUTEX_HAS_WAITERS: u64 = 1;
/// `RWSEM_WRITER_LOCKED`, `RWSEM_FLAG_WAITERS` and `RWSEM_FLAG_HANDOFF`; readers are counted from bit 8 (rwsem.c).
const RWSEM_WRITER: u64 = 1;
const RWSEM_HAS_WAITERS: u64 = 2;
const RWSEM_UNUSED: u64 = 0xf8;
const RWSEM_READERS_SHIFT: u32 = 8;
/// More readers than tasks there can be (`PID_MAX_LIMIT`): no count of an rwsem.
const MOST_READERS: u64 = 1 << 22;

/// The lock in whose queue `task` is.
#[inline(always)]
pub unsafe fn awaited<M: Memory>(task: Kernel) -> Option<Lock> {
    if !known() {
        return None;
    }
    // SAFETY: `task` is a task; stack, queue and lock are read through the helper that refuses bad addresses.
    unsafe {
        if M::load::<u32>(task, &TASK_STATE)? & (UNINTERRUPTIBLE | NOLOAD) != UNINTERRUPTIBLE {
            return None;
        }
        let entry = entry(task)?;
        let head = head(entry)?;
        let lock = lock(head, entry)?;
        // Still in the queue: so far the lock was alive, and what was read was its own.
        if is_entry_of(entry, task) { Some(lock) } else { None }
    }
}

/// Whether this kernel's fields are known: constants to the verifier, as everywhere.
#[inline(always)]
fn known() -> bool {
    present(&TASK_SP)
        && present(&TASK_STACK)
        && present(&WAITER_TASK)
        && present(&MUTEX_WAIT_LIST)
        && present(&MUTEX_OWNER)
        && present(&RWSEM_WAIT_LIST)
        && present(&RWSEM_OWNER)
        && present(&RWSEM_COUNT)
        && present(&RWSEM_WAITER_TYPE)
}

/// The task's own entry of a queue, in the innermost frames of its stack.
#[inline(always)]
unsafe fn entry(task: Kernel) -> Option<Kernel> {
    // SAFETY: `queue` is this CPU's slot, and indices stay within it.
    unsafe {
        let queue = QUEUE.get_ptr_mut(0)?;
        let sp = word(task, TASK_SP.load()) as Kernel;
        let words = (&raw mut (*queue).words).cast::<u64>();
        if bpf_probe_read_kernel(words.cast(), (QUEUE_WORDS * 8) as u32, sp) != 0 {
            return None;
        }
        // What is found goes to memory: in a register it would part the verifier's paths.
        let found = &raw mut (*queue).entry;
        found.write_volatile(0);
        let mut at = 0;
        while at < QUEUE_WORDS - 2 {
            let names = words.add(at + 2).read_volatile();
            let candidate = sp.byte_add(at * 8);
            if names == task as u64 && is_entry_of(candidate, task) {
                found.write_volatile(candidate as u64);
            }
            at += 1;
        }
        match found.read_volatile() {
            0 => None,
            entry => Some(entry as Kernel),
        }
    }
}

/// Names the task, and both neighbours in the queue point back.
#[inline(always)]
unsafe fn is_entry_of(entry: Kernel, task: Kernel) -> bool {
    // SAFETY: the helper refuses addresses it cannot read.
    unsafe {
        let (next, previous): (u64, u64) = (word(entry, 0), word(entry, 8));
        word(entry, WAITER_TASK.load()) == task as u64
            && word(next as Kernel, 8) == entry as u64
            && word(previous as Kernel, 0) == entry as u64
    }
}

/// The head of the queue: the first link that lies on no waiter's stack.
#[inline(always)]
unsafe fn head(entry: Kernel) -> Option<Kernel> {
    // SAFETY: the helper refuses addresses it cannot read.
    unsafe {
        let mut link = word(entry, 0);
        let mut passed = 0;
        while passed < MOST_WAITERS {
            let stack = word(word(link as Kernel, WAITER_TASK.load()) as Kernel, TASK_STACK.load());
            if stack == 0 || link.wrapping_sub(stack) >= LARGEST_STACK {
                return Some(link as Kernel);
            }
            link = word(link as Kernel, 0);
            passed += 1;
        }
        None
    }
}

/// What kind of lock has its queue at `head`, and whom its owner word names. A semaphore has no owner word before 6.16: none
/// of the two fits it.
#[inline(always)]
unsafe fn lock(head: Kernel, entry: Kernel) -> Option<Lock> {
    // SAFETY: the helper refuses addresses it cannot read.
    unsafe {
        let count = field(head, &RWSEM_WAIT_LIST, &RWSEM_COUNT);
        let readers = count >> RWSEM_READERS_SHIFT;
        if count & (RWSEM_HAS_WAITERS | RWSEM_UNUSED) == RWSEM_HAS_WAITERS && readers < MOST_READERS {
            let owner = field(head, &RWSEM_WAIT_LIST, &RWSEM_OWNER);
            // `RWSEM_WAITING_FOR_WRITE` is 0.
            let writes = word(entry, RWSEM_WAITER_TYPE.load()) as u32 == 0;
            let kind = if writes { LOCK_RWSEM_WRITE } else { LOCK_RWSEM_READ };
            // Between two owners the word still names the last one: then it does not fit the count.
            let by_readers = owner & READERS != 0 && readers > 0;
            let by_writer = owner & READERS == 0 && count & RWSEM_WRITER != 0;
            return Some(owned(kind, if by_readers || by_writer { owner } else { 0 }, by_readers));
        }
        let owner = field(head, &MUTEX_WAIT_LIST, &MUTEX_OWNER);
        if owner & MUTEX_HAS_WAITERS == 0 || owner & !OWNER_FLAGS == 0 {
            return None;
        }
        Some(owned(LOCK_MUTEX, owner, false))
    }
}

#[inline(always)]
unsafe fn owned(kind: u32, owner: u64, readers: bool) -> Lock {
    let owner = owner & !OWNER_FLAGS;
    // SAFETY: the helper refuses addresses it cannot read. The thread id is the low half of the word.
    let tid = unsafe { word(owner as Kernel, TASK_PID.load()) } as i32;
    Lock { kind, owner: if tid == 0 { 0 } else { owner }, tid, readers }
}

/// A field of the lock whose queue, its field `wait_list`, is at `head`.
#[inline(always)]
unsafe fn field(head: Kernel, wait_list: &Global<u32>, field: &Global<u32>) -> u64 {
    // SAFETY: the helper refuses addresses it cannot read.
    unsafe { word(head.byte_sub(wait_list.load() as usize), field.load()) }
}

/// A word of kernel memory; 0 where it cannot be read, by the helper's own doing (kernel/trace/bpf_trace.c,
/// `bpf_probe_read_kernel_common`). Asking whether it could would double the verifier's paths at each word.
#[inline(always)]
unsafe fn word(base: Kernel, offset: u32) -> u64 {
    let mut word = 0_u64;
    // SAFETY: the helper refuses addresses it cannot read, and writes to a word of our own.
    unsafe { bpf_probe_read_kernel((&raw mut word).cast(), 8, base.byte_add(offset as usize)) };
    word
}
