//! Facts from /proc, /sys and the snapshots: collects, never decides. Every look has a deadline.
//!
//! Only files that cannot hang are read: `stat`, `wchan`, `syscall`, `cgroup`, `mountinfo`, `fdinfo/N` and the links
//! `cwd`, `root` and `fd/N`, never followed. Memory of another process is read by a helper with a deadline (`memory.rs`).

mod autofs;
mod bystanders;
mod cgroups;
mod descriptors;
mod fanotify;
mod fuse;
mod fuse_devices;
mod fusectl;
mod helpers;
mod holders;
mod io_limits;
mod listeners;
mod mapped;
mod memory;
mod mountinfo;
mod network;
mod oom;
mod paths;
pub mod preflight;
mod procdir;
mod quota;
mod reader;
mod storage;
mod syscall;
mod tables;
mod threads;
mod walk;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cgroupfs::Cgroup;
use crate::explain::Facts;
use crate::explain::facts::{
    BeforeRequest, CgroupFacts, Froze, KeyUpcall, MappedFile, StackSample, TaskDetails, TaskFacts,
    UserModeHelper, WholeSystem,
};
use crate::explain::functions::{Mechanism, contains, means};
use crate::model::{Hierarchy, Joined, Name, TaskSnapshot, TaskState};
use crate::source::OpenFiles;
use memory::{Memory, MemoryError};
use procdir::{ProcDir, Process};
use tables::Tables;

/// All looks together take no longer than about this: a session that waits for a freeze must go on.
const BUDGET: Duration = Duration::from_millis(400);

/// Tasks looked at for one kind of holder.
const LONGEST_CHAIN: usize = 16;

/// What is being frozen.
#[derive(Clone, Copy, Debug)]
pub enum Frozen<'a> {
    /// The subtree of a cgroup.
    Cgroup(&'a Cgroup),
    /// The whole system. It is thawed when it is looked at, for nobody could look before: the tasks are told as they were
    /// in the freeze, and a closer look at one of these is known already.
    System(&'a WholeSystem, &'a HashMap<i32, TaskDetails>),
}

impl<'a> Frozen<'a> {
    /// The freezer whose marks tell which task is frozen.
    fn hierarchy(self) -> Hierarchy {
        match self {
            Self::Cgroup(cgroup) => cgroup.hierarchy,
            Self::System(..) => Hierarchy::V1,
        }
    }

    /// The cgroup's directory.
    fn dir(self) -> &'a Path {
        match self {
            Self::Cgroup(cgroup) => &cgroup.dir,
            Self::System(..) => Path::new("/"),
        }
    }

    /// Ids of the cgroups of the subtree.
    fn subtree(self) -> Vec<u64> {
        match self {
            // A cgroup removed meanwhile has no subtree, and none of the tasks are in it.
            Self::Cgroup(cgroup) => cgroup.subtree_ids().unwrap_or_else(|_| vec![cgroup.id]),
            Self::System(..) => Vec::new(),
        }
    }

    fn system(self) -> Option<&'a WholeSystem> {
        match self {
            Self::Cgroup(_) => None,
            Self::System(system, _) => Some(system),
        }
    }
}

/// What is looked at, and what the caller has observed of it so far.
#[derive(Debug)]
pub struct Subject<'a> {
    /// What is being frozen.
    pub frozen: Frozen<'a>,
    /// One look at every task of the host.
    pub host: Vec<TaskSnapshot>,
    /// ns from the request to that look; `None` where somebody else asked.
    pub asked_ns_ago: Option<u64>,
    /// Timer samples by thread id.
    pub samples: HashMap<i32, Vec<StackSample>>,
    /// Tasks that joined after the request, by thread id.
    pub joined: HashMap<i32, Joined>,
    /// Tasks as they looked before the request, by thread id.
    pub before: HashMap<i32, BeforeRequest>,
    /// Tasks of which the events of this freeze tell when they froze.
    pub froze: Vec<Froze>,
    /// The walk over open files, for what this kernel's `fdinfo` leaves out.
    pub open_files: Option<OpenFiles>,
}

