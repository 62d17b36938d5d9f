//! From what was seen to what is reported: a last look, the facts, the verdict.

use super::{Samples, Witness, looks};
use std::collections::{HashMap, HashSet};

use crate::control::{TaskCount, monotonic_ns};
use crate::explain::facts::arrival::{Joined, JoinedBy};
use crate::explain::{Facts, Verdict, judge};
use crate::gather::{self, Subject};
use crate::model::{Session, TaskSnapshot, TaskState};
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
    session: Option<&mut Session>,
    asked_ns_ago: Option<u64>,
    samples: Samples,
    before: &[TaskSnapshot],
    look: Option<Vec<TaskSnapshot>>,
) -> Explained {
    let cgroup = witness.cgroup().clone();
    let host = look.unwrap_or_else(|| witness.look_at_host());
    let joined = joined(witness, session, &host, before);
    let before = looks::before(before);
    let facts = gather::gather(&Subject { cgroup: &cgroup, host, asked_ns_ago, samples, joined, before });
    let verdict = judge(&facts);
    Explained { facts, verdict }
}

/// Who came after the request: by events where there are any, else by two looks.
fn joined(
    witness: &mut Witness,
    session: Option<&mut Session>,
    host: &[TaskSnapshot],
    before: &[TaskSnapshot],
) -> HashMap<i32, Joined> {
    let Some(session) = session else { return HashMap::new() };
    if witness.has_bpf() {
        witness.catch_up(session);
        return session.joined(monotonic_ns());
    }
    // Ids are used again: only the start time tells the same task.
    let known: HashSet<(i32, u64)> = before.iter().map(|task| (task.tid, task.start_ns)).collect();
    let newest = before.iter().map(|task| task.start_ns).max().unwrap_or_default();
    let hierarchy = session.hierarchy();
    host.iter()
        .filter(|task| task.cgroup_in(hierarchy).is_some() && !known.contains(&(task.tid, task.start_ns)))
        .map(|task| {
            let forked = known.iter().any(|(tid, _)| *tid == task.parent) && task.start_ns >= newest;
            let how = if forked { JoinedBy::Fork { parent: Some(task.parent) } } else { JoinedBy::Move };
            (task.tid, Joined { how, ago_ns: None })
        })
        .collect()
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
