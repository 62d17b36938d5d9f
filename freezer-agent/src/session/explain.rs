//! From what was seen to what is reported: a last look, the facts, the verdict.

use super::{Samples, Witness, looks};
use crate::control::TaskCount;
use crate::explain::{Facts, Verdict, judge};
use crate::gather::{self, Subject};
use crate::model::{TaskSnapshot, TaskState};
use crate::report::UnknownTask;

/// A subtree that is not frozen, explained.
pub struct Explained {
    /// Everything the verdict rests on.
    pub facts: Facts,
    /// Who blocks, and why.
    pub verdict: Verdict,
}

/// Gathers what the tasks of the subtree point at, and judges. Looks at the host first, unless there is a `look` taken
/// just now.
pub fn explain(
    witness: &mut Witness,
    asked_ns_ago: Option<u64>,
    samples: Samples,
    before: &[TaskSnapshot],
    look: Option<Vec<TaskSnapshot>>,
) -> Explained {
    let cgroup = witness.cgroup().clone();
    let host = look.unwrap_or_else(|| witness.look_at_host());
    let before = looks::before(before);
    let facts = gather::gather(&Subject { cgroup: &cgroup, host, asked_ns_ago, samples, before });
    let verdict = judge(&facts);
    Explained { facts, verdict }
}

impl Explained {
    /// Neither a blocker nor a doubt.
    pub fn nobody_blocks(&self) -> bool {
        self.verdict.blockers.is_empty() && self.verdict.unknown.is_empty()
    }

    /// How many tasks are frozen, by marks where there are any: every task is frozen, a blocker, or unknown.
    pub fn count(&self) -> TaskCount {
        let alive = |state| !matches!(state, TaskState::Zombie | TaskState::Dead);
        let total = self.facts.tasks.iter().filter(|facts| alive(facts.task.state)).count();
        let at_most = total.saturating_sub(self.verdict.blockers.len());
        TaskCount { total, at_least: at_most.saturating_sub(self.verdict.unknown.len()), at_most }
    }

    /// The tasks that cannot be told frozen from blocked.
    pub fn unknown(&self) -> Vec<UnknownTask> {
        let unknown = self.verdict.unknown.iter().filter_map(|&tid| self.facts.task(tid));
        unknown
            .map(|facts| UnknownTask {
                tid: facts.task.tid,
                tgid: facts.task.tgid,
                comm: facts.task.comm.clone(),
                state: facts.task.state,
                wchan: facts
                    .details
                    .as_ref()
                    .and_then(|details| details.wchan.clone())
                    .or_else(|| facts.task.stack.first().cloned()),
            })
            .collect()
    }
}
