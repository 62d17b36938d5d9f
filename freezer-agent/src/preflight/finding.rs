//! What a pre-flight rule says.

use serde::Serialize;

use super::sight::Party;
use crate::explain::Cause;
use crate::model::Name;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// A freeze would block or be refused.
    NoGo,
    /// A freeze would hurt somebody, or be slow.
    Warn,
    /// Worth knowing.
    Note,
}

/// What stands in the way of a freeze, the one to be told first being the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// `freeze` refuses it.
    Refused,
    /// It can never complete as it is.
    Impossible,
    /// It would not complete unless something else moves first.
    Stuck,
}

/// What was found; JSON says it in kebab-case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The root of a hierarchy.
    RootCgroup,
    /// The agent itself is inside.
    OwnCgroup,
    /// Process 1 is inside.
    InitInside,
    /// Nothing but kernel threads is inside.
    OnlyKernelThreads,
    /// A kernel thread is inside.
    KernelThread,
    /// A task is frozen in the other hierarchy.
    FrozenElsewhere,
    /// A task waits where no freezer reaches it.
    Stuck,
    /// A FUSE server is inside.
    FuseServer,
    /// A tracer is inside, its tracee is not.
    Tracer,
    /// A traced task is inside.
    Tracee,
    /// A core dump is being written.
    Coredump,
    /// A program is being executed.
    Exec,
    /// A seccomp supervisor is inside.
    SeccompSupervisor,
    /// A fanotify listener with permission events is inside.
    FanotifyListener,
    /// The holder of a userfaultfd is inside.
    UserfaultfdHandler,
    /// An automount daemon is inside.
    AutofsDaemon,
    /// A CPU quota makes it slow.
    CpuQuota,
    /// The shell or session that this command runs in is inside.
    Terminal,
    /// A freeze is asked for already.
    FreezeAsked,
    /// An ancestor asks for a freeze.
    AncestorFrozen,
    /// A cgroup below asks for a freeze of its own.
    ChildFrozen,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub kind: Kind,
    /// How bad it is.
    pub grade: Grade,
    /// Process id, where it is about a task.
    pub pid: Option<i32>,
    /// Thread id.
    pub tid: Option<i32>,
    /// Its name.
    pub comm: Option<Name>,
    /// One sentence.
    pub summary: String,
    /// What to do about it.
    pub release: String,
    /// The cause that a freeze would name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Why a freeze cannot be done; set for [`Grade::NoGo`] alone.
    #[serde(skip)]
    pub obstacle: Option<Obstacle>,
}

impl Finding {
    /// About nobody in particular.
    pub fn new(kind: Kind, grade: Grade, summary: impl Into<String>, release: impl Into<String>) -> Self {
        Self {
            kind,
            grade,
            pid: None,
            tid: None,
            comm: None,
            summary: summary.into(),
            release: release.into(),
            cause: None,
            obstacle: None,
        }
    }

    /// About a task.
    #[must_use]
    pub fn about(mut self, who: &Party) -> Self {
        (self.pid, self.tid, self.comm) = (Some(who.pid), Some(who.tid), Some(who.comm.clone()));
        self
    }

    /// In the way of a freeze.
    #[must_use]
    pub fn blocks(mut self, obstacle: Obstacle) -> Self {
        self.grade = Grade::NoGo;
        self.obstacle = Some(obstacle);
        self
    }
}
