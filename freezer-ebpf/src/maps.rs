//! Every map, with the reason for its size.

use aya_ebpf::{
    macros::map,
    maps::{Array, PerCpuArray, RingBuf},
};
use freezer_common::{
    hook::{HOOKS, HookCounters},
    snapshot::{Request, STACK_FRAMES, TaskRecord},
    system::SystemFreeze,
};

/// Events of the watched subtree. A freeze of one task makes five records, about 200 bytes in all: 2 MiB hold
/// 10,000 tasks frozen at once before the agent reads a single record. The agent may choose another size.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(2 << 20, 0);

/// One slot per hook, per CPU so that counting never waits.
#[map]
pub static COUNTERS: PerCpuArray<HookCounters> = PerCpuArray::with_max_entries(HOOKS, 0);

/// What the next walk of the task iterator is asked for.
#[map]
pub static REQUEST: Array<Request> = Array::with_max_entries(1, 0);

/// A task record with its stack is larger than the 512 bytes a program has on its own stack.
#[map]
pub static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// The innermost words of a stack are as large as all of a program's own.
#[map]
pub static QUEUE: PerCpuArray<Queue> = PerCpuArray::with_max_entries(1, 0);

/// The freeze of the whole system that is going on: the kernel allows one at a time (`system_transition_mutex`).
#[map]
pub static SYSTEM: Array<SystemFreeze> = Array::with_max_entries(1, 0);

/// Words of a sleeping task's stack from its stack pointer on: those of `__schedule`, `schedule` and the slow path of a lock.
pub const QUEUE_WORDS: usize = 64;

/// The stack of one task, and the entry of a lock's queue that was found on it.
#[repr(C)]
pub struct Queue {
    pub words: [u64; QUEUE_WORDS],
    pub entry: u64,
}

/// A task record and its stack, adjacent, as they are written out.
#[repr(C)]
pub struct Scratch {
    pub record: TaskRecord,
    /// The last word is never used: 5.10's verifier takes any length that fits the mask of lengths to be possible.
    pub stack: [u64; STACK_FRAMES + 1],
}