/// Collects what the rules need to know of the subject.
#[must_use]
pub fn gather(subject: &Subject<'_>) -> Facts {
    let subtree = subject.frozen.subtree();
    Gatherer::new(subject, &subtree).run()
}

/// A closer look at those of these tasks that sleep where only a look tells in what.
#[must_use]
pub fn look_closer(host: &[TaskSnapshot]) -> HashMap<i32, TaskDetails> {
    let (system, known) = (WholeSystem::default(), HashMap::new());
    let subject = Subject {
        frozen: Frozen::System(&system, &known),
        host: Vec::new(),
        asked_ns_ago: None,
        samples: HashMap::new(),
        joined: HashMap::new(),
        before: HashMap::new(),
        froze: Vec::new(),
        open_files: None,
    };
    let mut gatherer = Gatherer::new(&subject, &[]);
    let asleep = host.iter().filter(|task| !task.kernel_thread && task.state == TaskState::Uninterruptible);
    asleep.filter_map(|task| Some((task.tid, gatherer.details(task)?))).collect()
}

/// Collects what the tasks outside that wait for somebody of a frozen subtree point at; all of that subtree is frozen
/// where `all_frozen`.
#[must_use]
pub fn bystanders(subject: &Subject<'_>, all_frozen: bool) -> Facts {
    let subtree = subject.frozen.subtree();
    Gatherer::new(subject, &subtree).bystanders(all_frozen)
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
            hierarchy: subject.frozen.hierarchy(),
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
        let (awaited, mut first) = threads::awaited(&tasks, &self.subject.host, &self.proc);
        first.extend(awaited.iter().map(|thread| thread.tid));
        self.add_runners(&tasks, &outside, &mut first);
        let holders::Held { others, found, helpers, keys } = self.follow_holders(&tasks, first);
        let looked_at: Vec<&TaskFacts> = tasks.iter().chain(&others).collect();
        let storage = storage::gather(&self.proc, &looked_at, &self.subject.host, self.deadline);
        let quotas = quota::covering(
            &self.proc,
            tasks.iter().filter(|f| is_runnable(f)).map(|f| &f.task),
            self.deadline,
        );
        let memory = oom::covering(&self.proc, tasks.iter().chain(&others));
        let mut cgroups =
            self.hosts.of_tasks(&self.proc, tasks.iter().chain(&others).map(|facts| &facts.task));
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
            quotas,
            seccomp: found.seccomp,
            fanotify: found.fanotify,
            automounts: found.automounts,
            helpers,
            keys,
            memory,
            awaited,
            storage,
            cgroups,
            gaps: std::mem::take(&mut self.gaps).into_iter().collect(),
            froze: self.subject.froze.clone(),
            system: self.subject.frozen.system().cloned(),
        }
    }

    fn in_subtree(&self, task: &TaskSnapshot) -> bool {
        if let Some(system) = self.subject.frozen.system() {
            return system.covers(task);
        }
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

    /// The cgroup that is being frozen itself, where no task named it.
    fn add_frozen_cgroup(&self, cgroups: &mut Vec<CgroupFacts>) {
        if let Frozen::Cgroup(cgroup) = self.subject.frozen {
            self.hosts.add_directory(cgroups, cgroup.hierarchy, &cgroup.dir);
        }
    }

    fn details(&mut self, task: &TaskSnapshot) -> Option<TaskDetails> {
        if let Frozen::System(_, known) = self.subject.frozen
            && let Some(details) = known.get(&task.tid)
        {
            return Some(details.clone());
        }
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
        let wchan = process.wchan();
        let waits_in = |mechanism| waits_in(task, wchan.as_deref(), mechanism);
        let used_file = waits_in(Mechanism::FanotifyPermission)
            .then(|| fanotify::used_file(&self.proc, &process, syscall.as_ref()))
            .flatten();
        let automounts = if waits_in(Mechanism::AutofsWait) {
            autofs::live(process.mounts()).map(|(mount, _)| mount.facts).collect()
        } else {
            Vec::new()
        };
        Some(TaskDetails {
            wchan,
            syscall,
            mapped,
            used_file,
            automounts,
            samples: self.subject.samples.get(&tid).cloned().unwrap_or_default(),
            joined: self.subject.joined.get(&tid).cloned(),
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
        // /proc does not tell who is on a CPU and who waits for it.
        let runs = |t: &TaskSnapshot| t.on_cpu.unwrap_or(t.state == TaskState::Running);
        let runners = outside.iter().filter(|t| runs(t) && Some(t.tgid) != own && wanted.contains(&t.cpu));
        others.extend(runners.map(|task| task.tid));
    }

    /// The holders of what tasks are served through, looked for only where something points at them.
    fn scan_descriptors(
        &mut self,
        tasks: &[TaskFacts],
        owners: &BTreeSet<i32>,
        suspects: &[&TaskFacts],
    ) -> descriptors::Found {
        let suspects = || suspects.iter().copied().filter(|facts| facts.details.is_some());
        let fuse = self.fuse_connections(&suspects().collect::<Vec<_>>(), tasks);
        let waits = |mechanism| self.waits(tasks, owners, mechanism);
        let mut wanted = descriptors::Wanted {
            fuse,
            userfault: suspects().any(|facts| may_be(facts, Mechanism::Userfault) || is_runnable(facts)),
            seccomp: waits(Mechanism::SeccompNotify),
            fanotify: waits(Mechanism::FanotifyPermission),
            ..descriptors::Wanted::default()
        };
        let on_automount =
            suspects().filter(|facts| may_be(facts, Mechanism::AutofsWait)).map(|facts| facts.task.tid);
        let mut on_automount: BTreeSet<i32> = on_automount.chain(owners.iter().copied()).collect();
        if wanted.anything() {
            // A server may wait for another server: since there is a walk, look for those too.
            wanted.seccomp |= self.anyone_waits(Mechanism::SeccompNotify).next().is_some();
            wanted.fanotify |= self.anyone_waits(Mechanism::FanotifyPermission).next().is_some();
            on_automount.extend(self.anyone_waits(Mechanism::AutofsWait).take(LONGEST_CHAIN));
        }
        if waits(Mechanism::AutofsWait) || wanted.anything() {
            for (_, automount) in
                on_automount.into_iter().flat_map(|tid| autofs::live(self.proc.process(tid).mounts()))
            {
                autofs::add(&mut wanted.automounts, automount);
            }
        }
        if !wanted.anything() {
            return descriptors::Found::default();
        }
        let mut found = descriptors::scan(&self.proc, wanted, self.deadline);
        self.tell_fuse_devices(&mut found);
        if found.unfinished {
            self.gaps.insert(
                "looking for servers, supervisors and listeners took too long: some were left out".to_owned(),
            );
        }
        found
    }

    /// The programs that the kernel started, and the keys they are to make, where something waits for them.
    fn helpers(
        &mut self,
        tasks: &[TaskFacts],
        others: &BTreeSet<i32>,
    ) -> (Vec<UserModeHelper>, Vec<KeyUpcall>) {
        if !self.waits(tasks, others, Mechanism::HelperWait) {
            return Default::default();
        }
        let helpers = helpers::helpers(&self.subject.host, &self.by_tid, &mut self.memory);
        (helpers, helpers::keys(&self.proc.keys()))
    }

    /// Whether a task of the subtree, or one that something points at, sleeps there.
    fn waits(&self, tasks: &[TaskFacts], others: &BTreeSet<i32>, mechanism: Mechanism) -> bool {
        tasks.iter().any(|facts| facts.details.is_some() && may_be(facts, mechanism))
            || others
                .iter()
                .filter_map(|tid| self.by_tid.get(tid))
                .any(|task| waits_in(task, None, mechanism))
    }

    /// The tasks of the host that sleep there.
    fn anyone_waits(&self, mechanism: Mechanism) -> impl Iterator<Item = i32> + '_ {
        self.subject.host.iter().filter(move |task| waits_in(task, None, mechanism)).map(|task| task.tid)
    }
}

/// Whether the innermost function of a task, or where there is no stack, its wchan, means this.
fn waits_in(task: &TaskSnapshot, wchan: Option<&str>, mechanism: Mechanism) -> bool {
    task.stack.first().map(String::as_str).or(wchan).is_some_and(|frame| means(frame, mechanism))
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
