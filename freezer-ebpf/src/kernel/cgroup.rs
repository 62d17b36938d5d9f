//! Cgroups of a task, their ids and ancestors.

use super::{
    memory::{Kernel, Memory},
    offsets::{
        CGROUP_KN, CGROUP_PARENT, CGROUP_ROOT, CSS_CGROUP, CSS_SET_DFL_CGRP, CSS_SET_FREEZER, FREEZER_STATE,
        KN_ID, TASK_CGROUPS,
    },
};

/// The freezer cgroup of a task in v1.
#[inline(always)]
pub unsafe fn v1_of<M: Memory>(task: Kernel) -> Option<Kernel> {
    // SAFETY: `task` is a task; every step checks for null.
    unsafe {
        let set = non_null(M::load(task, &TASK_CGROUPS))?;
        let css = non_null(M::load(set, &CSS_SET_FREEZER))?;
        non_null(M::load(css, &CSS_CGROUP))
    }
}

/// `CGROUP_FREEZING_SELF` and `CGROUP_FREEZING_PARENT` (kernel/cgroup/freezer.c, later legacy_freezer.c).
const CGROUP_FREEZING: u32 = 0b110;

/// Whether the task's freezer cgroup in v1 is to be frozen, by itself or an ancestor; only known before 6.1.
#[inline(always)]
pub unsafe fn is_freezing_v1<M: Memory>(task: Kernel) -> bool {
    // SAFETY: `task` is a task; every step checks for null. The state of the controller is the first member of `struct freezer`.
    let state = unsafe {
        let set = non_null(M::load(task, &TASK_CGROUPS));
        let css = set.and_then(|set| non_null(M::load(set, &CSS_SET_FREEZER)));
        css.and_then(|freezer| M::load::<u32>(freezer, &FREEZER_STATE))
    };
    state.is_some_and(|state| state & CGROUP_FREEZING != 0)
}

/// The cgroup of a task in v2.
#[inline(always)]
pub unsafe fn v2_of<M: Memory>(task: Kernel) -> Option<Kernel> {
    // SAFETY: `task` is a task; every step checks for null.
    unsafe {
        let set = non_null(M::load(task, &TASK_CGROUPS))?;
        non_null(M::load(set, &CSS_SET_DFL_CGRP))
    }
}

/// Id of a cgroup: the inode number of its directory.
#[inline(always)]
pub unsafe fn id<M: Memory>(cgroup: Kernel) -> Option<u64> {
    // SAFETY: `cgroup` is a cgroup; the step checks for null.
    unsafe { M::load(non_null(M::load(cgroup, &CGROUP_KN))?, &KN_ID) }
}

/// The way from a cgroup to its id and its parent: offsets loaded once per walk, not once per level.
#[derive(Clone, Copy)]
pub struct Steps {
    kn: u32,
    id: u32,
    parent: u32,
    cgroup: u32,
}

impl Steps {
    #[inline(always)]
    pub fn new() -> Self {
        Self {
            kn: CGROUP_KN.load(),
            id: KN_ID.load(),
            parent: CGROUP_PARENT.load(),
            cgroup: CSS_CGROUP.load(),
        }
    }

    /// Id of a cgroup.
    #[inline(always)]
    pub unsafe fn id<M: Memory>(self, cgroup: Kernel) -> Option<u64> {
        // SAFETY: `cgroup` is a cgroup; the step checks for null.
        unsafe { M::at(non_null(M::at(cgroup, self.kn))?, self.id) }
    }

    /// Parent of a cgroup.
    #[inline(always)]
    pub unsafe fn parent<M: Memory>(self, cgroup: Kernel) -> Up {
        // SAFETY: `cgroup` is a cgroup; a null pointer is not followed.
        unsafe {
            let Some(css) = M::at::<Kernel>(cgroup, self.parent) else { return Up::Unreadable };
            if css.is_null() {
                return Up::Root;
            }
            match M::at::<Kernel>(css, self.cgroup) {
                Some(parent) => Up::Parent(parent),
                None => Up::Unreadable,
            }
        }
    }
}

/// What lies above a cgroup.
pub enum Up {
    Root,
    Parent(Kernel),
    Unreadable,
}

/// Address of the hierarchy a cgroup belongs to: ids are unique within one only.
#[inline(always)]
pub unsafe fn root<M: Memory>(cgroup: Kernel) -> Option<u64> {
    // SAFETY: `cgroup` is a cgroup.
    unsafe { M::load(cgroup, &CGROUP_ROOT) }
}

#[inline(always)]
fn non_null(pointer: Option<Kernel>) -> Option<Kernel> {
    pointer.filter(|pointer| !pointer.is_null())
}
