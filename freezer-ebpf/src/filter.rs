//! Is this task, or this cgroup, in the watched subtree?
//!
//! Walks from the cgroup to the root and compares ids on the way: the level of the watched cgroup, which would
//! allow one comparison, cannot be known from a path inside a cgroup namespace. Plain loads make the walk cheap.

use freezer_common::system::WATCH_SYSTEM;

use crate::{
    kernel::{
        cgroup::{self, Steps, Up},
        memory::{Kernel, Memory},
        offsets::{TASK_FLAGS, WATCH_HIERARCHY, WATCH_ID},
        task::PF_KTHREAD,
    },
    maps::SYSTEM,
};

/// Deepest nesting followed. Container hosts nest 5 to 12 levels; every level more costs at load,
/// where the verifier walks them all.
const MAX_DEPTH: usize = 32;

/// What the walk found.
#[derive(Clone, Copy)]
pub enum Watched {
    Inside,
    Outside,
    /// Memory could not be read, or the nesting is deeper than [`MAX_DEPTH`].
    Unreadable,
}

/// The cgroup of `task` in the watched hierarchy.
#[inline(always)]
pub unsafe fn cgroup_of<M: Memory>(task: Kernel) -> Option<Kernel> {
    // SAFETY: `task` is a task.
    unsafe {
        match WATCH_HIERARCHY.load() {
            1 => cgroup::v1_of::<M>(task),
            2 => cgroup::v2_of::<M>(task),
            _ => None,
        }
    }
}

/// Whether `task` is in the watched subtree.
#[inline(always)]
pub unsafe fn task<M: Memory>(task: Kernel) -> Watched {
    if whole_system() {
        // SAFETY: `task` is a task.
        return unsafe { user_task::<M>(task) };
    }
    // SAFETY: `task` is a task.
    match unsafe { cgroup_of::<M>(task) } {
        // SAFETY: the cgroup of a task in the watched hierarchy.
        Some(cgroup) => unsafe { subtree::<M>(cgroup) },
        None => Watched::Unreadable,
    }
}

/// Whether the freeze of the whole system is watched instead of a cgroup.
#[inline(always)]
pub fn whole_system() -> bool {
    WATCH_HIERARCHY.load() == WATCH_SYSTEM
}

/// Every user task, as long as the whole system is freezing: at other times nobody wants their events.
#[inline(always)]
unsafe fn user_task<M: Memory>(task: Kernel) -> Watched {
    if SYSTEM.get(0).is_none_or(|freeze| freeze.active == 0) {
        return Watched::Outside;
    }
    // SAFETY: `task` is a task; any bytes are a `u32`.
    match unsafe { M::load::<u32>(task, &TASK_FLAGS) } {
        None => Watched::Unreadable,
        Some(flags) if flags & PF_KTHREAD != 0 => Watched::Outside,
        Some(_) => Watched::Inside,
    }
}

/// Whether `cgroup`, of the watched hierarchy, is the watched one or a descendant of it.
#[inline(always)]
pub unsafe fn subtree<M: Memory>(mut cgroup: Kernel) -> Watched {
    let watched = WATCH_ID.load();
    let steps = Steps::new();
    for _ in 0..MAX_DEPTH {
        // Each step leaves the loop where it fails: paths that meet again would multiply for the verifier.
        // SAFETY: `cgroup` is a cgroup.
        match unsafe { steps.id::<M>(cgroup) } {
            None => return Watched::Unreadable,
            Some(id) if id == watched => return Watched::Inside,
            Some(_) => {}
        }
        // SAFETY: as above, and so is its parent.
        match unsafe { steps.parent::<M>(cgroup) } {
            Up::Root => return Watched::Outside,
            Up::Unreadable => return Watched::Unreadable,
            Up::Parent(parent) => cgroup = parent,
        }
    }
    Watched::Unreadable
}
