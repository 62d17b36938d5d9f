//! The one object that `freeze --json` and `explain --json` print, and that the text screen is made from.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::control::TaskCount;
use crate::explain::harm::SideEffect;
use crate::explain::{Blocker, Cycle, SlowTask};
use crate::model::units;
use crate::model::{Caller, FreezerState, Hierarchy, Latency, Name, TaskState, TaskTimeline};

/// Version of the JSON documents; changes when a field changes its meaning.
pub const SCHEMA: &str = "freezer-agent/1";

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every task of the subtree is frozen.
    Frozen,
    /// `explain`: asked for and not there yet.
    Freezing,
    /// No request stands.
    Thawed,
    /// `thaw`: an ancestor keeps it frozen.
    HeldByAncestor,
    /// Not frozen within the limit.
    TimedOut,
    /// Can never be frozen as it is.
    Impossible,
    /// Refused for safety.
    Refused,
    /// Could not be done; `error` says why.
    Error,
}

/// Tasks of the subtree, and how many are frozen, as far as the observer can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tasks {
    /// All of them.
    pub total: usize,
    /// How many are frozen; `None` where frozen cannot be told from blocked.
    pub frozen: Option<usize>,
    /// Surely frozen.
    pub frozen_at_least: usize,
    /// All but those that surely are not.
    pub frozen_at_most: usize,
}

impl From<TaskCount> for Tasks {
    fn from(count: TaskCount) -> Self {
        Self {
            total: count.total,
            frozen: count.frozen(),
            frozen_at_least: count.at_least,
            frozen_at_most: count.at_most,
        }
    }
}

impl fmt::Display for Tasks {
    /// `13 of 14 tasks`, or bounds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = units::count(self.total, "task");
        match self.frozen {
            Some(frozen) => write!(f, "{frozen} of {total}"),
            None if self.frozen_at_least == 0 => write!(f, "at most {} of {total}", self.frozen_at_most),
            None => write!(f, "{} to {} of {total}", self.frozen_at_least, self.frozen_at_most),
        }
    }
}

/// What watched, and what it lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObserverReport {
    /// `bpf` or `proc`
    pub mode: ObserverMode,
    /// Events the kernel side could not deliver.
    pub lost_events: u64,
    /// What is missing, and why: "fentry: EPERM at load".
    pub missing: Vec<String>,
}

/// Where the facts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObserverMode {
    /// eBPF programs and the task iterator.
    Bpf,
    /// /proc alone.
    Proc,
}

/// A task that cannot be told frozen from blocked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownTask {
    /// Thread id.
    pub tid: i32,
    /// Process id.
    pub tgid: i32,
    /// Name.
    pub comm: Name,
    /// State letter.
    pub state: TaskState,
    /// Where it sleeps, as far as /proc says.
    pub wchan: Option<String>,
}

/// See `contract.md`, "JSON of freeze, explain".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// [`SCHEMA`]
    pub schema: String,
    /// Directory of the cgroup, or the name asked for where there is none; `None` where the whole system is meant.
    pub cgroup: Option<Name>,
    /// `None` where no cgroup was found.
    pub hierarchy: Option<Hierarchy>,
    /// How it ended.
    pub outcome: Outcome,
    /// What went wrong, with what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// State of the subtree as the command leaves it.
    pub state: Option<FreezerState>,
    /// A request of this command was taken back.
    pub restored: bool,
    /// It was frozen by its own request before; nothing was written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub already_frozen: bool,
    /// The ancestor that asks for the freeze, where it is not the cgroup itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen_by_ancestor: Option<Name>,
    /// `explain`: who asked for the freeze, where the command was there to see it; also for one that was over by its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Caller>,
    /// Request to the end, ns.
    pub elapsed_ns: u64,
    /// Tasks of the subtree, at the end of the session, before anything was restored.
    pub tasks: Tasks,
    /// What watched; `None` where nothing had to.
    pub observer: Option<ObserverReport>,
    /// Tasks that block.
    pub blockers: Vec<Blocker>,
    /// Circles in which tasks and freezes wait for each other, each with an order of freezing that would work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycles: Vec<Cycle>,
    /// Tasks that cannot be told frozen from blocked here.
    pub unknown: Vec<UnknownTask>,
    /// Over the tasks whose time of freezing is known.
    pub latency: Option<Latency>,
    /// Tasks that took as long as `slow_limit_ns` or longer, slowest first, with where their time went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slow: Vec<SlowTask>,
    /// What `--slow` set, ns (with `freeze --explain`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_limit_ns: Option<u64>,
    /// How long the write of the request itself took, ns, where that was as long as the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_write_ns: Option<u64>,
    /// The freeze of the whole system, where the document is about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<SystemFreeze>,
    /// `suspend explain`, where nothing freezes the system: tasks that would refuse if something did now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub would_refuse: Vec<Blocker>,
    /// What the freeze broke, as far as it was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub side_effects: Vec<SideEffect>,
    /// Every task's way, slowest first (with `--explain`).
    pub tasks_detail: Vec<TaskDetail>,
}

