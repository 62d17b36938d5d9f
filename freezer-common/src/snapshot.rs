//! What the task iterator writes: one [`TaskRecord`] per task, then its kernel stack.

use crate::{COMM_LEN, layout};

/// Kernel stack frames taken of one task.
pub const STACK_FRAMES: usize = 63;

/// What the iterator is asked for; the only value of the request map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Request {
    /// One of [`SCOPE_WATCHED`], [`SCOPE_HOST`], [`SCOPE_SYSTEM`].
    pub scope: u32,
    /// One of [`STACKS_NONE`], [`STACKS_NOT_FROZEN`], [`STACKS_ALL`].
    pub stacks: u32,
}

/// The watched subtree.
pub const SCOPE_WATCHED: u32 = 0;
/// Every task of the host.
pub const SCOPE_HOST: u32 = 1;
/// Every task of the host, which is asked to freeze as a whole.
pub const SCOPE_SYSTEM: u32 = 2;
/// No kernel stacks.
pub const STACKS_NONE: u32 = 0;
/// Kernel stacks of tasks that are not frozen in the watched hierarchy (in none, where nothing is watched).
pub const STACKS_NOT_FROZEN: u32 = 1;
/// Kernel stacks of all tasks.
pub const STACKS_ALL: u32 = 2;

#[cfg(feature = "user")]
// SAFETY: `Request` is `repr(C)`, made of two `u32`, without padding: any bytes are a value of it.
unsafe impl aya::Pod for Request {}

/// `marks`: on a CPU. Only with [`HAS_ON_CPU`].
pub const ON_CPU: u32 = 1;
/// `marks`: frozen in v1.
pub const FROZEN_V1: u32 = 1 << 1;
/// `marks`: counted as frozen by v2. Only with [`HAS_FROZEN_V2`].
pub const FROZEN_V2: u32 = 1 << 2;
/// `marks`: taken off the run queue by a quota. Only with [`HAS_THROTTLED`].
pub const THROTTLED: u32 = 1 << 3;
/// `marks`: the lock's owner word says readers hold it.
pub const LOCK_READERS: u32 = 1 << 4;
/// `marks`: `lock_kind` is set.
pub const HAS_LOCK: u32 = 1 << 16;
/// `marks`: the kernel has this field.
pub const HAS_ON_CPU: u32 = 1 << 17;
/// `marks`: the kernel has this field.
pub const HAS_FROZEN_V2: u32 = 1 << 18;
/// `marks`: the kernel has this field.
pub const HAS_THROTTLED: u32 = 1 << 19;
/// `marks`: `since_ns` is set.
pub const HAS_SINCE: u32 = 1 << 20;
/// `marks`: `jobctl` is set.
pub const HAS_JOBCTL: u32 = 1 << 21;

/// `lock_kind`, as `include/linux/hung_task.h` (6.16) numbers them in the low two bits of `task->blocker`.
pub const LOCK_MUTEX: u32 = 0;
/// A semaphore.
pub const LOCK_SEMAPHORE: u32 = 1;
/// An rwsem, wanted for reading.
pub const LOCK_RWSEM_READ: u32 = 2;
/// An rwsem, wanted for writing.
pub const LOCK_RWSEM_WRITE: u32 = 3;

/// One task. `frames` kernel addresses of 8 bytes follow, innermost first.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TaskRecord {
    /// Bytes of this record with its stack.
    pub len: u32,
    /// Stack frames that follow.
    pub frames: u32,
    /// Address of the task itself: proves that a lock's owner word still means the task it is named for.
    pub address: u64,
    /// Start, ns since boot.
    pub start_ns: u64,
    /// ns since it last ran, by its run queue's task clock.
    pub since_ns: u64,
    /// Context switches so far.
    pub switches: u64,
    /// `task->jobctl`
    pub jobctl: u64,
    /// Id of its v1 freezer cgroup; 0: none.
    pub cgroup_v1: u64,
    /// Id of its v2 cgroup; 0: none.
    pub cgroup_v2: u64,
    /// Address of the task the lock's owner word names; 0: nobody.
    pub lock_owner_address: u64,
    /// Thread id of that task.
    pub lock_owner: i32,
    /// One of the `LOCK_` kinds.
    pub lock_kind: u32,
    /// Thread id.
    pub tid: i32,
    /// Process id.
    pub tgid: i32,
    /// Process id of the real parent.
    pub parent: i32,
    /// Thread id of the tracer; 0: none.
    pub tracer: i32,
    /// `task->__state`
    pub state: u32,
    /// `task->saved_state`: what a frozen task slept in.
    pub saved_state: u32,
    /// `task->exit_state`
    pub exit_state: u32,
    /// `task->flags`
    pub flags: u32,
    /// The CPU it runs on or ran on last.
    pub cpu: u32,
    /// `task->policy`
    pub policy: u32,
    /// The bits above.
    pub marks: u32,
    /// Zero.
    pub reserved: u32,
    /// Name, up to the first zero byte.
    pub comm: [u8; COMM_LEN],
}
layout!(
    TaskRecord, 144,
    frames @ 4, address @ 8, start_ns @ 16, since_ns @ 24, switches @ 32, jobctl @ 40, cgroup_v1 @ 48,
    cgroup_v2 @ 56, lock_owner_address @ 64, lock_owner @ 72, lock_kind @ 76, tid @ 80, tgid @ 84, parent @ 88,
    tracer @ 92, state @ 96, saved_state @ 100, exit_state @ 104, flags @ 108, cpu @ 112, policy @ 116,
    marks @ 120, reserved @ 124, comm @ 128
);
