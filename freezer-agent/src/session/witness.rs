//! Sees a cgroup's tasks: by BPF where the kernel and the privileges allow, else by /proc alone.

use std::collections::HashSet;
use std::io;

use crate::cgroupfs::Cgroup;
use crate::host::{Missing, pids};
use crate::model::{Event, Hierarchy, Session, TaskSnapshot};
use crate::report::{ObserverMode, ObserverReport};
use crate::source::{Attached, Observer, ObserverOptions, OpenFiles, Scope, Stacks, Watch, procfs};

/// What a session is observed with.
pub struct Witness {
    cgroup: Cgroup,
    pub(super) observer: Option<Observer>,
    missing: Vec<Missing>,
}

impl Witness {
    /// Loads the kernel side for `cgroup`; a refusal is kept, and /proc remains.
    pub fn new(cgroup: &Cgroup, log: bool) -> Self {
        Self::load(cgroup, ObserverOptions { log, ..ObserverOptions::default() })
    }

    /// The same for a freeze by somebody else: who asks and how long it lasts is of interest, too.
    pub fn of_others(cgroup: &Cgroup, log: bool) -> Self {
        Self::load(cgroup, ObserverOptions { log, by_others: true, ..ObserverOptions::default() })
    }

    fn load(cgroup: &Cgroup, options: ObserverOptions) -> Self {
        if let Some(why) = pids::foreign_to_the_kernel() {
            return Self::without_bpf(cgroup, why);
        }
        let watch = Watch { hierarchy: cgroup.hierarchy, cgroup_id: cgroup.id };
        match Observer::load(&watch, &options) {
            Ok(observer) => {
                let mut missing = observer.missing().to_vec();
                missing.extend(pids::mixed());
                Self { cgroup: cgroup.clone(), observer: Some(observer), missing }
            }
            Err(error) => Self::without_bpf(cgroup, error.to_string()),
        }
    }

    /// By /proc alone.
    pub fn without_bpf(cgroup: &Cgroup, why: String) -> Self {
        let missing = Missing {
            what: "bpf".to_owned(),
            why,
            lost: "no latency per task, no lock owners, and in v1 frozen cannot always be told from blocked"
                .to_owned(),
        };
        let missing = [missing].into_iter().chain(pids::mixed()).collect();
        Self { cgroup: cgroup.clone(), observer: None, missing }
    }

    /// Whether the kernel's own marks and events are seen.
    pub fn has_bpf(&self) -> bool {
        self.observer.is_some()
    }

    /// The cgroup.
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// Waits for events; without BPF there are none.
    pub async fn next_events(&mut self, out: &mut Vec<Event>) -> io::Result<()> {
        match &mut self.observer {
            Some(observer) => observer.next_events(out).await,
            None => std::future::pending().await,
        }
    }

    /// The walk over open files; `None` where only /proc remains.
    pub fn open_files(&self) -> Option<OpenFiles> {
        self.observer.as_ref().map(Observer::open_files)
    }

    /// Takes the events there are.
    pub fn drain(&mut self, out: &mut Vec<Event>) {
        if let Some(observer) = &mut self.observer {
            observer.drain(out);
        }
    }

    /// Takes in the events up to the look just taken: a task that look shows frozen may have got there only now.
    pub fn catch_up(&mut self, session: &mut Session) {
        let mut events = Vec::new();
        self.drain(&mut events);
        for event in &events {
            session.observe(event);
        }
    }

    /// The freeze is slow: samples what runs, and prepares for the looks to come.
    pub fn start_sampling(&mut self, hz: u64) {
        if let Some(observer) = &mut self.observer {
            observer.prepare();
        }
        if let Some(observer) = &mut self.observer
            && let Err(error) = observer.start_sampling(hz)
        {
            self.missing.push(Missing {
                what: "timer samples".to_owned(),
                why: error.to_string(),
                lost: "what a running task does inside the kernel is not seen".to_owned(),
            });
        }
    }

    /// The end of sampling.
    pub fn stop_sampling(&mut self) {
        if let Some(observer) = &mut self.observer
            && let Err(error) = observer.stop_sampling()
        {
            self.missing.push(Missing {
                what: "timer samples".to_owned(),
                why: error.to_string(),
                lost: "they go on until this process ends".to_owned(),
            });
        }
    }

    /// The tasks of the subtree, without stacks.
    pub fn look(&mut self) -> Vec<TaskSnapshot> {
        self.look_by_bpf().unwrap_or_else(|| subtree_by_procfs(&self.cgroup, false))
    }

    /// The same; `None` where only /proc remains, one file after the other.
    pub fn look_by_bpf(&mut self) -> Option<Vec<TaskSnapshot>> {
        self.walk(Scope::Watched, Stacks::None)
    }

