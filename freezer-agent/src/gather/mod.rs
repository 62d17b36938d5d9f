//! Facts from /proc, /sys and the snapshots: collects, never decides. Every look has a deadline.
//!
//! Only files that cannot hang are read: `stat`, `wchan`, `syscall`, `cgroup`, `mountinfo`, `fdinfo/N` and the links
//! `cwd`, `root` and `fd/N`, never followed. Memory of another process is read on a helper thread with a deadline (`memory.rs`).

mod cgroups;
mod descriptors;
mod holders;
mod mapped;
mod memory;
mod mountinfo;
mod paths;
mod procdir;
mod quota;
mod syscall;
mod tables;
mod walk;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::cgroupfs::Cgroup;
use crate::explain::Facts;
use crate::explain::facts::{BeforeRequest, Froze, MappedFile, StackSample, TaskDetails, TaskFacts};
use crate::explain::functions::{Mechanism, contains, means};
use crate::model::{Hierarchy, Name, TaskSnapshot, TaskState};
use memory::{Memory, MemoryError};
use procdir::{ProcDir, Process};
use tables::Tables;

/// All looks together take no longer than about this: a session that waits for a freeze must go on.
const BUDGET: Duration = Duration::from_millis(400);

/// What is looked at, and what the caller has observed of it so far.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The cgroup that is being frozen.
    pub cgroup: &'a Cgroup,
    /// One look at every task of the host.
    pub host: Vec<TaskSnapshot>,
    /// ns from the request to that look; `None` where somebody else asked.
    pub asked_ns_ago: Option<u64>,
    /// Timer samples by thread id.
    pub samples: HashMap<i32, Vec<StackSample>>,
    /// Tasks as they looked before the request, by thread id.
    pub before: HashMap<i32, BeforeRequest>,
    /// Tasks of which the events of this freeze tell when they froze.
    pub froze: Vec<Froze>,
}

/// Collects what the rules need to know of the subject.
#[must_use]
pub fn gather(subject: &Subject<'_>) -> Facts {
    // A cgroup removed meanwhile has no subtree, and none of the tasks are in it.
    let subtree = subject.cgroup.subtree_ids().unwrap_or_else(|_| vec![subject.cgroup.id]);
    Gatherer::new(subject, &subtree).run()
}

struct Gatherer<'a> {
    proc: ProcDir,
    memory: Memory,
    tables: Tables,
    hosts: cgroups::Mounted,
    subject: &'a Subject<'a>,
    hierarchy: Hierarchy,
    subtree: &'a [u64],
    by_tid: HashMap<i32, &'a TaskSnapshot>,
    deadline: Instant,
    gaps: BTreeSet<String>,
}

impl<'a> Gatherer<'a> {
    fn new(subject: &'a Subject<'a>, subtree: &'a [u64]) -> Self {
        let proc = ProcDir::host();
        Self {
            hosts: cgroups::Mounted::read(&proc),
            proc,
            memory: Memory::default(),
            tables: Tables::default(),
            subject,
            hierarchy: subject.cgroup.hierarchy,
            subtree,
            by_tid: subject.host.iter().map(|task| (task.tid, task)).collect(),
            deadline: Instant::now() + BUDGET,
            gaps: BTreeSet::new(),
        }
    }

    fn run(&mut self) -> Facts {
        let (inside, outside): (Vec<_>, Vec<_>) =
            self.subject.host.iter().partition(|task| self.in_subtree(task));
        let tasks: Vec<TaskFacts> = inside.into_iter().map(|task| self.look(task, false)).collect();
        let mut first: BTreeSet<i32> = BTreeSet::new();
        self.add_runners(&tasks, &outside, &mut first);
        let holders::Held { others, found } = self.follow_holders(&tasks, first);
        let quotas = quota::covering(
            &self.proc,
            tasks.iter().filter(|f| is_runnable(f)).map(|f| &f.task),
            self.deadline,
        );
        let mut cgroups =
            self.hosts.of_tasks(&self.proc, tasks.iter().chain(&others).map(|facts| &facts.task));
        self.hosts.add_directory(&mut cgroups, self.hierarchy, &self.subject.cgroup.dir);
        Facts {
            kernel: self.proc.kernel_release(),
            hierarchy: self.hierarchy,
            cgroup: Name::from(self.subject.cgroup.dir.as_path()),
            subtree: self.subtree.to_vec(),
            asked_ns_ago: self.subject.asked_ns_ago,
            tasks,
            others,
            fuse: found.fuse,
            userfaultfds: found.userfaultfds,
            quotas,
            cgroups,
            gaps: std::mem::take(&mut self.gaps).into_iter().collect(),
            froze: self.subject.froze.clone(),
        }
    }

