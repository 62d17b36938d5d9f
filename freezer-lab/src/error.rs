//! The lab's one error: what was tried, on what, and why it failed.

use std::fmt::Display;
use std::io;

/// Something the lab tried and could not do.
#[derive(Debug, thiserror::Error)]
#[error("cannot {tried} {on}: {why}")]
pub struct Error {
    tried: &'static str,
    on: String,
    why: String,
    errno: Option<i32>,
}

/// Result of everything the lab does.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error that comes from no system call.
    pub fn new(tried: &'static str, on: impl Display, why: impl Display) -> Self {
        Self { tried, on: on.to_string(), why: why.to_string(), errno: None }
    }

    /// The error number, where a system call gave one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.errno
    }
}

/// Says what was tried when a system call fails.
pub trait Tried<T> {
    /// Turns the error into the lab's own: "cannot `what` `on`: ...".
    fn tried(self, what: &'static str, on: impl Display) -> Result<T>;
}

impl<T, E: Into<io::Error>> Tried<T> for std::result::Result<T, E> {
    fn tried(self, what: &'static str, on: impl Display) -> Result<T> {
        self.map_err(|error| {
            let error = error.into();
            Error { tried: what, on: on.to_string(), why: error.to_string(), errno: error.raw_os_error() }
        })
    }
}