    /// Every task of the host, with the stacks of those that are not frozen.
    pub fn look_at_host(&mut self) -> Vec<TaskSnapshot> {
        self.look_at_host_by_bpf().unwrap_or_else(|| host_by_procfs(&self.cgroup))
    }

    /// The same; `None` where only /proc remains.
    pub fn look_at_host_by_bpf(&mut self) -> Option<Vec<TaskSnapshot>> {
        self.walk(Scope::Host, Stacks::NotFrozen)
    }

    /// Every task of the host, without stacks.
    pub fn look_at_host_without_stacks(&mut self) -> Vec<TaskSnapshot> {
        match self.walk(Scope::Host, Stacks::None) {
            Some(tasks) => tasks,
            None => host_by_procfs(&self.cgroup),
        }
    }

    /// As [`Self::look_at_host`], but what takes long is left for [`HostLook::tasks`], which another thread may call.
    pub fn look_later(&mut self) -> HostLook {
        match self.walk(Scope::Host, Stacks::NotFrozen) {
            Some(tasks) => HostLook::Taken(tasks),
            None => HostLook::ByProcfs(self.cgroup.clone()),
        }
    }

    fn walk(&mut self, scope: Scope, stacks: Stacks) -> Option<Vec<TaskSnapshot>> {
        match self.observer.as_mut()?.snapshot(scope, stacks) {
            Ok(tasks) => {
                if stacks != Stacks::None {
                    self.check_symbols();
                }
                Some(tasks)
            }
            Err(error) => {
                let missing = Missing {
                    what: "task iterator".to_owned(),
                    why: error.to_string(),
                    lost: "tasks are looked at one by one in /proc, with less to see".to_owned(),
                };
                if !self.missing.contains(&missing) {
                    self.missing.push(missing);
                }
                None
            }
        }
    }

    /// Stacks of sleepers have names all the same, from `/proc/TID/stack`; what runs has no such file to read.
    fn check_symbols(&mut self) {
        let Some(Err(error)) = self.observer.as_mut().map(Observer::symbols) else { return };
        let missing = Missing {
            what: "kernel symbols".to_owned(),
            why: error.to_string(),
            lost: "what a running task does inside the kernel has no name".to_owned(),
        };
        if !self.missing.contains(&missing) {
            self.missing.push(missing);
        }
    }

    /// The programs at work.
    pub fn attached(&self) -> &[Attached] {
        self.observer.as_ref().map_or(&[], Observer::attached)
    }

    /// What observed, and what it lost.
    pub fn report(&self) -> ObserverReport {
        let mode = if self.has_bpf() { ObserverMode::Bpf } else { ObserverMode::Proc };
        let mut missing: Vec<String> = self.missing.iter().map(ToString::to_string).collect();
        let lost_events = match self.observer.as_ref().map(Observer::counters) {
            None => 0,
            Some(Ok(counters)) => counters.lost(),
            Some(Err(error)) => {
                missing.push(format!("counters: {error} (how many events were lost is not known)"));
                0
            }
        };
        ObserverReport { mode, lost_events, missing }
    }
}

/// A look at every task of the host.
pub enum HostLook {
    /// By the task iterator.
    Taken(Vec<TaskSnapshot>),
    /// To be taken from /proc, task by task.
    ByProcfs(Cgroup),
}

impl HostLook {
    /// The tasks.
    pub fn tasks(self) -> Vec<TaskSnapshot> {
        match self {
            Self::Taken(tasks) => tasks,
            Self::ByProcfs(cgroup) => host_by_procfs(&cgroup),
        }
    }
}

fn host_by_procfs(cgroup: &Cgroup) -> Vec<TaskSnapshot> {
    let mut tasks = subtree_by_procfs(cgroup, true);
    let inside: HashSet<i32> = tasks.iter().map(|task| task.tid).collect();
    let outside: Vec<i32> = procfs::host_tids().into_iter().filter(|tid| !inside.contains(tid)).collect();
    tasks.extend(procfs::snapshot(&outside, false));
    tasks
}

/// Tasks in the cgroup they are listed in. A cgroup that vanished has none.
fn subtree_by_procfs(top: &Cgroup, with_stacks: bool) -> Vec<TaskSnapshot> {
    let mut all = Vec::new();
    for cgroup in top.subtree().unwrap_or_default() {
        let mut tasks = procfs::snapshot(&cgroup.tasks().unwrap_or_default(), with_stacks);
        for task in &mut tasks {
            match cgroup.hierarchy {
                Hierarchy::V1 => task.cgroup_v1 = Some(cgroup.id),
                Hierarchy::V2 => task.cgroup_v2 = Some(cgroup.id),
            }
        }
        all.append(&mut tasks);
    }
    all
}
