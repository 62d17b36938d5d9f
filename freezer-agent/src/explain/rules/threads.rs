//! The other threads of a task's process, for those that wait for them to die.

use super::super::case::Case;
use super::super::facts::TaskFacts;
use super::super::follow::{self, Holder};
use super::super::functions::{Mechanism, means};
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
    let (facts, own, process) = (case.facts, task.tid, task.tgid);
    facts.tasks.iter().chain(&facts.others).filter(move |other| {
        let other = &other.task;
        let kept = match other.state {
            TaskState::Dead => false,
            // The main thread stays as a zombie to the end; others only until their tracer has seen it.
            TaskState::Zombie => other.tid != process && other.tracer.is_some(),
            _ => true,
        };
        other.tgid == process && other.tid != own && kept
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
    let frozen_in_stop = thread.task.state == TaskState::Uninterruptible
        && holder.frozen
        && is_in_trace_stop(case, thread.task.tid);
    let stopped = frozen_in_stop || matches!(thread.task.state, TaskState::Traced | TaskState::Zombie);
    let tracer = thread.task.tracer.filter(|_| stopped);
    let Some(tracer) = tracer.and_then(|tid| follow::holder(case, tid)) else { return Some(holder) };
    let kept = if thread.task.state == TaskState::Zombie {
        "which is dead but not yet reaped by its tracer".to_owned()
    } else if frozen_in_stop {
        format!("{}, in a stop for its tracer", holder.state)
    } else {
        "which its tracer holds stopped".to_owned()
    };
    holder.state = format!("{kept} ({}, {})", tracer.who, tracer.state);
    holder.chain.extend(tracer.chain);
    holder.frozen = tracer.frozen;
    holder.deeper = tracer.deeper;
    Some(holder)
}

/// v1 freezes a stopped tracee in place, and it shows `D`.
fn is_in_trace_stop(case: &Case<'_>, tid: i32) -> bool {
    let looks = case.facts.awaited.iter().filter(|thread| thread.tid == tid);
    looks.filter_map(|thread| thread.wchan.as_deref()).any(|wchan| means(wchan, Mechanism::TraceStop))
}

/// The kernel's own word that these are to die: a pending SIGKILL, or they are dead but for their tracer.
pub fn are_dying<'a>(case: &Case<'_>, mut threads: impl Iterator<Item = &'a TaskFacts>) -> bool {
    threads.any(|thread| {
        let looks = case.facts.awaited.iter().filter(|look| look.tid == thread.task.tid);
        let killed = looks.filter_map(|look| look.kill_pending).any(|pending| pending);
        killed || thread.task.exiting || thread.task.state == TaskState::Zombie
    })
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
