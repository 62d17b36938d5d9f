//! Looks taken while a freeze is slow, so that its reasons are on record before they vanish.
//!
//! The tasks are looked at on the spot; what they point at is gathered on a thread, so that the wait goes on meanwhile.

use std::collections::HashMap;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Samples, Witness};
use crate::explain::facts::BeforeRequest;
use crate::explain::{Look, judge};
use crate::gather::{self, Frozen, Subject};
use crate::model::{Spent, TaskSnapshot, TaskState};

/// State of each task before the request, by thread id.
pub type Before = HashMap<i32, BeforeRequest>;

/// From tasks as they looked then.
pub fn states(tasks: &[TaskSnapshot]) -> Before {
    tasks.iter().map(|task| (task.tid, BeforeRequest::from(task))).collect()
}

/// What the tasks' time since the request was spent on, where both looks were taken from /proc.
fn spent(host: &[TaskSnapshot], before: &Before, after_ns: u64) -> Vec<(i32, Spent)> {
    let of_task = |task: &TaskSnapshot| {
        let then = before.get(&task.tid)?;
        let runnable_before = then.state == TaskState::Running;
        Some((task.tid, task.times?.spent_since(&then.times?, runnable_before, after_ns)))
    };
    host.iter().filter_map(of_task).collect()
}

/// When to look, and what was found.
pub struct Looks {
    asked: Instant,
    /// From the request to the next look; each time twice as long.
    next: Duration,
    before: Before,
    at_work: Option<JoinHandle<Look>>,
    done: Vec<Look>,
}

impl Looks {
    /// The first look comes when a freeze asked for at `asked` has lasted for `slow`.
    pub fn new(asked: Instant, slow: Duration, before: Before) -> Self {
        // A limit of nothing would look without end.
        Self { asked, next: slow.max(Duration::from_millis(1)), before, at_work: None, done: Vec::new() }
    }

    /// How long until the next look is due.
    pub fn due_in(&self) -> Duration {
        self.next.saturating_sub(self.asked.elapsed())
    }

    /// Looks, where it is time and the look before has ended.
    pub fn look_if_due(&mut self, witness: &mut Witness, samples: impl FnOnce() -> Samples) {
        if !self.due_in().is_zero() {
            return;
        }
        self.next = (self.next * 2).max(self.asked.elapsed());
        if self.at_work.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        self.collect();
        let after_ns = u64::try_from(self.asked.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let (host, cgroup) = (witness.look_later(), witness.cgroup().clone());
        let open_files = witness.open_files();
        let (samples, before) = (samples(), self.before.clone());
        let gather = move || {
            let subject = Subject {
                frozen: Frozen::Cgroup(&cgroup),
                host: host.tasks(),
                asked_ns_ago: Some(after_ns),
                samples,
                joined: HashMap::new(),
                before,
                froze: Vec::new(),
                open_files,
            };
            let blockers = judge(&gather::gather(&subject)).blockers;
            let mut spent = spent(&subject.host, &subject.before, after_ns);
            spent.retain(|(tid, _)| blockers.iter().any(|blocker| blocker.tid == *tid));
            Look { after_ns, blockers, spent }
        };
        // Where no thread can be had, there is no look; the events still tell where the time went.
        self.at_work = thread::Builder::new().name("look".to_owned()).spawn(gather).ok();
    }

    /// What was found; waits for a look under way only where told to.
    pub fn finish(mut self, wait: bool) -> Vec<Look> {
        if wait || self.at_work.as_ref().is_some_and(JoinHandle::is_finished) {
            self.collect();
        }
        self.done
    }

    fn collect(&mut self) {
        if let Some(Ok(look)) = self.at_work.take().map(JoinHandle::join) {
            self.done.push(look);
        }
    }
}
