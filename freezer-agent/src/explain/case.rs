//! One task under judgement, with everything the rules may look at.

use super::facts::{FileFacts, TaskDetails, TaskFacts};
use super::functions::{self, Mechanism};
use super::verdict::{Certainty, Evidence, WaitsFor};
use super::{Cause, Facts};
use crate::model::units::duration;
use crate::model::{Hierarchy, Name, Spent, TaskSnapshot, TaskState};

/// A task and the facts around it.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// All facts.
    pub facts: &'a Facts,
    /// The task's own.
    pub subject: &'a TaskFacts,
    /// Thread ids on the way here, the first blocker first: a chain that comes back is cut.
    pub path: &'a [i32],
}

/// What a rule found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule's cause.
    pub cause: Cause,
    /// How sure cause and holder are.
    pub certainty: Certainty,
    /// "waits for ...".
    pub summary: String,
    /// Path to the culprit.
    pub waits_for: Vec<WaitsFor>,
    /// The way out.
    pub release: String,
    /// Observations worth showing.
    pub notes: Vec<String>,
    /// A sleep the v1 freezer can never freeze in place, so that `D` (or `S`) in it is not frozen.
    pub never_frozen_in_place: bool,
    /// It can never be frozen as it is: why.
    pub impossible: Option<String>,
}

impl Finding {
    /// A finding with nothing optional set.
    #[must_use]
    pub fn new(
        cause: Cause,
        certainty: Certainty,
        summary: impl Into<String>,
        release: impl Into<String>,
    ) -> Self {
        Self {
            cause,
            certainty,
            summary: summary.into(),
            waits_for: Vec::new(),
            release: release.into(),
            notes: Vec::new(),
            never_frozen_in_place: false,
            impossible: None,
        }
    }
}

