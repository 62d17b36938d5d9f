//! The clock that kernel events are stamped with.

use nix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC`, ns: the same as `bpf_ktime_get_ns`.
#[must_use]
pub fn monotonic_ns() -> u64 {
    now(ClockId::CLOCK_MONOTONIC)
}

/// `CLOCK_BOOTTIME`, ns: what start times of tasks are told by, which goes on while the machine is suspended.
#[must_use]
pub fn boot_ns() -> u64 {
    now(ClockId::CLOCK_BOOTTIME)
}

fn now(clock: ClockId) -> u64 {
    // It cannot fail: the clock exists and the pointer is good (clock_gettime(2)).
    clock_gettime(clock).map_or(0, |time| {
        let (seconds, ns) = (time.tv_sec().cast_unsigned(), time.tv_nsec().cast_unsigned());
        seconds * 1_000_000_000 + ns
    })
}
