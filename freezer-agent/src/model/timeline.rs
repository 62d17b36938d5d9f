//! The way of one task through a freeze, as far as the events tell.

use serde::{Deserialize, Serialize};

use super::{JoinedBy, Name};

/// How a task came to be frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrival {
    /// It ran into the refrigerator or trap; the time is the kernel's.
    Entered,
    /// The request's own write froze it where it slept, was stopped or traced; no event exists. The time is when the
    /// freezer came to it, where a program saw that, else the end of the write, an upper bound.
    InPlace,
    /// It was frozen before this request.
    Before,
    /// Found frozen by a look, its own event was lost or never came: the time is unknown.
    Seen,
}

/// What told when a task froze, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrozenClock {
    /// It entered the refrigerator or the frozen trap.
    Entry,
    /// Its last switch.
    Switch,
    /// In place, when the freezer came to it.
    Asked,
    /// In place, at the latest when the write of the request ended.
    WriteEnd,
}

/// Times of one task, `CLOCK_MONOTONIC` ns.
#[expect(clippy::struct_excessive_bools, reason = "each is a thing seen or not, independent of the others")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskTimeline {
    /// Thread id.
    pub tid: i32,
    /// Process id, where known.
    pub tgid: Option<i32>,
    /// Name, where known.
    pub comm: Option<Name>,
    /// The freezer asked this task (needs fentry or kprobe).
    pub asked_at: Option<u64>,
    /// First wake-up after the request.
    pub woken_at: Option<u64>,
    /// First time on a CPU after the request.
    pub on_cpu_at: Option<u64>,
    /// Frozen.
    pub frozen_at: Option<u64>,
    /// What told `frozen_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<FrozenClock>,
    /// In the refrigerator or the frozen trap since then (needs fentry or kprobe).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_at: Option<u64>,
    /// How long it was in there, ns, the times in which it has left (needs fexit, too).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refrigerated_ns: Option<u64>,
    /// How it came to be frozen; `None` while it is not.
    pub arrival: Option<Arrival>,
    /// Forked by or moved in from elsewhere after the request.
    pub late: bool,
    /// When and how it joined or executed a program after the request, the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<(u64, JoinedBy)>,
    /// When it came, where it came after the request.
    pub late_at: Option<u64>,
    /// Thread id of who forked it, where that was after the request.
    pub forked_by: Option<i32>,
    /// Exited or moved out.
    pub gone: bool,
    /// When it was gone for good: its last switch, or the move.
    pub gone_at: Option<u64>,
    /// It began to exit after the request.
    pub exited: bool,
    /// It was frozen at some time, whatever came after.
    pub was_frozen: bool,
    /// What its time was spent on, up to where it froze.
    pub spent: Spent,
}

/// What the time of a task between the request and its freezing was spent on, ns each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// On a CPU.
    pub running_ns: u64,
    /// Runnable, without a CPU.
    pub runnable_ns: u64,
    /// Asleep.
    pub asleep_ns: u64,
}

/// Where the time of a slow task went, ns each; `None` where the events do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stages {
    /// Request until it was woken.
    pub until_woken_ns: Option<u64>,
    /// Woken until it got a CPU.
    pub waited_for_cpu_ns: Option<u64>,
    /// On a CPU until frozen.
    pub until_frozen_ns: Option<u64>,
}

impl TaskTimeline {
    /// A task nothing is known of yet.
    #[must_use]
    pub fn new(tid: i32) -> Self {
        Self {
            tid,
            tgid: None,
            comm: None,
            asked_at: None,
            woken_at: None,
            on_cpu_at: None,
            frozen_at: None,
            clock: None,
            entered_at: None,
            refrigerated_ns: None,
            arrival: None,
            late: false,
            joined: None,
            late_at: None,
            forked_by: None,
            gone: false,
            gone_at: None,
            exited: false,
            was_frozen: false,
            spent: Spent::default(),
        }
    }

    /// Request to frozen, ns.
    #[must_use]
    pub fn latency_ns(&self, requested_at: u64) -> Option<u64> {
        self.frozen_at.map(|at| at.saturating_sub(requested_at))
    }

    /// Where the time went.
    #[must_use]
    pub fn stages(&self, requested_at: u64) -> Stages {
        let ns = |from: Option<u64>, to: Option<u64>| Some(to?.saturating_sub(from?));
        Stages {
            until_woken_ns: ns(Some(self.asked_at.unwrap_or(requested_at)), self.woken_at),
            waited_for_cpu_ns: ns(self.woken_at, self.on_cpu_at),
            until_frozen_ns: ns(self.on_cpu_at, self.frozen_at),
        }
    }
}
