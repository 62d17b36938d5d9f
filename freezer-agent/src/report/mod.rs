//! What a person reads and what a script reads.

pub mod failed;
pub mod freeze;
pub mod json;
pub mod status;
pub mod style;
pub mod thaw;

pub use style::Style;

/// Version of the JSON objects.
pub const SCHEMA: &str = "freezer-agent/1";
