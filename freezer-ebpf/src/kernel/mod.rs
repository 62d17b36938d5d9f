//! The only reads of kernel pointers.

pub mod cgroup;
pub mod clock;
pub mod lock;
pub mod memory;
pub mod offsets;
mod queue;
pub mod task;
