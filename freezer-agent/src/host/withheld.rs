//! What is not used though it may be there, for tests of the ways that remain.
//!
//! `FREEZER_AGENT_WITHOUT=fentry,iter` names ways of the kernel that the agent then takes as refused: `bpf`, `btf`,
//! `tp_btf`, `raw_tp`, `tracepoint`, `fentry`, `fexit`, `kprobe.multi`, `kprobe`, `iter`, `perf`; `blocker` (`task->blocker`,
//! new in 6.16) and `fuse-fdinfo` (the connection in the `fdinfo` of a `/dev/fuse`, new in 6.15).

use std::env;
use std::io;

/// The variable.
pub const VARIABLE: &str = "FREEZER_AGENT_WITHOUT";

/// Whether a way is withheld.
#[must_use]
pub fn is_withheld(way: &str) -> bool {
    env::var(VARIABLE).is_ok_and(|ways| ways.split(',').any(|one| one == way))
}

/// An error if a way is withheld, as if the kernel had refused it.
pub fn refuse(way: &str) -> io::Result<()> {
    if is_withheld(way) { Err(io::Error::other(format!("withheld by {VARIABLE}"))) } else { Ok(()) }
}
