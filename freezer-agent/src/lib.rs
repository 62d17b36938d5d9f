//! freezer-agent: freezes Linux cgroups and says which tasks block a freeze, why, and the way out.
//!
//! The folders show the data flow: kernel hook -> ring buffer ([`source`]) -> event ([`decode`]) -> freeze
//! session ([`model`]) -> explanation ([`explain`], on facts that [`gather`] collected) -> [`report`].
//! [`control`] writes the cgroup files that [`cgroupfs`] knows; [`host`] says what this kernel allows.

pub mod cgroupfs;
pub mod cli;
pub mod control;
pub mod decode;
pub mod explain;
pub mod gather;
pub mod host;
pub mod model;
pub mod preflight;
pub mod report;
pub mod session;
pub mod source;
