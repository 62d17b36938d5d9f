//! Facts -> rules (one file per cause) -> verdict. Pure: a recorded [`Facts`] gives the same verdict anywhere.

pub mod cause;
pub mod facts;
pub mod verdict;

pub use cause::Cause;
pub use facts::Facts;
pub use verdict::{Blocker, Certainty, Evidence, Verdict, WaitsFor};
