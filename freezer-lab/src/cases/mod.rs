//! The cases: each a stuck, slow or harmless freeze, with what a right diagnosis of it says.

mod autofs;
mod block_io;
mod block_io_dm;
mod chain_freezes;
mod chain_mounts;
mod chain_servers;
mod cpu_starved;
mod cpu_throttled;
mod crowd;
mod exec_threads;
mod exiting;
mod fanotify_permission;
mod frozen_elsewhere;
mod fs_frozen;
mod fuse_descriptor;
mod fuse_flush_in_exit;
mod fuse_server;
mod fuse_threads;
mod harmless;
mod hurts;
mod io_throttle;
mod kernel_thread;
mod kernel_work;
mod key_upcall;
mod late_arrival;
mod lock_directory;
mod lock_file_position;
mod needs;
mod nfs_request;
mod oom_wait;
mod seccomp_notify;
mod slow;
mod stopped;
mod traced;
mod userfault;
mod vfork;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::cgroup::{Cgroup, Hierarchy};
use crate::error::Result;
use crate::premise::Premise;
use crate::scene::{Scene, WorkerId};
use crate::{proc, wait};

/// A limit for freezes that no waiting would complete.
pub const STUCK_FOR_GOOD: Duration = Duration::from_millis(300);

/// How long a worker may take to get stuck.
const STUCK: Duration = Duration::from_secs(10);

/// One reproducer.
pub struct Case {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows, in a sentence.
    pub about: &'static str,
    /// Where the mechanism can occur.
    pub hierarchies: &'static [Hierarchy],
    /// Builds it.
    pub set_up: fn(&mut Scene, &Place) -> Result<Stage>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where a case makes its cgroup.
#[derive(Clone, Debug)]
pub struct Place {
    /// Which freezer.
    pub hierarchy: Hierarchy,
    /// A name below its root; `None`: a new one.
    pub name: Option<String>,
}

impl Place {
    /// A cgroup with a name of its own.
    #[must_use]
    pub fn new(hierarchy: Hierarchy) -> Self {
        Self { hierarchy, name: None }
    }

    /// The cgroup to freeze, with two ordinary processes in it that freeze like any other.
    fn cgroup(&self, scene: &mut Scene) -> Result<Cgroup> {
        let cgroup = self.empty_cgroup(scene)?;
        scene.worker_in(&cgroup, &crate::Job::Sleep)?;
        scene.worker_in(&cgroup, &crate::Job::Threads(3))?;
        Ok(cgroup)
    }

    fn empty_cgroup(&self, scene: &mut Scene) -> Result<Cgroup> {
        match &self.name {
            Some(name) => scene.cgroup_named(self.hierarchy, name),
            None => scene.cgroup(self.hierarchy),
        }
    }
}

/// What is done right before the freeze, where the mechanism does not last.
pub type Trigger = Box<dyn FnOnce(&mut Scene) -> Result<()>>;

/// A case that has been set up.
pub struct Stage {
    /// The cgroup to freeze.
    pub cgroup: Cgroup,
    /// What comes of it.
    pub outcome: Outcome,
    /// The tasks to be blamed; no other may be.
    pub blockers: Vec<Expected>,
    /// The tasks to be told to be slow, where that is what the case is about.
    pub slow: Vec<Slow>,
    /// Process ids whose tasks are late or not, as it happens.
    pub may_be_slow: Vec<i32>,
    /// Whom the freeze hurts; nobody else may be told.
    pub hurts: Vec<Hurt>,
    /// To be called right before the freeze.
    pub trigger: Option<Trigger>,
    /// A CPU that the case takes for itself: the agent is to run on another.
    pub taken_cpu: Option<usize>,
    /// Without which there is nothing to judge.
    pub premises: Vec<Premise>,
    /// A time limit for the freeze that the mechanism surely outlasts.
    pub limit: Duration,
    /// The circles to be told, and no others; `None`: not looked at.
    pub cycles: Option<Vec<ExpectedCycle>>,
}

/// A circle of waiting as a right diagnosis tells it.
#[derive(Clone, Debug)]
pub struct ExpectedCycle {
    /// The cgroups whose freezes are in it.
    pub cgroups: Vec<PathBuf>,
    /// Process ids in an order of freezing that works; empty: none does.
    pub order: Vec<Vec<i32>>,
}

/// What a freeze comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeds; nobody is to be blamed.
    Frozen,
    /// It does not within the limit.
    TimedOut,
    /// It never can.
    Impossible,
}

/// A blocker as a right diagnosis names it.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Thread id.
    pub tid: i32,
    /// Process id.
    pub pid: i32,
    /// Cause, by its name.
    pub cause: &'static str,
    /// How sure the diagnosis may and must be, where the mechanism decides that.
    pub certainty: Option<&'static str>,
    /// What it waits for, nearest first; more may be told between and behind.
    pub waits_for: Vec<Holder>,
    /// It is exiting meanwhile.
    pub exiting: bool,
}

