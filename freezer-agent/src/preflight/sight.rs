//! Everything the pre-flight rules may know: gathered before, judged after.

use std::fmt;

use super::{Kind, Obstacle};
use crate::explain::facts::{CpuQuota, MountFacts};
use crate::explain::{Foreseen, facts::Userfaultfd};
use crate::model::{FreezerState, Hierarchy, Name};

/// One look at a cgroup that may be frozen soon.
#[derive(Clone, Debug)]
pub struct Sight {
    /// Which freezer.
    pub hierarchy: Hierarchy,
    /// Its directory.
    pub cgroup: Name,
    /// Living tasks in it and below.
    pub tasks: usize,
    /// What the freezer's files say; `None` for a root.
    pub request: Option<RequestSeen>,
    /// Why `freeze` would refuse it.
    pub refusal: Option<Refused>,
    /// Tasks that wait where no freezer reaches them, by the rules of a real freeze.
    pub foreseen: Vec<Foreseen>,
    /// Kernel threads inside, and whether a v1 freeze would stop them.
    pub kernel_threads: Vec<(Party, bool)>,
    /// Who traces whom, with at least one of them inside.
    pub traces: Vec<Trace>,
    /// FUSE connections served from inside.
    pub fuse: Vec<Served>,
    /// Descriptors inside by which a process decides about others.
    pub supervisors: Vec<Supervisor>,
    /// Processes inside that write a core dump.
    pub dumping: Vec<Party>,
    /// Tasks inside in the middle of an execve(2).
    pub executing: Vec<Party>,
    /// CPU quotas on the way from the tasks inside to the root.
    pub quotas: Vec<CpuQuota>,
    /// Ancestors of this very command that are inside, and what they are to it.
    pub ancestry: Vec<(Party, &'static str)>,
    /// What could not be looked at, a sentence each.
    pub gaps: Vec<String>,
}

/// What the freezer's files say.
#[derive(Clone, Debug)]
pub struct RequestSeen {
    /// State of the subtree.
    pub state: FreezerState,
    /// The cgroup itself asks.
    pub own: bool,
    /// An ancestor asks; its directory, or that it is out of view.
    pub ancestor: Option<Name>,
    /// Cgroups below that ask for themselves.
    pub inner: Vec<Name>,
}

/// A freeze that would be refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Which rule.
    pub kind: Kind,
    /// The sentence `freeze` would print.
    pub why: String,
}

/// A task, and on which side of the cgroup's border it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Party {
    /// Process id.
    pub pid: i32,
    /// Thread id.
    pub tid: i32,
    /// Name.
    pub comm: Name,
    /// It would be frozen.
    pub inside: bool,
}

impl fmt::Display for Party {
    /// `sshfs (4312)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.comm, self.tid)
    }
}

/// A ptrace(2) relation.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Who traces.
    pub tracer: Party,
    /// Who is traced.
    pub tracee: Party,
}

/// A FUSE connection with a server inside.
#[derive(Clone, Debug)]
pub struct Served {
    /// The server.
    pub server: Party,
    /// The mounts it serves; several where the kernel does not say which.
    pub mounts: Vec<MountFacts>,
    /// The kernel said so.
    pub certain: bool,
    /// Processes with files, memory or their working directory there.
    pub clients: Vec<Party>,
}

/// A descriptor by which a process inside decides about other tasks.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// Who holds it.
    pub who: Party,
    /// By what it decides.
    pub by: Supervises,
}

/// What a supervisor decides.
#[derive(Clone, Debug)]
pub enum Supervises {
    /// System calls of these processes, as far as it can be told: they have a seccomp filter and descend from it.
    Seccomp(Vec<Party>),
    /// Accesses to files, on these mounts where they could be told.
    Fanotify(Vec<Name>),
    /// Page faults.
    Userfault(Userfaultfd),
    /// Automounts below this mount point.
    Autofs(Name),
}

impl Refused {
    /// Always the first thing to say.
    #[must_use]
    pub fn obstacle(&self) -> Obstacle {
        Obstacle::Refused
    }
}
