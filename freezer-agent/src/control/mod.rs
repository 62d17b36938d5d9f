//! Request, wait, confirm, roll back.
//!
//! A freeze is a transaction, [`Request`]: it remembers whether the cgroup asked for a freeze before, writes the
//! request, waits until the whole subtree is frozen, and on every way out but success (time-out, impossible,
//! signal, error, panic) puts back what it found, unless told to leave it. A request that somebody else had made
//! stays. After a `kill -9` nothing but the plain request remains: `status` shows it, `thaw` takes it back.
//!
//! How a wait wakes up is a [`FreezeWatch`], so that kernel events can take the place of spaced reads.

mod borrowed;
mod clock;
mod count;
mod error;
mod hurry;
mod impossible;
mod interrupt;
mod pace;
mod refuse;
mod request;
mod status;
pub mod system;
mod task;
mod thaw;
mod wait;
mod watch;

pub use clock::{boot_ns, monotonic_ns};
pub use count::{TaskCount, count};
pub use error::ControlError;
pub use impossible::{Impossible, find_impossible};
pub use interrupt::Interrupts;
pub use refuse::{Refusal, check_safe};
pub use request::{Request, Span};
pub use status::{Status, Statuses, status_of, status_of_all};
pub use task::TaskLook;
pub use thaw::{Thaw, thaw};
pub use wait::Ended;
pub use watch::{FileWatch, FreezeWatch, Pending, Suspect};
