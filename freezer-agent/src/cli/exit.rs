//! The one place where errors become exit codes and outcomes (contract: "Exit codes").

use std::io;
use std::path::PathBuf;

use nix::sys::signal::Signal;

use crate::cgroupfs::{ResolveError, Trouble};
use crate::control::system::SystemError;
use crate::control::{ControlError, Ended};
use crate::explain::record::RecordError;
use crate::model::Name;
use crate::report::Outcome;

/// Done.
pub const DONE: u8 = 0;
/// Unexpected failure.
pub const FAILURE: u8 = 1;
/// Not frozen within the limit.
pub const TIMED_OUT: u8 = 3;
/// Cannot be frozen, or thawed, as it is.
pub const IMPOSSIBLE: u8 = 4;
/// Not permitted.
pub const PERMISSION: u8 = 5;
/// No such cgroup, or no freezer here.
pub const NO_CGROUP: u8 = 6;
/// Refused for safety.
pub const REFUSED: u8 = 7;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The name leads to no cgroup.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The freezer could not be examined or used.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// A record of facts.
    #[error("{}: {error}", Name::from(path.as_path()))]
    Record {
        /// The file.
        path: PathBuf,
        /// What went wrong with it.
        #[source]
        error: RecordError,
    },
    /// The whole system could not be frozen.
    #[error(transparent)]
    System(#[from] SystemError),
    /// Stdout.
    #[error("writing the result: {0}")]
    Output(#[source] io::Error),
    /// The event loop could not be set up.
    #[error("starting: {0}")]
    Runtime(#[source] io::Error),
}

impl Failure {
    /// Exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Resolve(ResolveError::File(error)) if error.trouble() == Trouble::Permission => PERMISSION,
            Self::Resolve(ResolveError::File(_) | ResolveError::Mountinfo(_)) => FAILURE,
            Self::Resolve(_)
            | Self::Control(ControlError::Gone { .. } | ControlError::NoV2Freezer { .. })
            | Self::System(SystemError::Missing(_)) => NO_CGROUP,
            Self::Control(ControlError::Permission(_)) | Self::System(SystemError::Permission(_)) => {
                PERMISSION
            }
            Self::Control(ControlError::Refused(_)) | Self::System(SystemError::Unconfirmed) => REFUSED,
            Self::System(_) | Self::Control(_) | Self::Runtime(_) | Self::Output(_) | Self::Record { .. } => {
                FAILURE
            }
        }
    }

    /// Word for `--json`.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Control(ControlError::Refused(_)) | Self::System(SystemError::Unconfirmed) => {
                Outcome::Refused
            }
            _ => Outcome::Error,
        }
    }
}

/// Exit code and outcome of a wait that ended.
pub fn of_ended(ended: &Ended) -> (u8, Outcome) {
    match ended {
        Ended::Frozen => (DONE, Outcome::Frozen),
        Ended::TimedOut => (TIMED_OUT, Outcome::TimedOut),
        Ended::Impossible(_) => (IMPOSSIBLE, Outcome::Impossible),
        Ended::Interrupted(signal) => (of_signal(*signal), Outcome::Error),
    }
}

/// 128 + n, as shells say it.
pub fn of_signal(signal: Signal) -> u8 {
    u8::try_from(128 + signal as i32).unwrap_or(FAILURE)
}

/// Exit code of a thaw.
pub fn of_thaw(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Thawed => DONE,
        Outcome::HeldByAncestor => IMPOSSIBLE,
        _ => FAILURE,
    }
}
