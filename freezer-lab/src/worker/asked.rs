//! What is to last from before a freeze until some time after its request: counted from the request itself, it lasts
//! long enough however late the request comes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cgroup::Cgroup;

/// How often the request is looked for.
const PAUSE: Duration = Duration::from_millis(1);

/// A moment after a freeze has been asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// Directory of the cgroup to be frozen.
    cgroup: PathBuf,
    /// A process that must have been moved into it as well.
    with: Option<i32>,
    /// From then on, ms.
    after_ms: u64,
}

impl Asked {
    /// So long after this cgroup has been asked to freeze.
    #[must_use]
    pub fn after(cgroup: &Cgroup, after: Duration) -> Self {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        Self { cgroup: cgroup.path().to_path_buf(), with: None, after_ms }
    }

    /// And so long after this process has come.
    #[must_use]
    pub fn with(self, pid: i32) -> Self {
        Self { with: Some(pid), ..self }
    }

    /// Waits for the moment.
    pub(crate) fn wait(&self) {
        wait_until_asked(&self.cgroup);
        while !self.has_come() {
            thread::sleep(PAUSE);
        }
        thread::sleep(Duration::from_millis(self.after_ms));
    }

    /// Becomes true when the moment comes, or after `limit`. Somebody else looks out for it, an ordinary thread that
    /// gets a CPU also while this one gets none.
    pub(super) fn flag(self, limit: Duration) -> Arc<AtomicBool> {
        let flag = Arc::new(AtomicBool::new(false));
        let (come, over) = (Arc::clone(&flag), Arc::clone(&flag));
        thread::spawn(move || {
            self.wait();
            come.store(true, Ordering::Relaxed);
        });
        thread::spawn(move || {
            thread::sleep(limit);
            over.store(true, Ordering::Relaxed);
        });
        flag
    }

    fn has_come(&self) -> bool {
        let Some(pid) = self.with else { return true };
        let pids = fs::read_to_string(self.cgroup.join("cgroup.procs")).unwrap_or_default();
        pids.lines().any(|line| line.parse() == Ok(pid))
    }
}

/// Whether this very cgroup is asked to freeze (the files of v1 and v2).
pub(crate) fn is_asked(cgroup: &Path) -> bool {
    ["freezer.self_freezing", "cgroup.freeze"]
        .iter()
        .any(|file| fs::read_to_string(cgroup.join(file)).is_ok_and(|text| text.trim() == "1"))
}

/// Waits for that.
pub(super) fn wait_until_asked(cgroup: &Path) {
    while !is_asked(cgroup) {
        thread::sleep(PAUSE);
    }
}