/// A task that froze late, as a right diagnosis tells of it.
#[derive(Clone, Debug)]
pub struct Slow {
    /// Who, why and by whom.
    pub task: Expected,
    /// What the sentence must name.
    pub says: Option<&'static str>,
}

impl Slow {
    fn new(task: Expected) -> Self {
        Self { task, says: None }
    }

    fn saying(mut self, word: &'static str) -> Self {
        self.says = Some(word);
        self
    }
}

/// Somebody whom a freeze hurts.
#[derive(Clone, Copy, Debug)]
pub struct Hurt {
    /// Kind of the harm.
    pub kind: &'static str,
    /// The process that is hurt.
    pub pid: i32,
    /// The frozen process it waits for, where it does.
    pub by: Option<i32>,
}

/// A step on the way to the culprit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A process or one of its threads.
    Task {
        /// Process id.
        pid: i32,
        /// Thread id, where it is a particular thread.
        tid: Option<i32>,
        /// Whether it is frozen itself.
        frozen: bool,
        /// The cgroup it is frozen in, where it is.
        cgroup: Option<PathBuf>,
    },
    /// A mounted filesystem.
    Mount(PathBuf),
    /// A block device, by its kernel name.
    Device(String),
    /// A cgroup.
    Cgroup(PathBuf),
    /// A server of a network filesystem, by its address.
    Server(String),
    /// Whichever it is at the moment.
    OneOf(Vec<Holder>),
}

impl Stage {
    /// A freeze that is stuck for good.
    fn stuck(cgroup: Cgroup, blockers: Vec<Expected>) -> Self {
        Self {
            cgroup,
            outcome: Outcome::TimedOut,
            blockers,
            slow: Vec::new(),
            may_be_slow: Vec::new(),
            hurts: Vec::new(),
            trigger: None,
            taken_cpu: None,
            premises: Vec::new(),
            limit: STUCK_FOR_GOOD,
            cycles: None,
        }
    }

    /// Exactly these circles are to be told.
    fn cycles(mut self, cycles: impl Into<Vec<ExpectedCycle>>) -> Self {
        self.cycles = Some(cycles.into());
        self
    }

    /// A freeze that succeeds.
    fn frozen(cgroup: Cgroup) -> Self {
        Self { outcome: Outcome::Frozen, limit: Duration::from_secs(10), ..Self::stuck(cgroup, Vec::new()) }
    }

    /// A freeze that succeeds late.
    fn slow(cgroup: Cgroup, slow: Vec<Slow>) -> Self {
        Self { slow, ..Self::frozen(cgroup) }
    }

    fn hurting(mut self, hurts: impl Into<Vec<Hurt>>) -> Self {
        self.hurts = hurts.into();
        self
    }

    fn also_slow(mut self, slow: Slow) -> Self {
        self.slow.push(slow);
        self
    }

    /// Stuck only if this was done right before.
    fn after(mut self, trigger: impl FnOnce(&mut Scene) -> Result<()> + 'static) -> Self {
        self.trigger = Some(Box::new(trigger));
        self
    }

    /// Only to be judged if this was so.
    fn provided(mut self, premise: Premise) -> Self {
        self.premises.push(premise);
        self
    }
}

impl Expected {
    /// The main thread of a worker.
    fn main_of(scene: &Scene, worker: WorkerId, cause: &'static str) -> Self {
        let pid = scene[worker].pid();
        Self { tid: pid, pid, cause, certainty: None, waits_for: Vec::new(), exiting: false }
    }

    fn thread(mut self, tid: i32) -> Self {
        self.tid = tid;
        self
    }

    fn certainty(mut self, certainty: &'static str) -> Self {
        self.certainty = Some(certainty);
        self
    }

    fn waits_for(mut self, holders: impl Into<Vec<Holder>>) -> Self {
        self.waits_for = holders.into();
        self
    }
}

impl Holder {
    /// A process that is not frozen.
    fn running(scene: &Scene, worker: WorkerId) -> Self {
        Self::Task { pid: scene[worker].pid(), tid: None, frozen: false, cgroup: None }
    }

    /// A process that is frozen, by this cgroup.
    fn frozen(scene: &Scene, worker: WorkerId, cgroup: &Cgroup) -> Self {
        let cgroup = Some(cgroup.path().to_path_buf());
        Self::Task { pid: scene[worker].pid(), tid: None, frozen: true, cgroup }
    }
}

/// The CPU for those that need one to themselves.
fn last_cpu() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from) - 1
}

