//! The lock a task waits for, by `task->blocker` (6.16 and newer with `CONFIG_DETECT_HUNG_TASK_BLOCKER`), else by its place
//! in the lock's queue.

use aya_ebpf::Global;
use freezer_common::snapshot::{LOCK_MUTEX, LOCK_SEMAPHORE};

use super::{
    memory::{Kernel, Memory, Raw},
    offsets::{MUTEX_OWNER, RWSEM_OWNER, SEMAPHORE_HOLDER, TASK_BLOCKER, TASK_PID, present},
    queue,
};

/// The low two bits of `blocker` are the kind (`BLOCKER_TYPE_MASK`, include/linux/hung_task.h).
const KIND: u64 = 3;
/// Flags in an owner word: `MUTEX_FLAGS` (kernel/locking/mutex.h), `RWSEM_OWNER_FLAGS_MASK` (rwsem.c) is part of it.
pub const OWNER_FLAGS: u64 = 7;
/// `RWSEM_READER_OWNED`
pub const READERS: u64 = 1;

/// A lock and whom its own word names.
pub struct Lock {
    pub kind: u32,
    /// Address of the owner; 0: nobody.
    pub owner: u64,
    /// Thread id of the owner.
    pub tid: i32,
    pub readers: bool,
}

/// The lock `task` waits for.
#[inline(always)]
pub unsafe fn awaited<M: Memory>(task: Kernel) -> Option<Lock> {
    // SAFETY: `task` is a task; the lock and its owner are read through the helper that refuses bad addresses.
    unsafe {
        if !present(&TASK_BLOCKER) {
            return queue::awaited::<M>(task);
        }
        let blocker: u64 = M::load(task, &TASK_BLOCKER)?;
        if blocker == 0 {
            return None;
        }
        let kind = (blocker & KIND) as u32;
        let lock = (blocker & !KIND) as Kernel;
        let (owner, readers) = match kind {
            LOCK_MUTEX => (owner_word(lock, &MUTEX_OWNER), false),
            LOCK_SEMAPHORE => (owner_word(lock, &SEMAPHORE_HOLDER), false),
            _ => {
                let word = owner_word(lock, &RWSEM_OWNER);
                (word, word & READERS != 0)
            }
        };
        let owner = owner & !OWNER_FLAGS;
        let tid = if owner == 0 { None } else { Raw::load(owner as Kernel, &TASK_PID) };
        // The task still waits for the same lock: so far the lock was alive, and its owner word was its own.
        if M::load::<u64>(task, &TASK_BLOCKER)? != blocker {
            return None;
        }
        Some(match tid {
            Some(tid) => Lock { kind, owner, tid, readers },
            None => Lock { kind, owner: 0, tid: 0, readers },
        })
    }
}

#[inline(always)]
unsafe fn owner_word(lock: Kernel, offset: &Global<u32>) -> u64 {
    // SAFETY: the helper refuses addresses it cannot read; any bytes are a `u64`.
    unsafe { Raw::load(lock, offset) }.unwrap_or(0)
}
