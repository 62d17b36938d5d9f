//! Everything the rules may know. Gathered first, judged later, and replayable from a file.

mod autofs;
mod fanotify;
mod helpers;
pub mod memory;
mod seccomp;
mod storage;
mod system;
mod threads;
mod timeline;

use serde::{Deserialize, Serialize};

pub use autofs::Automount;
pub use fanotify::{FanotifyListener, FanotifyMark, MarkedObject, UsedFile};
pub use helpers::{KeyUpcall, UserModeHelper};
pub use seccomp::SeccompListener;
pub use storage::{
    AnonymousFs, BlockDevice, IoLimit, LoopWorker, NetworkMount, SpecialFile, StorageFacts, Traffic,
};
pub use system::WholeSystem;
pub use threads::AwaitedThread;
pub use timeline::Froze;

use crate::model::{CpuTimes, Hierarchy, Joined, Name, TaskSnapshot};

/// One look at a cgroup that is being frozen, with all that its tasks point at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// `uname -r`
    pub kernel: String,
    /// Which freezer.
    pub hierarchy: Hierarchy,
    /// The cgroup's directory.
    pub cgroup: Name,
    /// Ids of the cgroup and all its descendants in `hierarchy`.
    pub subtree: Vec<u64>,
    /// ns from the request to this look; `None` where somebody else asked.
    pub asked_ns_ago: Option<u64>,
    /// Tasks of the subtree.
    pub tasks: Vec<TaskFacts>,
    /// Tasks elsewhere that something points at: lock owners, servers, who runs on a CPU.
    pub others: Vec<TaskFacts>,
    /// FUSE connections that a blocked task may concern.
    pub fuse: Vec<FuseConnection>,
    /// Open userfaultfds.
    pub userfaultfds: Vec<Userfaultfd>,
    /// CPU quotas on the way from the blocked tasks' cgroups to the root.
    pub quotas: Vec<CpuQuota>,
    /// Listening ends of seccomp filters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seccomp: Vec<SeccompListener>,
    /// Fanotify groups that are asked for leave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fanotify: Vec<FanotifyListener>,
    /// Automount points that a blocked task may have come upon.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub automounts: Vec<Automount>,
    /// Programs that the kernel started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub helpers: Vec<UserModeHelper>,
    /// Keys that they are to make.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyUpcall>,
    /// v1 memory cgroups of tasks that wait for memory with the OOM killer off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<memory::MemoryCgroup>,
    /// Threads that another one of their process waits for to die.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaited: Vec<AwaitedThread>,
    /// Block devices, their limits, network filesystems.
    #[serde(default, skip_serializing_if = "StorageFacts::is_empty")]
    pub storage: StorageFacts,
    /// Cgroups mentioned by id: subtree, other hierarchy, holders'.
    pub cgroups: Vec<CgroupFacts>,
    /// When tasks of the subtree froze, those of which the events of this freeze tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub froze: Vec<Froze>,
    /// The whole system is frozen, not a cgroup: `cgroup` and `subtree` say nothing, `hierarchy` is v1, whose marks the
    /// kernel uses for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<WholeSystem>,
    /// What could not be gathered, a sentence each ("reading the path argument of 4711 took too long").
    pub gaps: Vec<String>,
}

/// A task, and for those that are not frozen what a closer look found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFacts {
    /// The look at the task itself.
    #[serde(flatten)]
    pub task: TaskSnapshot,
    /// Closer look; `None` for frozen tasks and bystanders.
    pub details: Option<TaskDetails>,
}

/// What /proc, events and samples say of one task that is not frozen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskDetails {
    /// `/proc/PID/wchan`; `None` where it says 0.
    pub wchan: Option<String>,
    /// The system call it is in.
    pub syscall: Option<SyscallFacts>,
    /// Files mapped into its memory, one per mount and use, where it is in a page fault: the kernel does not say which
    /// address it faults on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mapped: Vec<MappedFile>,
    /// The file a fanotify listener may have been asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_file: Option<UsedFile>,
    /// Automount points of its mount namespace, where it waits for an automount daemon.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub automounts: Vec<MountFacts>,
    /// It joined after the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<Joined>,
    /// Timer samples that found it on a CPU.
    pub samples: Vec<StackSample>,
    /// State before the request: a sleeper that shows `D` without having run since was frozen in place.
    pub before: Option<BeforeRequest>,
}

/// How a task looked just before the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeforeRequest {
    /// State letter then.
    pub state: crate::model::TaskState,
    /// Context switches so far, then.
    pub switches: Option<u64>,
    /// What its life had been spent on, where it was read from /proc.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<CpuTimes>,
}

impl From<&TaskSnapshot> for BeforeRequest {
    fn from(task: &TaskSnapshot) -> Self {
        Self { state: task.state, switches: task.switches, times: task.times }
    }
}

/// The same kernel stack found by several timer samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackSample {
    /// How many samples.
    pub count: u32,
    /// In user code.
    pub user: bool,
    /// Kernel functions, innermost first.
    pub stack: Vec<String>,
}

/// A system call in progress, from `/proc/PID/syscall`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyscallFacts {
    /// `newfstatat`; the number as text where the name is not known.
    pub name: String,
    /// The files its arguments name, those that could be read.
    pub files: Vec<FileFacts>,
}

