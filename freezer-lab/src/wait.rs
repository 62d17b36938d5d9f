//! Waiting for a condition with a limit: nothing in the lab waits for ever, and nothing counts on a fixed sleep.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// Asks `condition` again and again until it holds or `limit` has passed; says whether it held.
pub fn until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_micros(200);
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// As [`until`]; an error where a worker did not become what it should.
pub(crate) fn became(limit: Duration, what: &str, pid: i32, condition: impl FnMut() -> bool) -> Result<()> {
    if until(limit, condition) {
        return Ok(());
    }
    Err(Error::new("see", format!("worker {pid} become {what}"), format!("it is not after {limit:?}")))
}
