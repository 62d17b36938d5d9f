//! The kernel side's object: embedded, its globals filled in, its maps made; no program loaded yet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use aya::{Ebpf, EbpfError, EbpfLoader, Endianness, include_bytes_aligned};
use freezer_common::system::WATCH_SYSTEM;

use super::observer::{ObserverError, ObserverOptions, Watch};
use crate::{
    host::{
        btf::Btf,
        offsets::{Offsets, WANTED},
        pids,
        plan::Plan,
    },
    model::Hierarchy,
};

pub(super) static OBJECT: &[u8] = include_bytes_aligned!("../../ebpf/freezer.bpf.o");

/// `Level::Debug` of the kernel side's log macros; 0 leaves the log code out of the loaded programs altogether.
const LOG_DEBUG: u8 = 4;

/// What the programs watch.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    /// Nothing: for snapshots only.
    Nothing,
    /// The subtree of a cgroup.
    Cgroup(&'a Watch),
    /// Every user task, while the whole system is freezing.
    System,
}

/// The object, and what loading more of its programs takes.
pub(super) struct Loaded {
    pub ebpf: Ebpf,
    /// Type ids by name, all aya needs of the kernel's types.
    pub types: aya::Btf,
}

/// Facts are gathered on a thread of their own, and that may take one more program.
pub(super) type Shared = Arc<Mutex<Loaded>>;

impl Loaded {
    pub fn shared(self) -> Shared {
        Arc::new(Mutex::new(self))
    }
}

/// A thread that panicked leaves programs that are loaded, or are not.
pub(super) fn lock(loaded: &Mutex<Loaded>) -> MutexGuard<'_, Loaded> {
    loaded.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything needed to load programs.
pub(super) struct Opened {
    pub ebpf: Ebpf,
    /// Type ids by name, all aya needs of the kernel's types.
    pub types: aya::Btf,
    pub plan: Plan,
}

/// Opens the object for a target.
pub(super) fn open(target: Target<'_>, options: ObserverOptions) -> Result<Opened, ObserverError> {
    // aya's loader parses all of the kernel's types when it is made, needed or not: let it, meanwhile.
    let loader = thread::Builder::new().name("bpf-loader".to_owned()).spawn(|| {
        let mut loader = EbpfLoader::new();
        loader.btf(None);
        loader
    });
    let btf = Btf::from_kernel(WANTED)?;
    let offsets = Offsets::of(&btf);
    if let Some(field) = offsets.lacks_essential() {
        let odd = offsets.odd().join("; ");
        return Err(ObserverError::Unknown(if odd.is_empty() { format!("it has no {field}") } else { odd }));
    }
    let plan = match target {
        Target::Nothing => Plan::nothing(&offsets),
        Target::Cgroup(Watch { hierarchy: Hierarchy::V1, .. }) if !offsets.has("CSS_SET_FREEZER") => {
            return Err(ObserverError::NoV1);
        }
        Target::Cgroup(watch) => Plan::new(watch.hierarchy, options.by_others, &btf, &offsets),
        Target::System => Plan::system(&btf, &offsets),
    };
    let types = aya::Btf::parse(&btf.skeleton(), Endianness::default())
        .map_err(|error| ObserverError::Load(EbpfError::BtfError(error)))?;
    drop(btf);
    let loader = loader.ok().and_then(|thread| thread.join().ok()).unwrap_or_default();
    let ebpf = load(loader, target, options, &offsets)?;
    Ok(Opened { ebpf, types, plan })
}

fn load(
    loader: EbpfLoader<'static>,
    target: Target<'_>,
    options: ObserverOptions,
    offsets: &Offsets,
) -> Result<Ebpf, ObserverError> {
    let (hierarchy, id): (u32, u64) = match target {
        Target::Nothing => (0, 0),
        Target::Cgroup(Watch { hierarchy: Hierarchy::V1, cgroup_id }) => (1, *cgroup_id),
        Target::Cgroup(Watch { hierarchy: Hierarchy::V2, cgroup_id }) => (2, *cgroup_id),
        Target::System => (WATCH_SYSTEM, 0),
    };
    let log = if options.log { LOG_DEBUG } else { 0 };
    let mut loader: EbpfLoader<'_> = loader;
    for (name, value) in offsets.iter() {
        loader.override_global(name, value, true);
    }
    let own = pids::own();
    loader.override_global("OWN_TGID", &own, true);
    loader.override_global("WATCH_ID", &id, true);
    loader.override_global("WATCH_HIERARCHY", &hierarchy, true);
    loader.override_global("AYA_LOG_LEVEL", &log, true);
    loader.map_max_entries("EVENTS", options.ring_bytes);
    Ok(loader.load(OBJECT)?)
}
