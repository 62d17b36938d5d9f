//! Cgroups of a task, their ids and ancestors.

use super::{
    memory::{Kernel, Memory},
    offsets::{
        CGROUP_KN, CGROUP_PARENT, CGROUP_ROOT, CSS_CGROUP, CSS_SET_DFL_CGRP, CSS_SET_FREEZER, KN_ID, TASK_CGROUPS,
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

/// Parent of a cgroup; `None` for the root.
#[inline(always)]
pub unsafe fn parent<M: Memory>(cgroup: Kernel) -> Option<Kernel> {
    // SAFETY: `cgroup` is a cgroup; every step checks for null.
    unsafe { non_null(M::load(non_null(M::load(cgroup, &CGROUP_PARENT))?, &CSS_CGROUP)) }
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
