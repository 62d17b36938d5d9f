//! What became of everything the hooks looked at.

use freezer_common::hook::{Hook, HookCounters};
use serde::{Deserialize, Serialize};

/// One hook's counts, over all CPUs: seen = filtered + submitted + `ring_full` + `read_failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// Name of the hook.
    pub hook: String,
    /// Looks taken; `sched_switch` takes two per switch.
    pub seen: u64,
    /// Outside the watched subtree.
    pub filtered: u64,
    /// Records that reached the ring.
    pub submitted: u64,
    /// Records lost because the ring was full.
    pub ring_full: u64,
    /// Looks at kernel memory that could not be read.
    pub read_failed: u64,
}

/// Counts of every hook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// One per hook.
    pub hooks: Vec<Counter>,
    /// Records the agent itself could not decode.
    pub undecodable: u64,
}

impl Counters {
    /// Events that should have been seen and were not.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.hooks.iter().map(|hook| hook.ring_full + hook.read_failed).sum::<u64>() + self.undecodable
    }
}

/// Adds up one hook's counts of all CPUs.
pub(super) fn sum(hook: Hook, cpus: &[HookCounters]) -> Counter {
    let total = |field: fn(&HookCounters) -> u64| cpus.iter().map(field).sum();
    Counter {
        hook: hook.name().to_owned(),
        seen: total(|cpu| cpu.seen),
        filtered: total(|cpu| cpu.filtered),
        submitted: total(|cpu| cpu.submitted),
        ring_full: total(|cpu| cpu.ring_full),
        read_failed: total(|cpu| cpu.read_failed),
    }
}
