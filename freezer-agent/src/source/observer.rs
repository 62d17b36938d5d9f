//! What the agent watches a cgroup with: programs, ring, counters, snapshots, samples.

use std::{io, os::fd::OwnedFd, sync::Arc};

use aya::{
    Ebpf, EbpfError,
    maps::{Array, MapData, MapError, PerCpuArray, RingBuf},
    programs::{
        PerfEvent,
        perf_event::{PerfEventConfig, PerfEventLinkId, PerfEventScope, SamplePolicy, SoftwareEvent},
    },
    util::online_cpus,
};
use aya_log::EbpfLogger;
use freezer_common::{
    hook::{Hook, HookCounters},
    system::SystemFreeze,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    runtime::Handle,
};

use super::{
    counters::{self, Counters},
    files::OpenFiles,
    object::{self, Loaded, Opened, Shared, Target},
    programs::{self, Attached, Programs, refusal},
    snapshot::{Scope, SnapshotError, Snapshots, Stacks},
    symbols::{LazySymbols, SymbolsError},
};
use crate::{
    decode::{self, TaskLook},
    host::{Missing, btf::BtfError, rights::lacking_for_bpf, withheld::refuse},
    model::{Event, Hierarchy, TaskSnapshot},
};

/// The cgroup whose subtree is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Which freezer.
    pub hierarchy: Hierarchy,
    /// The cgroup's id: the inode number of its directory.
    pub cgroup_id: u64,
}

/// How to watch.
#[derive(Clone, Copy, Debug)]
pub struct ObserverOptions {
    /// Size of the event ring, bytes; rounded up to a power of two of pages.
    pub ring_bytes: u32,
    /// Debug lines of the kernel side, through the `log` crate. Costs nothing where not asked for.
    pub log: bool,
    /// Also what is of interest in a freeze by somebody else, where that takes programs of its own: who asks, and how
    /// long it lasts.
    pub by_others: bool,
}

impl Default for ObserverOptions {
    fn default() -> Self {
        Self { ring_bytes: 2 << 20, log: false, by_others: false }
    }
}

