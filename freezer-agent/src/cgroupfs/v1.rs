//! The v1 controller's files (`kernel/cgroup/legacy_freezer.c`).

use std::path::Path;

use super::file::{self, FileError};
use crate::model::FreezerState;

/// Request and confirmation in one.
pub const STATE: &str = "freezer.state";
/// 1 while this cgroup itself asks.
pub const SELF_FREEZING: &str = "freezer.self_freezing";
/// 1 while an ancestor asks.
pub const PARENT_FREEZING: &str = "freezer.parent_freezing";
/// Thread ids; any thread may be in any cgroup.
pub const TASKS: &str = "tasks";

/// State of the whole subtree. The kernel works it out in this very read, over every task of every descendant
/// (`freezer_read`, `update_if_frozen`), at 0.2-0.3 µs a task up to the first that is not frozen.
pub fn state(dir: &Path) -> Result<FreezerState, FileError> {
    let content = file::read(dir, STATE)?;
    Ok(parse_state(&content))
}

fn parse_state(content: &[u8]) -> FreezerState {
    match content.trim_ascii() {
        b"FROZEN" => FreezerState::Frozen,
        b"FREEZING" => FreezerState::Freezing,
        // THAWED; RUNNING in the interface proposed in 2008.
        _ => FreezerState::Thawed,
    }
}

/// Whether this cgroup itself asks.
pub fn self_freezing(dir: &Path) -> Result<bool, FileError> {
    Ok(file::read(dir, SELF_FREEZING)?.trim_ascii() == b"1")
}

/// Whether an ancestor asks.
pub fn parent_freezing(dir: &Path) -> Result<bool, FileError> {
    Ok(file::read(dir, PARENT_FREEZING)?.trim_ascii() == b"1")
}

/// Asks, or takes the request back. Writing FROZEN again asks every task again.
pub fn write_request(dir: &Path, freeze: bool) -> Result<(), FileError> {
    file::write(dir, STATE, if freeze { b"FROZEN" } else { b"THAWED" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_words_of_the_kernel_and_of_2008() {
        assert_eq!(parse_state(b"FROZEN\n"), FreezerState::Frozen);
        assert_eq!(parse_state(b"FREEZING\n"), FreezerState::Freezing);
        assert_eq!(parse_state(b"THAWED\n"), FreezerState::Thawed);
        assert_eq!(parse_state(b"RUNNING\n"), FreezerState::Thawed);
    }
}
