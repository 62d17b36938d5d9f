//! How far the freeze of the whole system is: the only value of its map, kept by the kernel side.

/// Watch hierarchy number that means every user task, while the whole system is frozen or freezing.
pub const WATCH_SYSTEM: u32 = 3;

/// One freeze of the whole system. All zero: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SystemFreeze {
    /// When the first task was asked, `CLOCK_MONOTONIC` ns.
    pub started_ns: u64,
    /// When the current round over all tasks began.
    pub pass_ns: u64,
    /// Voluntary switches of the caller in this round: it sleeps between two.
    pub pass_switches: u64,
    /// From when on a round takes a closer look at those not frozen.
    pub next_look_ns: u64,
    /// 1 from the first task asked to the thaw.
    pub active: u32,
    /// Rounds so far.
    pub passes: u32,
    /// Tasks not frozen when this round came to them.
    pub unfrozen: u32,
    /// 1: this round takes a closer look.
    pub looking: u32,
    /// 1: kernel threads are frozen, too.
    pub kernel_threads: u32,
    /// Zero.
    pub reserved: u32,
}
crate::layout!(
    SystemFreeze, 56,
    pass_ns @ 8, pass_switches @ 16, next_look_ns @ 24, active @ 32, passes @ 36, unfrozen @ 40, looking @ 44,
    kernel_threads @ 48, reserved @ 52
);

#[cfg(feature = "user")]
// SAFETY: `SystemFreeze` is `repr(C)`, made of integers, without padding: any bytes are a value of it.
unsafe impl aya::Pod for SystemFreeze {}
