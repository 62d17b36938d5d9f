//! From what was seen to what is reported: a last look, the facts, the verdict.

use std::collections::HashMap;

use super::{Samples, Witness, looks};
use crate::control::{TaskCount, boot_ns, monotonic_ns};
use crate::explain::facts::Froze;
use crate::explain::{Facts, Verdict, judge};
use crate::gather::{self, Frozen, Subject};
use crate::model::{Arrival, Joined, Session, TaskSnapshot, TaskState, TaskTimeline, joined_between};
use crate::report::UnknownTask;

/// A subtree that is not frozen, explained.
pub struct Explained {
    /// Everything the verdict rests on.
    pub facts: Facts,
    /// Who blocks, and why.
    pub verdict: Verdict,
}

/// A look at the subtree before the request.
#[derive(Debug, Default)]
pub struct Before {
    /// When it began, `CLOCK_MONOTONIC`, ns.
    pub at_ns: u64,
    /// The tasks of the subtree then.
    pub tasks: Vec<TaskSnapshot>,
}

/// Gathers what the tasks of the subtree point at, and judges. Looks at the host first, unless there is a `look` taken
/// just now.
pub fn explain(
    witness: &mut Witness,
    asked_ns_ago: Option<u64>,
    samples: Samples,
    before: Option<&Before>,
    look: Option<Vec<TaskSnapshot>>,
    session: Option<&mut Session>,
) -> Explained {
    let cgroup = witness.cgroup().clone();
    let host = look.unwrap_or_else(|| witness.look_at_host());
    let mut froze = Vec::new();
    let mut late = HashMap::new();
    if let Some(session) = session {
        witness.catch_up(session);
        late = join_late(witness, session, &host, before);
        // Without the time of the request there is none from it.
        if asked_ns_ago.is_some() {
            froze = times(witness, session, &host);
        }
    }
    let before = before.map_or_else(HashMap::new, |before| looks::states(&before.tasks));
    let subject = Subject {
        frozen: Frozen::Cgroup(&cgroup),
        host,
        asked_ns_ago,
        samples,
        joined: late,
        before,
        froze,
        open_files: witness.open_files(),
    };
    let facts = gather::gather(&subject);
    let verdict = judge(&facts);
    Explained { facts, verdict }
}

/// Who came after the request, told to the session as well: by events where there are any, else by two looks.
pub fn join_late(
    witness: &Witness,
    session: &mut Session,
    host: &[TaskSnapshot],
    before: Option<&Before>,
) -> HashMap<i32, Joined> {
    // A cgroup that is gone holds nobody who could be late.
    let Ok(subtree) = witness.cgroup().subtree_ids() else { return HashMap::new() };
    let hierarchy = session.hierarchy();
    let inside = |task: &&TaskSnapshot| task.cgroup_in(hierarchy).is_some_and(|id| subtree.contains(&id));
    let inside = host.iter().filter(inside);
    if witness.has_bpf() {
        inside.for_each(|task| session.join_with_process(task));
        return session.joined(monotonic_ns());
    }
    let Some(before) = before else { return HashMap::new() };
    // Start times are counted from boot, suspended or not.
    let since_boot = |at: u64| at.saturating_add(boot_ns().saturating_sub(monotonic_ns()));
    let asked = since_boot(session.requested_at());
    let joined = joined_between(&before.tasks, since_boot(before.at_ns), asked, inside);
    session.found_late(&joined);
    joined
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
    session.tasks().filter_map(known).collect()
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
