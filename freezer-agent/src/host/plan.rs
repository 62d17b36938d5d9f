//! Which programs a watch wants, and what is lost where one is refused.

use freezer_common::hook::{Function, Hook};
use serde::{Deserialize, Serialize};

use super::{
    btf::{Btf, Kind},
    offsets::Offsets,
};
use crate::model::Hierarchy;

/// Something this kernel, or these privileges, do not give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// What: a program, a field, a file.
    pub what: String,
    /// The kernel's own answer.
    pub why: String,
    /// What the user does not get without it.
    pub lost: String,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} ({})", self.what, self.why, self.lost)
    }
}

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// A tracepoint: with typed arguments, raw where that is refused, else through a perf event.
    Tracepoint(Classic),
    /// The entry of a kernel function: fentry, or kprobe where that is refused.
    Function(Function),
    /// The return of a kernel function: fexit. A kretprobe may miss some.
    Return(Function),
}

/// What a tracepoint still gives through a perf event: a record without addresses, and the current task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classic {
    /// All that is wanted.
    Whole,
    /// Not all: what is lost.
    Less(&'static str),
    /// Nothing: its record does not tell whether the task is a watched one.
    Nothing,
}

/// One program the agent would like to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Tracepoint or function.
    pub target: &'static str,
    /// How to attach.
    pub attach: Attach,
    /// What is lost without.
    pub lost: &'static str,
}

const fn tracepoint(hook: Hook, classic: Classic, lost: &'static str) -> Wish {
    Wish { target: hook.name(), attach: Attach::Tracepoint(classic), lost }
}

const fn function(function: Function, lost: &'static str) -> Wish {
    Wish { target: function.name(), attach: Attach::Function(function), lost }
}

const fn returns(function: Function) -> Wish {
    let lost = "how long each task stayed in the freezer is not known";
    Wish { target: function.name(), attach: Attach::Return(function), lost }
}

const ASKED: &str = "no time at which each task was asked";
const ENTERED: &str = "entering the freezer is told from the scheduler's events alone";

const SWITCH: Wish = tracepoint(
    Hook::SchedSwitch,
    Classic::Less("no time at which each task got a CPU"),
    "no time at which each task froze",
);
const WAKING: Wish = tracepoint(Hook::SchedWaking, Classic::Nothing, "no time at which each task was woken");
const FORK: Wish = tracepoint(
    Hook::Fork,
    Classic::Less("a new thread cannot be told from a new process"),
    "tasks forked during the freeze are found by looking again only",
);
const EXIT: Wish = tracepoint(
    Hook::Exit,
    Classic::Whole,
    "tasks that exit during the freeze are found by looking again only",
);

const BOTH: [Wish; 6] = [
    SWITCH,
    WAKING,
    FORK,
    tracepoint(Hook::Exec, Classic::Whole, "programs executed during the freeze go unnoticed"),
    EXIT,
    tracepoint(
        Hook::CgroupAttach,
        Classic::Nothing,
        "tasks moved in during the freeze are found by looking again only",
    ),
];
const V1: [Wish; 2] = [function(Function::FreezeTask, ASKED), function(Function::Refrigerator, ENTERED)];
const V2: [Wish; 5] = [
    tracepoint(Hook::CgroupFreeze, Classic::Whole, "no time of the request"),
    tracepoint(Hook::CgroupUnfreeze, Classic::Whole, "thaws by others go unnoticed"),
    tracepoint(Hook::CgroupNotifyFrozen, Classic::Whole, "no time of the kernel's own confirmation"),
    function(Function::CgroupFreezeTask, ASKED),
    function(Function::CgroupEnterFrozen, ENTERED),
];

/// In v1 no tracepoint tells of a request.
const V1_OTHERS: [Wish; 2] = [
    function(Function::FreezerApplyState, "who asks for a freeze in v1, and when, goes unnoticed"),
    returns(Function::Refrigerator),
];
const V2_OTHERS: [Wish; 1] = [returns(Function::CgroupLeaveFrozen)];

const STRAGGLERS: &str =
    "who freezes the system, when each task was asked and which tasks refuse goes unnoticed";