    fn in_subtree(&self, task: &TaskSnapshot) -> bool {
        task.cgroup_in(self.hierarchy).is_some_and(|id| self.subtree.contains(&id))
    }

    /// A task with its closer look, unless it is frozen: what a frozen task waits for matters to nobody.
    fn look(&mut self, task: &TaskSnapshot, holder: bool) -> TaskFacts {
        let frozen = if holder {
            task.frozen_v1 == Some(true) || task.frozen_v2 == Some(true)
        } else {
            task.frozen_in(self.hierarchy) == Some(true)
        };
        let details = if frozen { None } else { self.details(task) };
        let mut task = task.clone();
        if holder {
            self.hosts.complete(&self.proc.process(task.tid), &mut task);
        }
        TaskFacts { task, details }
    }

    fn details(&mut self, task: &TaskSnapshot) -> Option<TaskDetails> {
        if Instant::now() > self.deadline {
            self.gaps.insert("looking closer at the tasks took too long: some were left out".to_owned());
            return None;
        }
        let process = self.proc.process(task.tid);
        if !process.is_still(task) {
            self.gaps.insert(format!("task {} was gone before the closer look", task.tid));
            return None;
        }
        let syscall = syscall::of(&process, &mut self.memory, &mut self.tables, &mut self.gaps);
        let mapped = if mapped::faults_on_file(&task.stack) { self.mapped(&process) } else { Vec::new() };
        let tid = task.tid;
        Some(TaskDetails {
            wchan: process.wchan(),
            syscall,
            mapped,
            samples: self.subject.samples.get(&tid).cloned().unwrap_or_default(),
            before: self.subject.before.get(&tid).cloned(),
        })
    }

    fn mapped(&mut self, process: &Process) -> Vec<MappedFile> {
        match mapped::of(process, &mut self.memory, &mut self.tables) {
            Ok(files) => files,
            Err(error) => {
                let why = match error {
                    MemoryError::TooLate => "took too long",
                    MemoryError::Unreadable => "was not possible",
                };
                self.gaps.insert(format!("reading the memory map of {} {why}", process.tid));
                Vec::new()
            }
        }
    }

    /// Who has the CPU that a runnable task of the subtree waits for; never this process, which looks from some CPU.
    fn add_runners(&self, tasks: &[TaskFacts], outside: &[&TaskSnapshot], others: &mut BTreeSet<i32>) {
        let wanted: BTreeSet<u32> = tasks.iter().filter(|f| is_runnable(f)).map(|f| f.task.cpu).collect();
        let own = self.proc.own_pid();
        let runners = outside
            .iter()
            .filter(|t| t.on_cpu == Some(true) && Some(t.tgid) != own && wanted.contains(&t.cpu));
        others.extend(runners.map(|task| task.tid));
    }
}

fn is_runnable(facts: &TaskFacts) -> bool {
    facts.task.state == TaskState::Running && facts.details.is_some()
}

fn may_be(facts: &TaskFacts, mechanism: Mechanism) -> bool {
    let details = facts.details.as_ref();
    contains(&facts.task.stack, mechanism)
        || details.is_some_and(|d| {
            d.wchan.as_deref().is_some_and(|wchan| means(wchan, mechanism))
                || d.samples.iter().any(|sample| contains(&sample.stack, mechanism))
        })
}

fn on_fuse(facts: &TaskFacts) -> bool {
    let call = facts.details.as_ref().and_then(|details| details.syscall.as_ref());
    call.is_some_and(|call| {
        call.files.iter().any(|file| file.mount.as_ref().is_some_and(descriptors::is_fuse))
    })
}
