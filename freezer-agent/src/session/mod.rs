//! Runs one freeze session with an eye on it: a [`Witness`] sees what happens, a [`WatchedWait`] waits by it, and at
//! the end [`explain`] turns what was seen into the report. Where BPF is refused the witness has /proc alone.

mod clock;
mod costs;
mod explain;
pub mod harm;
pub mod looks;
mod preflight;
pub mod system;
mod wait;
mod witness;

pub use clock::clock;
pub use costs::Costs;
pub use explain::{Before, Explained, explain, join_late};
pub use looks::Looks;
pub use preflight::look_ahead;
pub use wait::{Samples, Watched, WatchedWait};
pub use witness::{HostLook, Witness};
