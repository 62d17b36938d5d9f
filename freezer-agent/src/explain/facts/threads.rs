//! Threads that another one of their process waits for to die.

use serde::{Deserialize, Serialize};

/// One of them, as its own files of /proc show it, frozen or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitedThread {
    /// Thread id.
    pub tid: i32,
    /// SIGKILL waits to be taken (`SigPnd`, `ShdPnd` of its `status`); `None` where it could not be read.
    pub kill_pending: Option<bool>,
    /// Where it sleeps: one that v1 froze in place shows that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wchan: Option<String>,
}
