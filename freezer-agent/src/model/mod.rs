//! Pure values: tasks, events, freeze sessions, latency. No input or output, no clock.

pub mod event;
pub mod hierarchy;
pub mod name;
pub mod task;

pub use event::{Event, EventKind, Frozen};
pub use hierarchy::{FreezerState, Hierarchy};
pub use name::Name;
pub use task::{LockWait, SchedPolicy, TaskSnapshot, TaskState};
