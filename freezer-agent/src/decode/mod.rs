//! Bytes -> events and records of tasks and files: checked by length and kind, never a cast.

mod event;
mod file;
mod task;

pub use event::event;
pub use file::{FileLook, PointsTo, files};
pub(crate) use task::policy_of;
pub use task::{TaskLook, tasks};

/// Bytes that are no record of this build's kernel side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than its kind.
    #[error("a record of kind {kind} is cut off: {have} bytes left, more needed")]
    Short {
        /// The kind; 0 where not even the header was there.
        kind: u32,
        /// Bytes there were.
        have: usize,
    },
    /// A kind this build does not know.
    #[error("a record of unknown kind {0}")]
    Kind(u32),
    /// A length or count that contradicts the record.
    #[error("a record claims {0} stack frames or bytes, which it cannot have")]
    Length(u32),
}