impl Document {
    /// Of the whole system, with an outcome, and nothing else known yet.
    #[must_use]
    pub fn system(outcome: Outcome, freeze: SystemFreeze) -> Self {
        let document = Self::new(Name::from(""), None, outcome);
        Self { cgroup: None, suspend: Some(freeze), ..document }
    }

    /// With an outcome, and nothing else known yet.
    #[must_use]
    pub fn new(cgroup: Name, hierarchy: Option<Hierarchy>, outcome: Outcome) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            cgroup: Some(cgroup),
            hierarchy,
            outcome,
            error: None,
            state: None,
            restored: false,
            already_frozen: false,
            frozen_by_ancestor: None,
            requested_by: None,
            elapsed_ns: 0,
            tasks: Tasks::default(),
            observer: None,
            blockers: Vec::new(),
            cycles: Vec::new(),
            unknown: Vec::new(),
            latency: None,
            slow: Vec::new(),
            slow_limit_ns: None,
            slow_write_ns: None,
            suspend: None,
            would_refuse: Vec::new(),
            side_effects: Vec::new(),
            tasks_detail: Vec::new(),
        }
    }
}

/// A freeze of the whole system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemFreeze {
    /// The task that had the kernel do it; `None` where nobody saw that.
    pub by: Option<Caller>,
    /// What this command did it through: `/dev/snapshot`, `/sys/power/pm_test`; `None` where it was not this command.
    pub through: Option<String>,
    /// User space was frozen, and kernel threads were to be frozen too.
    pub kernel_threads: bool,
    /// How often the kernel went round to ask the tasks; `None` where nobody saw that.
    pub rounds: Option<u32>,
    /// How long the kernel tried at most, ns: its own limit, or the shorter one of this command.
    pub limit_ns: Option<u64>,
    /// The kernel's own limit, ns (`/sys/power/pm_freeze_timeout`).
    pub kernel_limit_ns: Option<u64>,
}

/// A task's way through the freeze, with times relative to the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskDetail {
    /// Thread id.
    pub tid: i32,
    /// Process id.
    pub tgid: Option<i32>,
    /// Name.
    pub comm: Option<Name>,
    /// How it came to be frozen; `None`: it is not.
    pub arrival: Option<crate::model::Arrival>,
    /// Request to frozen, ns.
    pub frozen_after_ns: Option<u64>,
    /// Request until woken, ns.
    pub until_woken_ns: Option<u64>,
    /// Woken until it got a CPU, ns.
    pub waited_for_cpu_ns: Option<u64>,
    /// On a CPU until frozen, ns.
    pub until_frozen_ns: Option<u64>,
    /// How long it was in the refrigerator or the frozen trap, ns, where it has left it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refrigerated_ns: Option<u64>,
    /// Came after the request.
    pub late: bool,
}

impl TaskDetail {
    /// From a timeline and the time of the request.
    #[must_use]
    pub fn of(task: &TaskTimeline, requested_at: u64) -> Self {
        let stages = task.stages(requested_at);
        Self {
            tid: task.tid,
            tgid: task.tgid,
            comm: task.comm.clone(),
            arrival: task.arrival,
            frozen_after_ns: task.latency_ns(requested_at),
            until_woken_ns: stages.until_woken_ns,
            waited_for_cpu_ns: stages.waited_for_cpu_ns,
            until_frozen_ns: stages.until_frozen_ns,
            refrigerated_ns: task.refrigerated_ns,
            late: task.late,
        }
    }
}
