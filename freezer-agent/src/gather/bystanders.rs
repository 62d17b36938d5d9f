//! Tasks outside a frozen cgroup that sleep where somebody inside may be what they wait for.

use std::collections::BTreeSet;
use std::time::Instant;

use super::Gatherer;
use super::{cgroups, storage};
use crate::explain::Facts;
use crate::explain::facts::TaskFacts;
use crate::explain::functions;
use crate::model::{Name, TaskSnapshot, TaskState};
use crate::source::procfs;

impl Gatherer<'_> {
    /// The subtree, taken as frozen where the kernel said that all of it is, and the sleepers outside that wait in
    /// something a rule knows.
    pub(super) fn bystanders(&mut self, all_frozen: bool) -> Facts {
        let (inside, outside): (Vec<_>, Vec<_>) =
            self.subject.host.iter().partition(|task| self.in_subtree(task));
        let tasks: Vec<TaskFacts> = inside
            .into_iter()
            .map(|task| TaskFacts { task: marked(task, all_frozen), details: None })
            .collect();
        let tracers: BTreeSet<i32> = tasks.iter().filter_map(|facts| facts.task.tracer).collect();
        let mut others: Vec<TaskFacts> = Vec::new();
        for task in outside {
            if self.may_wait(task, &tracers) {
                let mut task = task.clone();
                task.stack = procfs::stack(task.tid);
                others.push(TaskFacts { details: self.details(&task), task });
            } else if task.tracer.is_some_and(|tracer| tracers.contains(&tracer)) {
                // Another tracee of a tracer of interest.
                others.push(TaskFacts { task: task.clone(), details: None });
            }
        }
        let looked_at: Vec<&TaskFacts> = others.iter().collect();
        let storage = storage::gather(&self.proc, &looked_at, &self.subject.host, self.deadline);
        let found = self.scan_descriptors(&others, &BTreeSet::new(), &looked_at);
        let known: BTreeSet<i32> = tasks.iter().chain(&others).map(|facts| facts.task.tid).collect();
        let (helpers, keys) = self.helpers(&others, &BTreeSet::new());
        let mut holders: BTreeSet<i32> = found.holders().collect();
        holders.extend(helpers.iter().map(|helper| helper.pid));
        let holders = holders.difference(&known).filter_map(|tid| self.by_tid.get(tid));
        others.extend(holders.map(|&task| TaskFacts { task: task.clone(), details: None }));
        let hosts = cgroups::Mounted::read(&self.proc);
        let mut cgroups = hosts.of_tasks(&self.proc, tasks.iter().chain(&others).map(|facts| &facts.task));
        self.add_frozen_cgroup(&mut cgroups);
        Facts {
            kernel: self.proc.kernel_release(),
            hierarchy: self.hierarchy,
            cgroup: Name::from(self.subject.frozen.dir()),
            subtree: self.subtree.to_vec(),
            asked_ns_ago: self.subject.asked_ns_ago,
            tasks,
            others,
            fuse: found.fuse,
            userfaultfds: found.userfaultfds,
            quotas: Vec::new(),
            seccomp: found.seccomp,
            fanotify: found.fanotify,
            automounts: found.automounts,
            helpers,
            keys,
            memory: Vec::new(),
            awaited: Vec::new(),
            storage,
            cgroups,
            froze: Vec::new(),
            system: None,
            gaps: std::mem::take(&mut self.gaps).into_iter().collect(),
        }
    }

    /// By the lock it waits for, by `D`, or by where it sleeps; one small file per sleeper.
    fn may_wait(&mut self, task: &TaskSnapshot, tracers: &BTreeSet<i32>) -> bool {
        let asleep = matches!(task.state, TaskState::Sleeping | TaskState::Uninterruptible);
        let frozen = task.frozen_v1 == Some(true) || task.frozen_v2 == Some(true);
        if task.kernel_thread || !asleep || frozen {
            return false;
        }
        if task.lock.is_some() || task.state == TaskState::Uninterruptible || tracers.contains(&task.tid) {
            return true;
        }
        if Instant::now() > self.deadline {
            self.gaps
                .insert("looking for whom the freeze hurts took too long: some were left out".to_owned());
            return false;
        }
        // Before 5.16 wchan is 0 for everybody (fs/proc/base.c), and the stack alone tells it.
        let place = self.proc.process(task.tid).wchan();
        let place = place.or_else(|| procfs::stack(task.tid).into_iter().next());
        place.is_some_and(|function| functions::is_known(&function))
    }
}

/// Without BPF a task frozen in place cannot be told by itself; the cgroup's own word covers it.
fn marked(task: &TaskSnapshot, all_frozen: bool) -> TaskSnapshot {
    let mut task = task.clone();
    if all_frozen {
        let mark = |frozen: &mut Option<bool>| {
            frozen.get_or_insert(true);
        };
        match (task.cgroup_v1, task.cgroup_v2) {
            (Some(_), None) => mark(&mut task.frozen_v1),
            (None, Some(_)) => mark(&mut task.frozen_v2),
            // BPF tells both, and the marks.
            _ => {}
        }
    }
    task
}
