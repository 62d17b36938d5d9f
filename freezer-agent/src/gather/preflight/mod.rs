//! What a pre-flight check looks at beyond the facts of an explanation: files that cannot hang, links never followed.

mod clients;
mod inside;
mod traces;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use super::memory::Memory;
use super::procdir::{ProcDir, Process};
use super::{descriptors, quota};
use crate::cgroupfs::{AncestorRequest, Cgroup};
use crate::control::{ControlError, Refusal, check_safe};
use crate::explain::{Facts, foresee};
use crate::model::{Name, TaskSnapshot, TaskState};
use crate::preflight::Kind;
use crate::preflight::sight::{Party, Refused, RequestSeen, Served, Sight};
use crate::source::OpenFiles;

/// All looks together take no longer than about this.
const BUDGET: Duration = Duration::from_secs(2);
/// Processes whose CPU quotas are looked up: beyond this many they repeat themselves.
const FOR_QUOTAS: usize = 500;

/// What is known of a cgroup before anything is looked at: whether a freeze would be refused, and who asks for one.
pub fn outline(cgroup: &Cgroup) -> Result<Sight, ControlError> {
    let refusal = match check_safe(cgroup, false) {
        Ok(()) => None,
        Err(ControlError::Refused(refusal)) => {
            Some(Refused { kind: kind(&refusal), why: refusal.to_string() })
        }
        Err(error) => return Err(error),
    };
    Ok(Sight {
        hierarchy: cgroup.hierarchy,
        cgroup: Name::from(cgroup.dir.as_path()),
        tasks: 0,
        request: if cgroup.is_root() { None } else { Some(request(cgroup)?) },
        refusal,
        foreseen: Vec::new(),
        kernel_threads: Vec::new(),
        traces: Vec::new(),
        fuse: Vec::new(),
        supervisors: Vec::new(),
        dumping: Vec::new(),
        executing: Vec::new(),
        quotas: Vec::new(),
        ancestry: Vec::new(),
        gaps: Vec::new(),
    })
}

fn kind(refusal: &Refusal) -> Kind {
    match refusal {
        Refusal::Root { .. } => Kind::RootCgroup,
        Refusal::Own { .. } => Kind::OwnCgroup,
        Refusal::Init { .. } => Kind::InitInside,
        Refusal::KernelThreads { .. } => Kind::OnlyKernelThreads,
    }
}

fn request(cgroup: &Cgroup) -> Result<RequestSeen, ControlError> {
    let state = cgroup.state()?;
    let inner = cgroup.requesting_descendants()?;
    Ok(RequestSeen {
        state: state.state,
        own: state.own_request,
        ancestor: state.ancestor.map(|ancestor| match ancestor {
            AncestorRequest::At(dir) => Name::from(dir.as_path()),
            AncestorRequest::OutOfView => Name::from("out of view"),
        }),
        inner: inner.iter().map(|inner| Name::from(inner.dir.as_path())).collect(),
    })
}

/// Fills the outline in, from one look at the host and the facts that an explanation of it would rest on.
///
/// `open_files` tells what `fdinfo` leaves out before 6.15.
pub fn fill(sight: &mut Sight, host: &[TaskSnapshot], facts: &Facts, open_files: Option<&OpenFiles>) {
    let look = Look::new(host, facts);
    let alive = |state| !matches!(state, TaskState::Zombie | TaskState::Dead);
    sight.tasks = facts.tasks.iter().filter(|facts| alive(facts.task.state)).count();
    sight.foreseen = foresee(facts);
    sight.gaps.clone_from(&facts.gaps);
    sight.traces = traces::find(&look);
    sight.ancestry = traces::ancestry(&look);
    let found = inside::look(&look, facts, open_files);
    sight.gaps.extend(found.gap);
    sight.kernel_threads = found.kernel_threads;
    sight.dumping = found.dumping;
    sight.executing = found.executing;
    sight.supervisors = found.supervisors;
    sight.fuse = clients::add(&look, facts, found.fuse);
    let processes: Vec<&TaskSnapshot> = facts
        .tasks
        .iter()
        .map(|facts| &facts.task)
        .filter(|task| task.tid == task.tgid && !task.kernel_thread)
        .collect();
    if processes.len() > FOR_QUOTAS {
        sight.gaps.push(format!("CPU quotas of {FOR_QUOTAS} processes only were looked up"));
    }
    sight.quotas = quota::covering(&look.proc, processes.into_iter().take(FOR_QUOTAS), look.deadline);
    if Instant::now() > look.deadline {
        sight.gaps.push("looking at the processes took too long: some were left out".to_owned());
    }
}

/// What all the looks share.
struct Look<'a> {
    proc: ProcDir,
    host: &'a [TaskSnapshot],
    by_tid: HashMap<i32, &'a TaskSnapshot>,
    inside: HashSet<i32>,
    /// Process ids with a task inside, each once; no kernel threads.
    processes: BTreeSet<i32>,
    deadline: Instant,
}

impl<'a> Look<'a> {
    fn new(host: &'a [TaskSnapshot], facts: &Facts) -> Self {
        let alive = |task: &&crate::explain::facts::TaskFacts| !task.task.kernel_thread;
        Self {
            proc: ProcDir::host(),
            host,
            by_tid: host.iter().map(|task| (task.tid, task)).collect(),
            inside: facts.tasks.iter().map(|facts| facts.task.tid).collect(),
            processes: facts.tasks.iter().filter(alive).map(|facts| facts.task.tgid).collect(),
            deadline: Instant::now() + BUDGET,
        }
    }

    fn party(&self, task: &TaskSnapshot) -> Party {
        Party {
            pid: task.tgid,
            tid: task.tid,
            comm: task.comm.clone(),
            inside: self.inside.contains(&task.tid),
        }
    }

    fn task(&self, tid: i32) -> Option<Party> {
        self.by_tid.get(&tid).map(|task| self.party(task))
    }

    /// The directory of a process, if the id still means the one that was seen.
    fn process(&self, pid: i32) -> Option<Process> {
        let process = self.proc.process(pid);
        let seen = self.by_tid.get(&pid)?;
        process.is_still(seen).then_some(process)
    }

    fn in_time(&self) -> bool {
        Instant::now() <= self.deadline
    }
}
