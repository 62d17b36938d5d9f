//! The other threads of a task's process, for those that wait for them to die.

use super::super::case::Case;
use super::super::facts::TaskFacts;
use super::super::follow::{self, Holder};
use crate::model::TaskState;

/// Threads named one by one; the rest are counted.
const NAMED: usize = 8;

/// What the waiting task is told of the others.
pub struct Others {
    /// Named, the one to look at last: its chain goes on.
    pub named: Vec<Holder>,
    /// How many more there are.
    pub more: usize,
}

/// Other threads of the process that are not gone, or dead and kept by their tracer.
pub fn others<'a>(case: &Case<'a>) -> impl Iterator<Item = &'a TaskFacts> {
    let task = case.task();
    let (facts, tid, tgid) = (case.facts, task.tid, task.tgid);
    facts.tasks.iter().chain(&facts.others).filter(move |other| {
        let other = &other.task;
        let kept = match other.state {
            TaskState::Dead => false,
            // The main thread stays as a zombie to the end; others only until their tracer has seen it.
            TaskState::Zombie => other.tid != tgid && other.tracer.is_some(),
            _ => true,
        };
        other.tgid == tgid && other.tid != tid && kept
    })
}

/// Follows each of these threads: frozen ones first, and last the one with the longest way to a culprit.
pub fn follow<'a>(case: &Case<'a>, threads: impl Iterator<Item = &'a TaskFacts>) -> Others {
    let mut named: Vec<Holder> = threads.filter_map(|thread| one(case, thread)).collect();
    named.sort_by_key(|holder| (holder.chain.len(), !holder.frozen));
    let more = named.len().saturating_sub(NAMED);
    named.drain(..more);
    Others { named, more }
}

fn one(case: &Case<'_>, thread: &TaskFacts) -> Option<Holder> {
    let mut holder = follow::holder(case, thread.task.tid)?;
    let stopped = matches!(thread.task.state, TaskState::Traced | TaskState::Zombie);
    let tracer = thread.task.tracer.filter(|_| stopped);
    let Some(tracer) = tracer.and_then(|tid| follow::holder(case, tid)) else { return Some(holder) };
    let kept = if thread.task.state == TaskState::Zombie {
        "which is dead but not yet reaped by its tracer"
    } else {
        "which its tracer holds stopped"
    };
    holder.state = format!("{kept} ({}, {})", tracer.who, tracer.state);
    holder.chain.extend(tracer.chain);
    holder.frozen = tracer.frozen;
    holder.deeper = tracer.deeper;
    Some(holder)
}

impl Others {
    /// "a, frozen ...; b, which ...; and 3 more"
    pub fn wording(&self) -> String {
        let mut words: Vec<String> =
            self.named.iter().map(|holder| format!("{}, {}", holder.who, holder.state)).collect();
        if self.more > 0 {
            words.push(format!("and {} more", self.more));
        }
        words.join("; ")
    }
}
