//! Workers that keep a freeze waiting for a while, and then let it succeed.

use nix::errno::Errno;
use nix::sys::mman::MapFlags;
use serde::{Deserialize, Serialize};

use super::job::{after_ready, sleep_for_ever};
use super::memory::map_over_and_over;
use crate::error::{Result, Tried as _};

/// Memory to lock: a second of work. All of it shows the same few megabytes.
const TO_LOCK: usize = 8 << 30;

/// Memory to unmap: some 0.7 s of work, and two seconds to prepare.
const TO_UNMAP: usize = 48 << 30;

/// What takes its time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Job {
    /// Maps memory; then locks it in one mlock(2), and sleeps.
    LockMemory,
    /// Maps and fills memory; then unmaps it in one munmap(2), and sleeps.
    Unmap,
}

/// Does it. No method of [`Job`]: a type that is read from text has no unsafe ones.
pub(super) fn run(job: Job) -> Result<()> {
    match job {
        Job::LockMemory => {
            let start = map_over_and_over(TO_LOCK, MapFlags::empty())?;
            // SAFETY: a range of our own; locking changes nothing in it.
            one_call("lock", || unsafe { libc::mlock(start.as_ptr(), TO_LOCK) })
        }
        Job::Unmap => {
            let start = map_over_and_over(TO_UNMAP, MapFlags::MAP_POPULATE)?;
            // SAFETY: a range of our own that nothing refers to.
            one_call("unmap", || unsafe { libc::munmap(start.as_ptr(), TO_UNMAP) })
        }
    }
}

fn one_call(what: &'static str, call: impl FnOnce() -> libc::c_int) -> Result<()> {
    after_ready(|| {
        Errno::result(call()).tried(what, "memory")?;
        sleep_for_ever()
    })
}
