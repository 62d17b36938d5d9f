//! How a freeze went on its way, kept beside the facts of its end: which tasks were late, and what the looks at them found.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::facts::StackSample;
use super::slow::{Seen, slow};
use super::{Look, SlowTask};
use crate::model::TaskTimeline;

/// What `--record` keeps of the way: of the slow tasks only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// It ended frozen; the facts are of what that hurts.
    pub frozen: bool,
    /// Request to the end, ns.
    pub elapsed_ns: u64,
    /// `CLOCK_MONOTONIC` of the request, ns.
    pub requested_at: u64,
    /// How long the write of the request itself took, ns; `None` without events.
    pub write_took_ns: Option<u64>,
    /// What counted as slow, ns.
    pub limit_ns: u64,
    /// The slow tasks.
    pub tasks: Vec<TaskTimeline>,
    /// What the looks found of them.
    pub looks: Vec<Look>,
    /// Their timer samples, by thread id.
    pub samples: Vec<(i32, Vec<StackSample>)>,
}

impl Course {
    /// The slow tasks, those left out that block in the end.
    #[must_use]
    pub fn slow(&self, blocking: &[i32]) -> Vec<SlowTask> {
        let samples: HashMap<i32, Vec<StackSample>> = self.samples.iter().cloned().collect();
        let seen = Seen {
            requested_at: self.requested_at,
            tasks: &self.tasks,
            looks: &self.looks,
            samples: &samples,
            blocking,
        };
        slow(&seen, self.limit_ns)
    }

    /// How long the write took, where that was slow itself.
    #[must_use]
    pub fn slow_write_ns(&self) -> Option<u64> {
        self.write_took_ns.filter(|&took| took >= self.limit_ns)
    }

    /// Leaves out whoever is not told to be slow: thousands of tasks freeze in time.
    #[must_use]
    pub fn of_the_slow(mut self, slow: &[SlowTask]) -> Self {
        let told = |tid: i32| slow.iter().any(|task| task.tid == tid);
        self.tasks.retain(|task| told(task.tid));
        self.samples.retain(|(tid, _)| told(*tid));
        for look in &mut self.looks {
            look.blockers.retain(|blocker| told(blocker.tid));
            look.spent.retain(|(tid, _)| told(*tid));
        }
        self.looks.retain(|look| !look.blockers.is_empty());
        self
    }
}
