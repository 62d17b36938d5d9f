//! Sole owner of the ring, and of the counters: nothing is dropped without being counted.

use aya_ebpf::{
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns},
    maps::ring_buf::RingBufEntry,
};
use freezer_common::{
    event::{Header, Kind},
    hook::{Hook, HookCounters},
};

use crate::{
    filter::Watched,
    maps::{COUNTERS, EVENTS},
};

/// The header of a record, stamped now.
#[inline(always)]
pub fn header(kind: Kind) -> Header {
    Header {
        // SAFETY: both helpers take nothing and cannot fail.
        time_ns: unsafe { bpf_ktime_get_ns() },
        // SAFETY: as above.
        cpu: unsafe { bpf_get_smp_processor_id() },
        kind: kind as u32,
    }
}

/// Counts one look of `hook` and says whether it goes on to make a record.
#[inline(always)]
pub fn admit(hook: Hook, watched: Watched) -> bool {
    count(hook, |counters| {
        counters.seen += 1;
        match watched {
            Watched::Inside => {}
            Watched::Outside => counters.filtered += 1,
            Watched::Unreadable => counters.read_failed += 1,
        }
    });
    matches!(watched, Watched::Inside)
}

/// Writes a record that was admitted.
#[inline(always)]
pub fn send<T: 'static>(hook: Hook, record: T) {
    if let Some(mut entry) = reserve::<T>(hook) {
        entry.write(record);
        submit(hook, entry);
    }
}

/// Room for a record that was admitted, to be handed to [`submit`] or [`unreadable`].
#[inline(always)]
pub fn reserve<T: 'static>(hook: Hook) -> Option<RingBufEntry<T>> {
    let entry = EVENTS.reserve::<T>(0);
    if entry.is_none() {
        count(hook, |counters| counters.ring_full += 1);
    }
    entry
}

/// Makes a record visible to the agent.
#[inline(always)]
pub fn submit<T>(hook: Hook, entry: RingBufEntry<T>) {
    entry.submit(0);
    count(hook, |counters| counters.submitted += 1);
}

/// Gives up on a record whose contents could not be read.
#[inline(always)]
pub fn unreadable<T>(hook: Hook, entry: RingBufEntry<T>) {
    entry.discard(0);
    count(hook, |counters| counters.read_failed += 1);
}

/// Counts an admitted look of which kernel memory could not be read.
#[inline(always)]
pub fn failed(hook: Hook) {
    count(hook, |counters| counters.read_failed += 1);
}

#[inline(always)]
fn count(hook: Hook, change: impl FnOnce(&mut HookCounters)) {
    if let Some(counters) = COUNTERS.get_ptr_mut(hook as u32) {
        // SAFETY: the pointer is this CPU's slot, and a program does not run twice at a time on one CPU.
        change(unsafe { &mut *counters });
    }
}