const SYSTEM: [Wish; 8] = [
    SWITCH,
    WAKING,
    FORK,
    EXIT,
    function(Function::FreezeTask, STRAGGLERS),
    function(Function::Refrigerator, ENTERED),
    function(Function::FreezeKernelThreads, "kernel threads that refuse are not told"),
    function(Function::ThawProcesses, "the time of the thaw is when the agent runs again"),
];

/// What to load for a watch in one hierarchy on this kernel.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Programs to try, each on its own.
    pub wishes: Vec<Wish>,
    /// What is known to be missing before anything is loaded.
    pub missing: Vec<Missing>,
}

impl Plan {
    /// No programs but those loaded on demand: for snapshots of a host on which nothing is watched.
    #[must_use]
    pub fn nothing(offsets: &Offsets) -> Self {
        Self { wishes: Vec::new(), missing: fields(offsets) }
    }

    /// Works out what to try: nothing is loaded for the other hierarchy.
    ///
    /// `by_others`: also who asks and when it ends, which who does so himself knows.
    #[must_use]
    pub fn new(hierarchy: Hierarchy, by_others: bool, btf: &Btf, offsets: &Offsets) -> Self {
        let (own, others): (&[Wish], &[Wish]) = match hierarchy {
            Hierarchy::V1 => (&V1, &V1_OTHERS),
            Hierarchy::V2 => (&V2, &V2_OTHERS),
        };
        let others = if by_others { others } else { &[] };
        Self::of(BOTH.iter().chain(own).chain(others), btf, offsets)
    }

    /// What to try for the freeze of the whole system.
    #[must_use]
    pub fn system(btf: &Btf, offsets: &Offsets) -> Self {
        Self::of(SYSTEM.iter(), btf, offsets)
    }

    fn of<'w>(wishes: impl Iterator<Item = &'w Wish>, btf: &Btf, offsets: &Offsets) -> Self {
        let mut plan = Self { wishes: Vec::new(), missing: fields(offsets) };
        for wish in wishes {
            if has_target(btf, wish) {
                plan.wishes.push(*wish);
            } else {
                plan.missing.push(Missing {
                    what: wish.target.to_owned(),
                    why: "this kernel has no such tracepoint or function".to_owned(),
                    lost: wish.lost.to_owned(),
                });
            }
        }
        plan
    }
}

fn has_target(btf: &Btf, wish: &Wish) -> bool {
    match wish.attach {
        Attach::Tracepoint(_) => btf.id(Kind::Typedef, &format!("btf_trace_{}", wish.target)).is_some(),
        Attach::Function(function) | Attach::Return(function) => {
            btf.id(Kind::Func, function.name()).is_some()
        }
    }
}

const FILES: &str = "before 6.15 it is not certain which FUSE server serves which mount";

/// Fields without which an answer is poorer.
fn fields(offsets: &Offsets) -> Vec<Missing> {
    let without_blocker = if offsets.has_queues() {
        "locks are told by their queues: semaphores by the kernel stack only, without their owner"
    } else {
        "locks are told by the kernel stack, without their owner"
    };
    [
        ("TASK_BLOCKER", "task->blocker", without_blocker),
        ("FILE_INODE", "file->f_inode", FILES),
        ("FILE_PRIVATE", "file->private_data", FILES),
        ("INODE_RDEV", "inode->i_rdev", FILES),
        ("INODE_PRIVATE", "inode->i_private", FILES),
        ("TASK_EXEC_START", "task->se.exec_start", "how long a task has not run is not known"),
        ("TASK_CFS_RQ", "task->se.cfs_rq", "how long a task has not run, and quotas, are not known"),
        ("CSS_SET_FREEZER", "the v1 freezer controller", "v1 cgroups cannot be watched"),
        ("TASK_FROZEN_BYTE", "task->frozen", "v2 cgroups cannot be frozen on this kernel"),
    ]
    .into_iter()
    .filter(|(global, _, _)| !offsets.has(global))
    .map(|(_, what, lost)| Missing {
        what: what.to_owned(),
        why: "this kernel was built without it".to_owned(),
        lost: lost.to_owned(),
    })
    .chain(offsets.odd().iter().map(|what| Missing {
        what: what.clone(),
        why: "this agent does not know such a kernel".to_owned(),
        lost: "it is not read".to_owned(),
    }))
    .collect()
}