/// Lets a worker spin that has the least share of its CPU. On a busy machine it may get none at all.
fn begin_to_starve(scene: &mut Scene, worker: WorkerId) -> Result<()> {
    scene[worker].go()?;
    let pid = scene[worker].pid();
    wait::became(STUCK, "SCHED_IDLE", pid, || proc::policy(pid) == Some(libc::SCHED_IDLE))
}

/// Waits until a worker has used a CPU.
fn busy(scene: &Scene, worker: WorkerId) -> Result<()> {
    let pid = scene[worker].pid();
    let before = proc::user_ticks(pid);
    wait::became(STUCK, "busy", pid, || proc::user_ticks(pid) > before)
}

/// What the cases that freeze are listed under, in place of a cause.
pub const HARMLESS: &str = "none: it freezes";

/// What the cases are listed under that freeze late.
pub const SLOW: &str = "none: it freezes, but late";

/// What the cases are listed under that freeze, and hurt somebody by it.
pub const HURTS: &str = "none: it freezes, and hurts somebody";

/// The cases of each cause, in the order of the catalogue of causes; a chain stands with the cause of its blocker.
#[must_use]
pub fn by_cause() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("fuse-request", vec![fuse_server::OUTSIDE, fuse_server::INSIDE, fuse_server::FROZEN_ELSEWHERE]),
        ("fuse-request", vec![fuse_descriptor::READ, fuse_descriptor::FSYNC, fuse_descriptor::CACHED_READ]),
        ("fuse-request", vec![fuse_threads::CASE, crowd::CASE]),
        ("fuse-request", fuse_flush_in_exit::ALL.into()),
        ("fuse-request", vec![vfork::CHILD_STUCK, stopped::DURING]),
        ("block-io", vec![block_io::READ, block_io::DIRECT, block_io::SERVER_INSIDE, block_io::ON_FROZEN]),
        ("block-io", block_io_dm::ALL.into()),
        ("nfs-request", nfs_request::ALL.into()),
        ("io-throttle", io_throttle::MAX.into()),
        ("io-throttle", vec![io_throttle::READ, io_throttle::WRITE, io_throttle::FSYNC]),
        ("fuse-request", chain_servers::ALL.into()),
        ("fuse-request", chain_mounts::ALL.into()),
        ("fuse-request", vec![chain_freezes::CROSS, chain_freezes::ANCESTOR]),
        ("fs-frozen", vec![fs_frozen::WRITE, fs_frozen::MKDIR, fs_frozen::STORE]),
        ("lock-held", vec![lock_directory::CASE, lock_file_position::CASE, chain_freezes::LOCKS]),
        ("userfault", vec![userfault::OWN, userfault::HELD_OUTSIDE]),
        ("seccomp-notify", seccomp_notify::ALL.into()),
        ("fanotify-permission", fanotify_permission::ALL.into()),
        ("autofs", autofs::ALL.into()),
        ("key-upcall", key_upcall::ALL.into()),
        ("oom-wait", vec![oom_wait::OWN, oom_wait::PARENT, oom_wait::THREAD]),
        ("exec-threads", vec![exec_threads::STUCK, exec_threads::STUCK_MAIN, exec_threads::FROZEN_BEFORE]),
        ("exec-threads", vec![exec_threads::DEAD_TRACED, exec_threads::CORE_DUMP, exec_threads::DURING]),
        ("exiting", vec![exiting::MEMORY, exiting::SOCKETS]),
        ("kernel-work", vec![kernel_work::CASE]),
        ("cpu-throttled", vec![cpu_throttled::CASE]),
        ("cpu-starved", vec![cpu_starved::CASE]),
        ("kernel-thread", vec![kernel_thread::CASE]),
        ("late-arrival", vec![late_arrival::STUCK, late_arrival::UNKNOWN, late_arrival::HARMLESS]),
        ("frozen-elsewhere", vec![frozen_elsewhere::CASE]),
        (SLOW, vec![slow::FUSE, slow::LOCK, slow::MLOCK, slow::MUNMAP, slow::EXIT]),
        (SLOW, vec![slow::QUOTA, slow::STARVED, slow::LATE]),
        (HURTS, vec![hurts::FUSE, hurts::LOCK, hurts::TRACER, hurts::ATTACH, hurts::CORE_DUMP]),
        (HARMLESS, stopped::HARMLESS.into()),
        (HARMLESS, vec![harmless::TRACED, vfork::HARMLESS, harmless::FORK_STORM]),
        (HARMLESS, vec![exec_threads::DURING_V2]),
        (HARMLESS, vec![traced::INSIDE, traced::TRACER_FROZEN]),
        (HARMLESS, vec![harmless::SLEEPERS, harmless::BUSY, harmless::FROZEN_V2_FIRST, fs_frozen::WRITE_V1]),
    ]
}

/// Every case.
#[must_use]
pub fn all() -> Vec<Case> {
    by_cause().into_iter().flat_map(|(_, cases)| cases).collect()
}
