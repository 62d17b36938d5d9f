//! What must be so during a freeze for a case to be about what it says. Where it has ceased to be so, there is nothing
//! to judge: the case is set up again.
//!
//! Looked at beside the agent, through /proc alone: nothing the agent says comes into it.

use std::fmt;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::cgroup::Cgroup;
use crate::proc;
use crate::worker::is_asked;

/// How often the request is looked for.
const PAUSE: Duration = Duration::from_millis(1);
/// Longer than any agent is let run.
const FOR_EVER: Duration = Duration::from_secs(600);

/// A task, and what must be so of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Premise {
    /// It is runnable and has not run for a moment since the word was given to the agent.
    Starved {
        /// Thread id.
        tid: i32,
        /// Until so long after the request; `None`: until the agent has ended.
        until: Option<Duration>,
    },
    /// It is at work in the kernel.
    AtWork {
        /// Thread id.
        tid: i32,
        /// Until so long after the request.
        until: Duration,
    },
    /// It sleeps in a kernel function.
    Stuck {
        /// Thread id.
        tid: i32,
        /// Part of the function's name.
        function: &'static str,
        /// From so long after the request at the latest.
        by: Duration,
    },
    /// It has been moved into the cgroup.
    Inside {
        /// Process id.
        pid: i32,
        /// By so long after the request.
        by: Duration,
    },
}

impl Premise {
    /// The moment after the request at which it is looked at.
    fn when(&self) -> Duration {
        match *self {
            Self::Starved { until, .. } => until.unwrap_or(FOR_EVER),
            Self::AtWork { until, .. } => until,
            Self::Stuck { by, .. } | Self::Inside { by, .. } => by,
        }
    }

    fn measure(&self) -> Option<u64> {
        match *self {
            Self::Starved { tid, .. } => proc::ran_ns(tid),
            _ => None,
        }
    }

    fn holds(&self, cgroup: &Cgroup, before: Option<u64>) -> bool {
        match *self {
            Self::Starved { tid, .. } => proc::state(tid) == Some('R') && proc::ran_ns(tid) == before,
            Self::AtWork { tid, .. } => proc::state(tid) == Some('R') || proc::is_exiting(tid),
            Self::Stuck { tid, function, .. } => proc::stack(tid).iter().any(|name| name.contains(function)),
            Self::Inside { pid, .. } => cgroup.pids().is_ok_and(|pids| pids.contains(&pid)),
        }
    }
}

impl fmt::Display for Premise {
    /// What has gone wrong with it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.when().as_millis();
        match self {
            Self::Starved { tid, until: None } => {
                write!(f, "task {tid} got a CPU while the agent was at work")
            }
            Self::Starved { tid, .. } => write!(f, "task {tid} got a CPU within {ms} ms of the request"),
            Self::AtWork { tid, .. } => {
                write!(f, "the work of task {tid} was over {ms} ms after the request")
            }
            Self::Stuck { tid, function, .. } => {
                write!(f, "task {tid} did not wait in {function} {ms} ms after the request")
            }
            Self::Inside { pid, .. } => write!(f, "{pid} was not moved in within {ms} ms of the request"),
        }
    }
}

/// Looks at premises while the agent runs.
pub(crate) struct Watch {
    thread: JoinHandle<Vec<Premise>>,
    ended: mpsc::Sender<()>,
}

impl Watch {
    /// From right before the agent is started.
    pub(crate) fn start(cgroup: &Cgroup, premises: &[Premise]) -> Self {
        let (ended, end) = mpsc::channel();
        let cgroup = cgroup.clone();
        let mut premises: Vec<_> =
            premises.iter().map(|premise| (premise.clone(), premise.measure())).collect();
        premises.sort_by_key(|(premise, _)| premise.when());
        Self { thread: thread::spawn(move || gone(&cgroup, premises, &end)), ended }
    }

    /// What did not hold at its moment, or when the agent ended, whichever came first.
    pub(crate) fn end(self) -> Vec<Premise> {
        drop(self.ended);
        self.thread.join().unwrap_or_default()
    }
}

fn gone(cgroup: &Cgroup, premises: Vec<(Premise, Option<u64>)>, end: &mpsc::Receiver<()>) -> Vec<Premise> {
    let ended = |within| end.recv_timeout(within) != Err(RecvTimeoutError::Timeout);
    while !premises.is_empty() && !is_asked(cgroup.path()) && !ended(PAUSE) {}
    let asked = Instant::now();
    let fails = |(premise, before): (Premise, Option<u64>)| {
        ended((asked + premise.when()).saturating_duration_since(Instant::now()));
        (!premise.holds(cgroup, before)).then_some(premise)
    };
    premises.into_iter().filter_map(fails).collect()
}
