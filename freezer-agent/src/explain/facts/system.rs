//! The freeze of the whole system, for suspend or hibernation.

use serde::{Deserialize, Serialize};

use crate::model::{Caller, TaskSnapshot};

/// What is frozen instead of a cgroup: every user task, and perhaps kernel threads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WholeSystem {
    /// Who freezes it; `None` where nobody saw it.
    pub by: Option<Caller>,
    /// Thread ids of the user tasks that are never frozen (`PF_SUSPEND_TASK`): the one who freezes the others, and those
    /// it has made since.
    pub exempt: Vec<i32>,
    /// Thread ids of kernel threads that were asked and did not freeze; only where user space was frozen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kernel_threads: Vec<i32>,
}

impl WholeSystem {
    /// Whether the freeze waits for this task, unless it is frozen.
    #[must_use]
    pub fn covers(&self, task: &TaskSnapshot) -> bool {
        if task.kernel_thread {
            return self.kernel_threads.contains(&task.tid);
        }
        !self.exempt.contains(&task.tid)
    }
}
