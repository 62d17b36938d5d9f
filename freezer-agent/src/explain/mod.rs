//! Facts -> rules (one file per cause) -> verdict. Pure: a recorded [`Facts`] gives the same verdict anywhere.

mod case;
pub mod cause;
pub mod course;
pub mod cycles;
pub mod facts;
mod follow;
mod foresee;
pub mod functions;
pub mod harm;
mod judge;
pub mod manual;
pub mod record;
mod rules;
pub mod slow;
mod standing;
#[cfg(test)]
mod storage_tests;
mod system;
pub mod verdict;
mod work;

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_supervisors;

pub use cause::Cause;
pub use cycles::{Cycle, OrderStep, Process};
pub use facts::Facts;
pub use foresee::{Foreseen, foresee};
pub use judge::judge;
pub use rules::catalogue;
pub use slow::{Look, SlowTask};
pub use verdict::{Blocker, Certainty, Evidence, Verdict, WaitsFor};