/// Why nothing can be observed with BPF here; /proc remains.
#[derive(Debug, thiserror::Error)]
pub enum ObserverError {
    /// Not allowed.
    #[error("this process lacks {0}: run as root, or give it these capabilities")]
    Rights(String),
    /// Not to be used.
    #[error("{0}")]
    Withheld(#[source] io::Error),
    /// The kernel's types are not known.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// The object could not be loaded: mostly a lack of `CAP_BPF` and `CAP_PERFMON`.
    #[error("the kernel did not take the eBPF object: {}", chain(.0))]
    Load(#[from] EbpfError),
    /// A map is not as it should be.
    #[error("a map of the eBPF object: {}", chain(.0))]
    Map(#[from] MapError),
    /// The ring cannot be waited for.
    #[error("cannot wait for the event ring: {0}")]
    Ring(#[source] io::Error),
    /// Its tasks are laid out in a way that this agent does not know.
    #[error("this kernel is one that this agent does not know: {0}")]
    Unknown(String),
    /// This kernel has no v1 freezer.
    #[error("this kernel was built without the v1 freezer (CONFIG_CGROUP_FREEZER)")]
    NoV1,
    /// The object lacks something: not the one this agent was built with.
    #[error("the eBPF object has no {0}")]
    Incomplete(&'static str),
}

/// An error with what it comes from: aya's own words leave the kernel's answer to the source.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// Why no samples are taken.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The kernel refused the program or a CPU's timer.
    #[error("the kernel refused the timer sample: {0}")]
    Refused(String),
    /// The CPUs are not known.
    #[error("cannot read which CPUs are online from {0}: {1}")]
    Cpus(&'static str, #[source] io::Error),
}

/// A watched cgroup, from loading to dropping; everything is detached on drop.
pub struct Observer {
    loaded: Shared,
    ring: AsyncFd<RingBuf<MapData>>,
    counters: PerCpuArray<MapData, HookCounters>,
    undecodable: u64,
    snapshots: Snapshots,
    system: Array<MapData, SystemFreeze>,
    symbols: LazySymbols,
    attached: Vec<Attached>,
    missing: Vec<Missing>,
    samples: Vec<PerfEventLinkId>,
    /// A link that aya knows nothing of.
    _multi: Option<OwnedFd>,
    log: Option<EbpfLogger<&'static dyn log::Log>>,
}

impl Observer {
    /// Loads the kernel side and attaches all that this kernel allows. Needs a tokio runtime with I/O.
    pub fn load(watch: &Watch, options: &ObserverOptions) -> Result<Self, ObserverError> {
        Self::open(Target::Cgroup(watch), *options)
    }

    /// Watches every user task while the whole system is freezing, and whoever freezes it.
    pub fn for_system(options: &ObserverOptions) -> Result<Self, ObserverError> {
        Self::open(Target::System, *options)
    }

    /// Watches nothing: for snapshots of the whole host only.
    pub fn for_snapshots(options: &ObserverOptions) -> Result<Self, ObserverError> {
        Self::open(Target::Nothing, *options)
    }

    fn open(target: Target<'_>, options: ObserverOptions) -> Result<Self, ObserverError> {
        refuse("bpf").map_err(ObserverError::Withheld)?;
        let lacking = lacking_for_bpf();
        if !lacking.is_empty() {
            return Err(ObserverError::Rights(lacking.join(" and ")));
        }
        let Opened { mut ebpf, types, plan } = object::open(target, options)?;
        let programs = Programs::attach(&mut ebpf, &types, &plan.wishes);
        let ring: RingBuf<_> = take(&mut ebpf, "EVENTS")?.try_into()?;
        let ring = watch_fd(ring)?;
        let counters = PerCpuArray::try_from(take(&mut ebpf, "COUNTERS")?)?;
        let request = Array::try_from(take(&mut ebpf, "REQUEST")?)?;
        let system = Array::try_from(take(&mut ebpf, "SYSTEM")?)?;
        // Absent when the map was optimised away: then there is nothing to read.
        let log = if options.log { EbpfLogger::init(&mut ebpf).ok() } else { None };
        let missing = plan.missing.into_iter().chain(programs.missing).collect();
        Ok(Self {
            loaded: Loaded { ebpf, types }.shared(),
            ring,
            counters,
            undecodable: 0,
            snapshots: Snapshots::new(request),
            system,
            symbols: LazySymbols::default(),
            attached: programs.attached,
            missing,
            _multi: programs.multi,
            samples: Vec::new(),
            log,
        })
    }

    /// The programs at work.
    #[must_use]
    pub fn attached(&self) -> &[Attached] {
        &self.attached
    }

    /// Mean run time of an attached program, ns, while somebody has the kernel's run-time statistics enabled
    /// (`kernel.bpf_stats_enabled`); `None` where it did not run.
    pub fn mean_run_ns(&mut self, target: &str) -> Option<u64> {
        let mut loaded = object::lock(&self.loaded);
        let info = programs::program(&mut loaded.ebpf, target).ok()?.info().ok()?;
        u64::try_from(info.run_time().as_nanos()).ok()?.checked_div(info.run_count())
    }

    /// Whether kernel addresses can be given their names.
    pub fn symbols(&mut self) -> Result<(), &SymbolsError> {
        self.symbols.get().map(drop)
    }

    /// What this kernel or these privileges did not give, and what is lost without it.
    #[must_use]
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// Waits until there is at least one event and appends all there are to `out`.
    ///
    /// Safe to drop while it waits: nothing is taken off the ring before it is in `out`.
    pub async fn next_events(&mut self, out: &mut Vec<Event>) -> io::Result<()> {
        let before = out.len();
        while out.len() == before {
            self.ring.readable_mut().await?.clear_ready();
            self.drain(out);
        }
        Ok(())
    }

    /// Appends the events there are to `out`, without waiting.
    pub fn drain(&mut self, out: &mut Vec<Event>) {
        let Self { ring, symbols, undecodable, log, .. } = self;
        let mut symbolise =
            |stack: &[u64]| symbols.get().map(|symbols| symbols.stack(stack)).unwrap_or_default();
        while let Some(record) = ring.get_mut().next() {
            match decode::event(&record, &mut symbolise) {
                Ok(event) => out.push(event),
                Err(_) => *undecodable += 1,
            }
        }
        if let Some(log) = log {
            log.flush();
        }
    }

    /// What became of everything the hooks looked at so far.
    pub fn counters(&self) -> Result<Counters, MapError> {
        let hook = |hook: Hook| Ok(counters::sum(hook, &self.counters.get(&(hook as u32), 0)?));
        let hooks = Hook::ALL.into_iter().map(hook).collect::<Result<_, MapError>>()?;
        Ok(Counters { hooks, undecodable: self.undecodable })
    }

    /// Where no program saw the thaw of the whole system: takes note that its freeze is over, and gives what was known of
    /// it.
    pub fn end_system_freeze(&mut self) -> Result<SystemFreeze, MapError> {
        let freeze = self.system.get(&0, 0)?;
        self.system.set(0, SystemFreeze::default(), 0)?;
        Ok(freeze)
    }

    /// Looks at all tasks in `scope`.
    ///
    /// Where addresses have no names (`kernel.kptr_restrict`) stacks come from `/proc/TID/stack`, one task after
    /// the other and a little later.
    pub fn snapshot(&mut self, scope: Scope, stacks: Stacks) -> Result<Vec<TaskSnapshot>, SnapshotError> {
        let mut looks = self.snapshots.walk(&mut object::lock(&self.loaded), scope, stacks)?;
        prove_lock_owners(&mut looks);
        if looks.iter().all(|look| look.stack.is_empty()) {
            return Ok(looks.into_iter().map(|look| look.task).collect());
        }
        let mut symbols = self.symbols.get();
        let named = looks.into_iter().map(|TaskLook { mut task, stack, .. }| {
            task.stack = match &mut symbols {
                Ok(symbols) => symbols.stack(&stack),
                Err(_) if stack.is_empty() => Vec::new(),
                Err(_) => super::procfs::stack(task.tid),
            };
            task
        });
        Ok(named.collect())
    }

    /// Makes the first snapshot with names of functions some 60 ms faster: starts reading the kernel's symbols on a
    /// thread, and has the task iterator verified.
    pub fn prepare(&mut self) {
        self.symbols.prepare();
        Snapshots::prepare(&mut object::lock(&self.loaded));
    }

    /// The walk over open files, for as long as this observer is there.
    #[must_use]
    pub fn open_files(&self) -> OpenFiles {
        OpenFiles::new(Arc::downgrade(&self.loaded))
    }

    /// Looks `hz` times a second at each CPU for watched tasks; they arrive as [`crate::model::EventKind::Sample`].
    pub fn start_sampling(&mut self, hz: u64) -> Result<(), SampleError> {
        let cpus = online_cpus().map_err(|(path, error)| SampleError::Cpus(path, error))?;
        let refused = |error| SampleError::Refused(refusal(&error));
        programs::refuse("perf").map_err(refused)?;
        let mut loaded = object::lock(&self.loaded);
        let program = programs::program(&mut loaded.ebpf, "sample").map_err(refused)?;
        let program: &mut PerfEvent = program.try_into().map_err(refused)?;
        if program.fd().is_err() {
            program.load().map_err(refused)?;
        }
        for cpu in cpus {
            let clock = PerfEventConfig::Software(SoftwareEvent::CpuClock);
            let scope = PerfEventScope::AllProcessesOneCpu { cpu };
            let link = program.attach(clock, scope, SamplePolicy::Frequency(hz), false).map_err(refused)?;
            self.samples.push(link);
        }
        Ok(())
    }

    /// Stops sampling; without effect where none was started.
    pub fn stop_sampling(&mut self) -> Result<(), SampleError> {
        let refused = |error| SampleError::Refused(refusal(&error));
        let mut loaded = object::lock(&self.loaded);
        let program = programs::program(&mut loaded.ebpf, "sample").map_err(refused)?;
        let program: &mut PerfEvent = program.try_into().map_err(refused)?;
        for link in self.samples.drain(..) {
            program.detach(link).map_err(refused)?;
        }
        Ok(())
    }
}

/// Registers the ring with the runtime, for reading only: a ring's descriptor never becomes writable.
fn watch_fd(ring: RingBuf<MapData>) -> Result<AsyncFd<RingBuf<MapData>>, ObserverError> {
    Handle::try_current().map_err(|error| ObserverError::Ring(io::Error::other(error)))?;
    // SAFETY: `RingBuf` owns its map's descriptor, gives the same one always and closes it when it is dropped,
    // which `AsyncFd` does last.
    let ring = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) };
    ring.map_err(|error| ObserverError::Ring(error.into()))
}

fn take(ebpf: &mut Ebpf, map: &'static str) -> Result<aya::maps::Map, ObserverError> {
    ebpf.take_map(map).ok_or(ObserverError::Incomplete(map))
}

/// A lock's owner word may be out of date by the time its owner is read: where the snapshot holds the task of that
/// id, it must be the very task the word named, else nobody is named.
fn prove_lock_owners(looks: &mut [TaskLook]) {
    let addresses: std::collections::HashMap<i32, u64> =
        looks.iter().map(|look| (look.task.tid, look.address)).collect();
    for look in looks {
        if let Some(lock) = &mut look.task.lock
            && let Some(owner) = lock.owner
            && addresses.get(&owner).is_some_and(|&address| address != look.lock_owner_address)
        {
            lock.owner = None;
        }
    }
}
