//! v2 cgroups that can never become frozen as they are. Only what is certain is said.

use super::task::{TaskLook, wchan};
use super::{ControlError, Suspect};
use crate::cgroupfs::{Cgroup, Mounts, membership, v1};
use crate::model::{FreezerState, Hierarchy, Name, TaskState};

/// Why a cgroup cannot be frozen, ever, unless something else changes first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// v2 does not freeze kernel threads, and counts them (`kernel/cgroup/freezer.c`, `cgroup_do_freeze`).
    #[error(
        "kernel thread {tid} ({comm}) is in {cgroup}: v2 cannot freeze kernel threads, so this cgroup never becomes frozen; thaw, move it to the root cgroup, freeze again"
    )]
    KernelThread {
        /// Thread id.
        tid: i32,
        /// Its name.
        comm: Name,
        /// Directory of its cgroup.
        cgroup: Name,
    },
    /// A task that sits in v1's refrigerator does not reach v2's.
    #[error(
        "task {tid} ({comm}) is held frozen by the v1 cgroup {cgroup}: v2 cannot freeze it there; thaw that one first"
    )]
    FrozenElsewhere {
        /// Thread id.
        tid: i32,
        /// Its name.
        comm: Name,
        /// Directory of the v1 cgroup.
        cgroup: Name,
    },
}

/// Looks for a certain reason in a v2 subtree that is not frozen, among `suspects` only where they are given; v1 has
/// none.
pub fn find_impossible(
    cgroup: &Cgroup,
    suspects: Option<&[Suspect]>,
) -> Result<Option<Impossible>, ControlError> {
    if cgroup.hierarchy == Hierarchy::V1 || suspects.is_some_and(<[Suspect]>::is_empty) {
        return Ok(None);
    }
    let mut mounts = None;
    for below in cgroup.subtree()? {
        let tasks = match suspects {
            Some(suspects) => {
                suspects.iter().filter(|task| task.cgroup == below.id).map(|task| task.tid).collect()
            }
            None => match below.tasks() {
                Ok(tasks) => tasks,
                Err(error) if error.is_gone() => continue,
                Err(error) => return Err(error.into()),
            },
        };
        for look in tasks.into_iter().filter_map(TaskLook::take) {
            if look.kernel_thread {
                let cgroup = Name::from(below.dir.as_path());
                return Ok(Some(Impossible::KernelThread { tid: look.tid, comm: look.comm, cgroup }));
            }
            if look.state == TaskState::Uninterruptible && !sleeps_as_v2_frozen(look.tid) {
                let mounts = mounts.get_or_insert_with(|| Mounts::read().unwrap_or_default());
                if let Some(cgroup) = v1_freezer_of(mounts, look.tid) {
                    return Ok(Some(Impossible::FrozenElsewhere { tid: look.tid, comm: look.comm, cgroup }));
                }
            }
        }
    }
    Ok(None)
}

/// A task that v2 froze first and v1 then froze in place shows `D` too, in v2's own sleep; a vfork parent counts as
/// frozen while it waits in `kernel_clone`. Where the kernel does not say, nothing is certain.
fn sleeps_as_v2_frozen(tid: i32) -> bool {
    wchan(tid)
        .is_none_or(|name| matches!(name.as_slice(), b"do_freezer_trap" | b"get_signal" | b"kernel_clone"))
}

/// The task's v1 freezer cgroup, where the kernel says that every task in it is frozen.
fn v1_freezer_of(mounts: &Mounts, tid: i32) -> Option<Name> {
    let cgroup = membership::cgroup_of(mounts, tid, Hierarchy::V1).ok()??;
    (v1::state(&cgroup.dir).ok()? == FreezerState::Frozen).then(|| Name::from(cgroup.dir.as_path()))
}
