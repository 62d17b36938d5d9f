//! Records of the ring buffer: a [`Header`], then what its kind says.

use crate::{
    COMM_LEN, layout,
    snapshot::{STACK_FRAMES, TaskRecord},
};

/// Kernel stack frames of one timer sample.
pub const SAMPLE_FRAMES: usize = 32;

/// What a record is; the numbers are the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// [`SwitchOut`]
    SwitchOut = 1,
    /// [`Task`]: got a CPU.
    SwitchIn = 2,
    /// [`Waking`]
    Waking = 3,
    /// [`Fork`]
    Fork = 4,
    /// [`Exec`]
    Exec = 5,
    /// [`Task`]: exited.
    Exit = 6,
    /// [`Asked`]: freeze.
    FreezeAsked = 7,
    /// [`Asked`]: thaw.
    ThawAsked = 8,
    /// [`NotifyFrozen`]
    NotifyFrozen = 9,
    /// [`Attach`]
    Attach = 10,
    /// [`Task`]: the freezer asked this one.
    TaskAsked = 11,
    /// [`Task`]: entered the refrigerator or the frozen trap.
    Refrigerated = 12,
    /// [`Sample`]
    Sample = 13,
    /// [`Caller`]: begins to freeze the whole system.
    SystemFreeze = 14,
    /// [`Caller`]: user space is frozen, kernel threads are next.
    SystemKernelThreads = 15,
    /// [`SystemThaw`]
    SystemThaw = 16,
    /// [`Straggler`]
    Straggler = 17,
    /// [`Task`]: left the refrigerator or the frozen trap.
    LeftRefrigerator = 18,
}

/// In [`SwitchOut::marks`]: the switch was involuntary.
pub const PREEMPTED: u32 = 1;
/// In [`SwitchOut::marks`]: frozen in v1.
pub const FROZEN_V1: u32 = 1 << 1;
/// In [`SwitchOut::marks`]: counted as frozen by v2.
pub const FROZEN_V2: u32 = 1 << 2;

/// Start of every record.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Header {
    /// `bpf_ktime_get_ns`: `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// CPU it happened on.
    pub cpu: u32,
    /// A [`Kind`].
    pub kind: u32,
}
layout!(Header, 16, time_ns @ 0, cpu @ 8, kind @ 12);

/// A task, and nothing more to say of it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Task {
    /// Start.
    pub header: Header,
    /// Thread id.
    pub tid: i32,
    /// Zero.
    pub reserved: u32,
}
layout!(Task, 24, tid @ 16, reserved @ 20);

/// A task left its CPU.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct SwitchOut {
    /// Start.
    pub header: Header,
    /// Thread id.
    pub tid: i32,
    /// `__state` at the switch.
    pub state: u32,
    /// [`PREEMPTED`], [`FROZEN_V1`], [`FROZEN_V2`].
    pub marks: u32,
    /// Zero.
    pub reserved: u32,
}
layout!(SwitchOut, 32, tid @ 16, state @ 20, marks @ 24, reserved @ 28);

/// Somebody wakes a task.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Waking {
    /// Start.
    pub header: Header,
    /// Thread id.
    pub tid: i32,
    /// Thread id of the task that ran on this CPU.
    pub by: i32,
}
layout!(Waking, 24, tid @ 16, by @ 20);

/// A task forked.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Fork {
    /// Start.
    pub header: Header,
    /// Thread id of the parent.
    pub parent: i32,
    /// Thread id of the child.
    pub tid: i32,
    /// Process id of the child; 0 where that is not told.
    pub tgid: i32,
    /// Zero.
    pub reserved: u32,
}
layout!(Fork, 32, parent @ 16, tid @ 20, tgid @ 24, reserved @ 28);

/// A task executed a program.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Exec {
    /// Start.
    pub header: Header,
    /// Thread id after it.
    pub tid: i32,
    /// Zero.
    pub reserved: u32,
    /// Name after it, up to the first zero byte.
    pub comm: [u8; COMM_LEN],
}
layout!(Exec, 40, tid @ 16, reserved @ 20, comm @ 24);

/// A freeze or thaw was asked of a cgroup.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Asked {
    /// Start.
    pub header: Header,
    /// Cgroup id.
    pub cgroup: u64,
    /// Thread id of the writer.
    pub tid: i32,
    /// Process id of the writer.
    pub tgid: i32,
    /// Name of the writer, up to the first zero byte.
    pub comm: [u8; COMM_LEN],
}
layout!(Asked, 48, cgroup @ 16, tid @ 24, tgid @ 28, comm @ 32);

/// v2: the kernel says a cgroup is frozen, or not any more.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct NotifyFrozen {
    /// Start.
    pub header: Header,
    /// Cgroup id.
    pub cgroup: u64,
    /// 0 or 1.
    pub frozen: u32,
    /// Zero.
    pub reserved: u32,
}
layout!(NotifyFrozen, 32, cgroup @ 16, frozen @ 24, reserved @ 28);

/// A task was moved to another cgroup of the watched hierarchy.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Attach {
    /// Start.
    pub header: Header,
    /// Id of the destination.
    pub to: u64,
    /// Thread id.
    pub tid: i32,
    /// 1 where the destination lies in the watched subtree.
    pub into: u32,
}
layout!(Attach, 32, to @ 16, tid @ 24, into @ 28);

/// A watched task was found on a CPU by the timer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Sample {
    /// Start.
    pub header: Header,
    /// Thread id.
    pub tid: i32,
    /// Frames in `stack`; 0: it was in user code.
    pub frames: u32,
    /// Kernel addresses, innermost first.
    pub stack: [u64; SAMPLE_FRAMES],
}
layout!(Sample, 280, tid @ 16, frames @ 20, stack @ 24);

/// The task that freezes the whole system.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Caller {
    /// Start.
    pub header: Header,
    /// Thread id.
    pub tid: i32,
    /// Process id.
    pub tgid: i32,
    /// Name, up to the first zero byte.
    pub comm: [u8; COMM_LEN],
}
layout!(Caller, 40, tid @ 16, tgid @ 20, comm @ 24);

/// The whole system is thawed: after it was frozen, or because it could not be.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct SystemThaw {
    /// Start.
    pub header: Header,
    /// When the kernel last went round to ask the tasks, `CLOCK_MONOTONIC` ns.
    pub last_pass_ns: u64,
    /// How often it did.
    pub passes: u32,
    /// Tasks that were not frozen when that last round came to them.
    pub unfrozen: u32,
}
layout!(SystemThaw, 32, last_pass_ns @ 16, passes @ 24, unfrozen @ 28);

/// A task that is not frozen some time after the freeze of the whole system began.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Straggler {
    /// Start.
    pub header: Header,
    /// The task; `frames` says how much of `stack` is used.
    pub task: TaskRecord,
    /// Kernel addresses, innermost first.
    pub stack: [u64; STACK_FRAMES],
}
layout!(Straggler, 664, task @ 16, stack @ 160);
