//! What this kernel and host have, and what is lost without the rest.

pub mod btf;
pub mod lockdown;
pub mod offsets;
pub mod pids;
pub mod plan;
pub mod rights;
pub mod withheld;

pub use plan::{Missing, Plan};