impl<'a> Case<'a> {
    /// The snapshot.
    #[must_use]
    pub fn task(&self) -> &'a TaskSnapshot {
        &self.subject.task
    }

    /// The closer look.
    #[must_use]
    pub fn details(&self) -> Option<&'a TaskDetails> {
        self.subject.details.as_ref()
    }

    /// `/proc/PID/wchan`.
    #[must_use]
    pub fn wchan(&self) -> Option<&'a str> {
        self.details().and_then(|details| details.wchan.as_deref())
    }

    /// Files its system call names.
    #[must_use]
    pub fn files(&self) -> &'a [FileFacts] {
        self.details().and_then(|details| details.syscall.as_ref()).map_or(&[], |call| &call.files)
    }

    /// Asleep, interruptibly or not.
    #[must_use]
    pub fn asleep(&self) -> bool {
        matches!(self.task().state, TaskState::Sleeping | TaskState::Uninterruptible)
    }

    /// In `D`.
    #[must_use]
    pub fn uninterruptible(&self) -> bool {
        self.task().state == TaskState::Uninterruptible
    }

    /// On its stack, or where there is none, at its wchan.
    #[must_use]
    pub fn at(&self, mechanism: Mechanism) -> bool {
        functions::contains(&self.task().stack, mechanism)
            || self.task().stack.is_empty()
                && self.wchan().is_some_and(|wchan| functions::means(wchan, mechanism))
    }

    /// On the kernel stack of any sample.
    #[must_use]
    pub fn sampled_in(&self, mechanism: Mechanism) -> bool {
        self.details()
            .is_some_and(|d| d.samples.iter().any(|sample| functions::contains(&sample.stack, mechanism)))
    }

    /// What its time since the request was spent on, and how much of its running was in the kernel, ns: only two looks at
    /// /proc tell, events say it better.
    #[must_use]
    pub fn spent(&self) -> Option<(Spent, u64)> {
        let before = self.details()?.before.as_ref()?;
        let (then, now) = (before.times.as_ref()?, self.task().times.as_ref()?);
        let runnable_before = before.state == TaskState::Running;
        let spent = now.spent_since(then, runnable_before, self.facts.asked_ns_ago?);
        Some((spent, now.system_ns.saturating_sub(then.system_ns)))
    }

    /// Runnable ever since the request, and hardly on a CPU: for so many ns, as two looks at /proc tell.
    #[must_use]
    pub fn kept_from_cpu_ns(&self) -> Option<u64> {
        let (spent, _) = self.spent().filter(|_| self.task().state == TaskState::Running)?;
        (spent.asleep_ns == 0 && spent.running_ns < spent.runnable_ns / 4).then_some(spent.runnable_ns)
    }

    /// Whether a task lies in the subtree that is being frozen.
    #[must_use]
    pub fn in_subtree(&self, task: &TaskSnapshot) -> bool {
        if let Some(system) = &self.facts.system {
            return system.covers(task);
        }
        task.cgroup_in(self.facts.hierarchy).is_some_and(|id| self.facts.subtree.contains(&id))
    }

    /// What the verdict rests on.
    #[must_use]
    pub fn evidence(&self, notes: Vec<String>) -> Evidence {
        let syscall = self.details().and_then(|details| details.syscall.as_ref());
        let stack = if self.task().stack.is_empty() {
            self.details()
                .and_then(|d| d.samples.iter().filter(|s| !s.user).max_by_key(|s| s.count))
                .map_or_else(Vec::new, |sample| sample.stack.clone())
        } else {
            self.task().stack.clone()
        };
        Evidence {
            stack,
            syscall: syscall.map(|call| call.name.clone()),
            target: syscall.and_then(|call| call.files.first()).map(|file| file.path.clone()),
            wchan: self.wchan().map(str::to_owned),
            exiting: self.task().exiting,
            notes,
        }
    }

    /// How a task that is frozen in `hierarchy` came to be, as the tail of a sentence.
    #[must_use]
    pub fn frozen_by(&self, task: &TaskSnapshot, hierarchy: Hierarchy) -> String {
        if hierarchy == self.facts.hierarchy && self.in_subtree(task) {
            let this = "frozen by this same freeze";
            return match self
                .facts
                .froze
                .iter()
                .find(|froze| froze.tid == task.tid)
                .map(|froze| froze.after_ns)
            {
                Some(Some(ns)) => format!("{this}, {} into it", duration(ns)),
                Some(None) if self.facts.system.is_some() => "frozen before this freeze".to_owned(),
                Some(None) => "frozen before this freeze, in the same cgroup".to_owned(),
                None => this.to_owned(),
            };
        }
        let cgroup = task.cgroup_in(hierarchy).and_then(|id| self.facts.cgroup(hierarchy, id));
        match cgroup {
            Some(cgroup) => match cgroup.asked_by.first() {
                Some(asker) if *asker != cgroup.path => {
                    format!("frozen in the {hierarchy} cgroup {} by the request of {asker}", cgroup.path)
                }
                _ => format!("frozen in the {hierarchy} cgroup {}", cgroup.path),
            },
            None => format!("frozen in a {hierarchy} cgroup"),
        }
    }

    /// The cgroups whose own requests hold a task frozen, topmost first.
    #[must_use]
    pub fn askers(&self, task: &TaskSnapshot, hierarchy: Hierarchy) -> &'a [Name] {
        let cgroup = task.cgroup_in(hierarchy).and_then(|id| self.facts.cgroup(hierarchy, id));
        cgroup.map_or(&[], |cgroup| &cgroup.asked_by)
    }
}

/// The hierarchy a task is frozen in; v1 first: its mark outlives v2's.
#[must_use]
pub fn frozen_hierarchy(task: &TaskSnapshot) -> Option<Hierarchy> {
    // A stopped or traced task, and a vfork parent, carry v2's mark also where nobody asked for a freeze
    // (kernel/signal.c, do_signal_stop and ptrace_stop enter the frozen state themselves).
    let unasked = |hierarchy| hierarchy == Hierarchy::V2 && task.freeze_asked_v2 == Some(false);
    [Hierarchy::V1, Hierarchy::V2].into_iter().find(|h| task.frozen_in(*h) == Some(true) && !unasked(*h))
}
