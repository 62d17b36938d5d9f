//! Pure values: tasks, events, freeze sessions, latency. No input or output, no clock.

mod account;
pub mod event;
pub mod function;
pub mod hierarchy;
pub mod joined;
pub mod latency;
pub mod name;
pub mod session;
pub mod system;
pub mod task;
pub mod timeline;
pub mod units;

pub use event::{Caller, Event, EventKind, Frozen};
pub use hierarchy::{FreezerState, Hierarchy};
pub use joined::{Joined, JoinedBy, joined_between};
pub use latency::{Bucket, FrozenBy, Latency, LatencyClock};
pub use name::Name;
pub use session::Session;
pub use system::{Look, SystemFreezes, SystemSession, Thaw};
pub use task::{CpuTimes, LockWait, SchedPolicy, TaskSnapshot, TaskState};
pub use timeline::{Arrival, FrozenClock, Spent, Stages, TaskTimeline};
