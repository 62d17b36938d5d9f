//! Freezes that are refused because they would harm the host or ourselves.

use std::path::{Component, Path, PathBuf};

use super::{ControlError, TaskLook};
use crate::cgroupfs::{Cgroup, FileError, membership};
use crate::model::{Hierarchy, Name};

/// Why a freeze is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The root of a hierarchy.
    #[error("{} is the root of the {hierarchy} hierarchy: the kernel never freezes it", Name::from(dir.as_path()))]
    Root {
        /// Its directory.
        dir: PathBuf,
        /// Which freezer.
        hierarchy: Hierarchy,
    },
    /// The agent would freeze itself and could never thaw anything.
    #[error("{} holds this very process: it would freeze itself; move it to another cgroup first", Name::from(dir.as_path()))]
    Own {
        /// Its directory.
        dir: PathBuf,
    },
    /// Process 1 is inside.
    #[error("{} holds process 1: the whole system would stop; --force does it nevertheless", Name::from(dir.as_path()))]
    Init {
        /// Its directory.
        dir: PathBuf,
    },
    /// Nothing but kernel threads is inside.
    #[error("{} holds only kernel threads ({comm}, {tid}): they serve the whole system and do not freeze like processes; --force tries nevertheless", Name::from(dir.as_path()))]
    KernelThreads {
        /// Its directory.
        dir: PathBuf,
        /// One of them.
        tid: i32,
        /// Its name.
        comm: Name,
    },
}

/// Checks that a freeze of `cgroup` harms neither the host nor ourselves. `force` overrides what it may.
pub fn check_safe(cgroup: &Cgroup, force: bool) -> Result<(), ControlError> {
    let dir = || cgroup.dir.clone();
    if cgroup.is_root() {
        return Err(Refusal::Root { dir: dir(), hierarchy: cgroup.hierarchy }.into());
    }
    if holds(cgroup, "self")? {
        return Err(Refusal::Own { dir: dir() }.into());
    }
    if force {
        return Ok(());
    }
    if holds(cgroup, "1")? {
        return Err(Refusal::Init { dir: dir() }.into());
    }
    match only_kernel_threads(cgroup)? {
        Some(look) => Err(Refusal::KernelThreads { dir: dir(), tid: look.tid, comm: look.comm }.into()),
        None => Ok(()),
    }
}

/// Whether the process is in the subtree.
fn holds(cgroup: &Cgroup, pid: &str) -> Result<bool, FileError> {
    // A process that cannot be looked at (hidden, other pid namespace) is not ours to protect.
    let Ok(Some(its)) = membership::path_of(pid, cgroup.hierarchy) else { return Ok(false) };
    let ours = cgroup.path_in_hierarchy();
    if climbs(&its) || climbs(&ours) {
        // Outside our cgroup namespace the kernel prints `/..`: such paths do not compare, the task list does.
        let pid = if pid == "self" { std::process::id().to_string() } else { pid.to_owned() };
        return Ok(cgroup.subtree_tasks()?.iter().any(|tid| tid.to_string() == pid));
    }
    Ok(its.starts_with(ours))
}

fn climbs(path: &Path) -> bool {
    path.components().any(|component| component == Component::ParentDir)
}

/// One of the kernel threads where there is nothing else; stops at the first task of user space.
fn only_kernel_threads(cgroup: &Cgroup) -> Result<Option<TaskLook>, FileError> {
    let mut found = None;
    let own = cgroup.tasks()?;
    let looks_ordinary = |tids: &[i32], found: &mut Option<TaskLook>| {
        tids.iter().filter_map(|&tid| TaskLook::take(tid)).any(|look| {
            let ordinary = !look.kernel_thread;
            *found = Some(look);
            ordinary
        })
    };
    if looks_ordinary(&own, &mut found) {
        return Ok(None);
    }
    for below in cgroup.subtree()?.iter().skip(1) {
        match below.tasks() {
            Ok(tids) if looks_ordinary(&tids, &mut found) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.is_gone() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
