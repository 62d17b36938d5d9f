//! Which programs a watch wants, and what is lost where one is refused.

use freezer_common::hook::Hook;
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
    /// A tracepoint with typed arguments.
    Tracepoint,
    /// The entry of a kernel function: fentry, or kprobe where that is refused.
    Function,
}

/// One program the agent would like to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Counter slot, and name.
    pub hook: Hook,
    /// Tracepoint or function.
    pub target: &'static str,
    /// How to attach.
    pub attach: Attach,
    /// What is lost without.
    pub lost: &'static str,
}

const fn tracepoint(hook: Hook, lost: &'static str) -> Wish {
    Wish { hook, target: hook.name(), attach: Attach::Tracepoint, lost }
}

const fn function(hook: Hook, target: &'static str, lost: &'static str) -> Wish {
    Wish { hook, target, attach: Attach::Function, lost }
}

const ASKED: &str = "no time at which each task was asked";
const ENTERED: &str = "entering the freezer is told from the scheduler's events alone";

const BOTH: [Wish; 6] = [
    tracepoint(Hook::SchedSwitch, "no time at which each task froze"),
    tracepoint(Hook::SchedWaking, "no time at which each task was woken"),
    tracepoint(Hook::Fork, "tasks forked during the freeze are found by looking again only"),
    tracepoint(Hook::Exec, "programs executed during the freeze go unnoticed"),
    tracepoint(Hook::Exit, "tasks that exit during the freeze are found by looking again only"),
    tracepoint(Hook::CgroupAttach, "tasks moved in during the freeze are found by looking again only"),
];
const V1: [Wish; 2] = [
    function(Hook::TaskAsked, "freeze_task", ASKED),
    function(Hook::Refrigerated, "__refrigerator", ENTERED),
];
const V2: [Wish; 5] = [
    tracepoint(Hook::CgroupFreeze, "no time of the request"),
    tracepoint(Hook::CgroupUnfreeze, "thaws by others go unnoticed"),
    tracepoint(Hook::CgroupNotifyFrozen, "no time of the kernel's own confirmation"),
    function(Hook::TaskAsked, "cgroup_freeze_task", ASKED),
    function(Hook::Refrigerated, "cgroup_enter_frozen", ENTERED),
];

const STRAGGLERS: &str =
    "who freezes the system, when each task was asked and which tasks refuse goes unnoticed";
const SYSTEM: [Wish; 8] = [
    tracepoint(Hook::SchedSwitch, "no time at which each task froze"),
    tracepoint(Hook::SchedWaking, "no time at which each task was woken"),
    tracepoint(Hook::Fork, "tasks forked during the freeze are found by looking again only"),
    tracepoint(Hook::Exit, "tasks that exit during the freeze are found by looking again only"),
    function(Hook::TaskAsked, "freeze_task", STRAGGLERS),
    function(Hook::Refrigerated, "__refrigerator", ENTERED),
    function(Hook::System, "freeze_kernel_threads", "kernel threads that refuse are not told"),
    function(Hook::System, "thaw_processes", "the time of the thaw is when the agent runs again"),
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
    #[must_use]
    pub fn new(hierarchy: Hierarchy, btf: &Btf, offsets: &Offsets) -> Self {
        let own: &[Wish] = match hierarchy {
            Hierarchy::V1 => &V1,
            Hierarchy::V2 => &V2,
        };
        Self::of(BOTH.iter().chain(own), btf, offsets)
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
        Attach::Tracepoint => btf.id(Kind::Typedef, &format!("btf_trace_{}", wish.target)).is_some(),
        Attach::Function => btf.id(Kind::Func, wish.target).is_some(),
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
