//! From what was seen to what is reported: a last look, the facts, the verdict.

use std::collections::{HashMap, HashSet};

use super::{Samples, Witness, looks};
use crate::control::{TaskCount, monotonic_ns};
use crate::explain::facts::Froze;
use crate::explain::facts::arrival::{Joined, JoinedBy};
use crate::explain::{Facts, Verdict, judge};
use crate::gather::{self, Subject};
use crate::model::{Arrival, Session, TaskSnapshot, TaskState, TaskTimeline};
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
    session: Option<&mut Session>,
) -> Explained {
    let cgroup = witness.cgroup().clone();
    let host = look.unwrap_or_else(|| witness.look_at_host());
    let (joined, froze) = session.map_or_else(Default::default, |session| {
        witness.catch_up(session);
        (joined(witness, session, &host, before), times(witness, session, &host))
    });
    let before = looks::before(before);
    let subject = Subject { cgroup: &cgroup, host, asked_ns_ago, samples, joined, before, froze };
    let facts = gather::gather(&subject);
    let verdict = judge(&facts);
    Explained { facts, verdict }
}

/// Who came after the request: by events where there are any, else by two looks.
fn joined(
    witness: &Witness,
    session: &Session,
    host: &[TaskSnapshot],
    before: &[TaskSnapshot],
) -> HashMap<i32, Joined> {
    if witness.has_bpf() {
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

/// When the tasks froze that this look shows frozen, by the events up to it.
fn times(witness: &Witness, session: &mut Session, host: &[TaskSnapshot]) -> Vec<Froze> {
    let requested_at = session.requested_at();
    let hierarchy = session.hierarchy();
    // Gone meanwhile: then nothing of it is frozen either.
    let subtree = witness.cgroup().subtree_ids().unwrap_or_default();
    let inside = |task: &&TaskSnapshot| task.cgroup_in(hierarchy).is_some_and(|id| subtree.contains(&id));
    session.look(host.iter().filter(inside));
    let known = |task: &TaskTimeline| match task.arrival? {
        Arrival::Before => Some(Froze { tid: task.tid, after_ns: None }),
        Arrival::Entered | Arrival::InPlace => {
            task.latency_ns(requested_at).map(|ns| Froze { tid: task.tid, after_ns: Some(ns) })
        }
        Arrival::Seen => None,
    };
    session.timelines().iter().filter_map(known).collect()
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