/// A file that a system call concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// The path, absolute in the task's own root where it could be resolved without touching the file.
    pub path: Name,
    /// How it is known.
    pub known_by: KnownBy,
    /// Mount it lies in, found without touching the file.
    pub mount: Option<MountFacts>,
}

/// A mapped file, from `/proc/PID/maps`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedFile {
    /// Path, as the kernel prints it.
    pub path: Name,
    /// A store goes to the file (`MAP_SHARED`, writable).
    pub written_through: bool,
    /// Mount it lies in, by device number.
    pub mount: MountFacts,
}

/// How a file is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KnownBy {
    /// An open descriptor: the kernel's word (`fdinfo`'s mount id).
    Descriptor,
    /// A path, or an address in a mapping, in the task's own memory: the task's word.
    PathArgument,
}

/// A mount, from the task's own `mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountFacts {
    /// Mount id in the task's mount namespace.
    pub id: u64,
    /// Device number: the superblock's.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Mount point.
    pub path: Name,
    /// Filesystem type.
    pub fstype: Name,
    /// Source.
    pub source: Name,
    /// Frozen by FIFREEZE; `None` where the kernel did not say.
    pub fs_frozen: Option<bool>,
}

/// A FUSE connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FuseConnection {
    /// Its superblock's device number ([`MountFacts::device`]), the name under `/sys/fs/fuse/connections`.
    pub number: u32,
    /// Where it is mounted (as the agent or the blocked task sees it); none where it is out of their view.
    pub mounts: Vec<MountFacts>,
    /// Requests waiting; `None` where the control filesystem is not to be read.
    pub waiting: Option<u64>,
    /// Process ids that hold this connection's `/dev/fuse` descriptor.
    pub servers: Vec<i32>,
    /// The kernel itself tied the servers to this connection (else: they hold some `/dev/fuse`).
    pub servers_certain: bool,
    /// Thread ids of the servers' threads that read further requests from `/dev/fuse`, or did when they were frozen:
    /// such a thread has no request in its hands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readers: Vec<i32>,
    /// Thread ids of the tasks that wait on it by what their calls name; looked for only where some task's call names nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiters: Vec<i32>,
}

impl FuseConnection {
    /// Whether a request of this task may wait there, by count: more wait than those whose calls name this connection.
    #[must_use]
    pub fn may_hold_request_of(&self, tid: i32) -> bool {
        let others = self.waiters.iter().filter(|waiter| **waiter != tid).count();
        self.waiting.is_none_or(|waiting| waiting > others as u64)
    }
}

/// An open userfaultfd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Userfaultfd {
    /// Process that holds it.
    pub pid: i32,
    /// Descriptor there.
    pub fd: i32,
    /// Faults nobody has read yet, and all faults not resolved (`fdinfo`).
    pub pending: u64,
    /// All faults not resolved.
    pub total: u64,
}

/// A CPU quota.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuQuota {
    /// Directory of the cgroup that has it.
    pub cgroup: Name,
    /// µs of CPU per period.
    pub quota_us: u64,
    /// Period, µs.
    pub period_us: u64,
    /// Times throttled between two looks.
    pub throttled_times: Option<u64>,
    /// Process ids of blocked tasks it covers.
    pub covers: Vec<i32>,
}

/// A cgroup mentioned by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupFacts {
    /// Which hierarchy.
    pub hierarchy: Hierarchy,
    /// Its id (inode number of its directory).
    pub id: u64,
    /// Its directory.
    pub path: Name,
    /// Whether a freeze is asked of it, by itself or an ancestor; `None` where unreadable.
    pub freeze_asked: Option<bool>,
    /// Directories of the cgroups whose own request that is, itself or ancestors, topmost first; empty where none is in
    /// view.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked_by: Vec<Name>,
}

impl MountFacts {
    /// The kernel's number of its device: a FUSE connection's number (`fs/fuse/inode.c`, `fuse_fill_super_common`).
    #[must_use]
    pub fn device(&self) -> u32 {
        // MKDEV of include/linux/kdev_t.h: 20 bits of minor number.
        self.major << 20 | self.minor
    }
}

impl Facts {
    /// The facts of a task by thread id, inside or outside the subtree.
    #[must_use]
    pub fn task(&self, tid: i32) -> Option<&TaskFacts> {
        self.tasks.iter().chain(&self.others).find(|facts| facts.task.tid == tid)
    }

    /// The threads of a process that are known, inside and outside the subtree.
    pub fn threads(&self, tgid: i32) -> impl Iterator<Item = &TaskFacts> {
        self.tasks.iter().chain(&self.others).filter(move |facts| facts.task.tgid == tgid)
    }

    /// A cgroup by id.
    #[must_use]
    pub fn cgroup(&self, hierarchy: Hierarchy, id: u64) -> Option<&CgroupFacts> {
        self.cgroups.iter().find(|c| c.hierarchy == hierarchy && c.id == id)
    }

    /// Directory of a cgroup by id.
    #[must_use]
    pub fn cgroup_path(&self, hierarchy: Hierarchy, id: u64) -> Option<&Name> {
        self.cgroup(hierarchy, id).map(|cgroup| &cgroup.path)
    }
}
