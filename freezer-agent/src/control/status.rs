//! What is requested, freezing or frozen, and by whom. Changes nothing.

use super::count::{TaskCount, count};
use super::{ControlError, Refusal};
use crate::cgroupfs::{Cgroup, Mounts, SubtreeState, v2};
use crate::model::{FreezerState, Hierarchy};

/// One cgroup's freezer, looked at once.
#[derive(Clone, Debug)]
pub struct Status {
    /// The cgroup.
    pub cgroup: Cgroup,
    /// State of the subtree and who asks.
    pub state: SubtreeState,
    /// Its tasks.
    pub tasks: TaskCount,
    /// µs it was frozen or freezing, over all its freezes together; only some kernels say, for v2.
    pub frozen_usec: Option<u64>,
}

/// Every cgroup that is not thawed, and how many are.
#[derive(Clone, Debug, Default)]
pub struct Statuses {
    /// Those requested, freezing or frozen, parents first.
    pub shown: Vec<Status>,
    /// How many are thawed.
    pub thawed: usize,
    /// What could not be looked at, a sentence each.
    pub gaps: Vec<String>,
}

/// Looks at one cgroup.
pub fn status_of(cgroup: &Cgroup) -> Result<Status, ControlError> {
    if cgroup.is_root() {
        return Err(Refusal::Root { dir: cgroup.dir.clone(), hierarchy: cgroup.hierarchy }.into());
    }
    let mut state = cgroup.state()?;
    if state.state == FreezerState::Freezing {
        // A task that just came in is frozen in a moment: FREEZING is worth a second look.
        state = cgroup.state()?;
    }
    let tasks = count(cgroup, state.state)?;
    let frozen_usec = match cgroup.hierarchy {
        Hierarchy::V1 => None,
        Hierarchy::V2 => v2::frozen_usec(&cgroup.dir),
    };
    Ok(Status { cgroup: cgroup.clone(), state, tasks, frozen_usec })
}

/// Looks at every cgroup of every hierarchy, or of one.
pub fn status_of_all(mounts: &Mounts, hierarchy: Option<Hierarchy>) -> Result<Statuses, ControlError> {
    let mut all = Statuses::default();
    let mut seen = Vec::new();
    for mount in mounts.of(hierarchy) {
        let Ok(top) = Cgroup::open(mount, mount.point.clone()) else { continue };
        // A second mount of the same hierarchy, or one of a part of it.
        if seen.contains(&mount.device) {
            continue;
        }
        seen.push(mount.device);
        for cgroup in top.subtree()? {
            match look(&cgroup) {
                Ok(Some(status)) => all.shown.push(status),
                Ok(None) => all.thawed += 1,
                Err(ControlError::Gone { .. }) => {}
                Err(error) => all.gaps.push(error.to_string()),
            }
        }
    }
    Ok(all)
}

/// `None` for a thawed one; the root is never anything else.
fn look(cgroup: &Cgroup) -> Result<Option<Status>, ControlError> {
    if cgroup.is_root() {
        return Ok(None);
    }
    let status = status_of(cgroup)?;
    Ok((status.state.state != FreezerState::Thawed).then_some(status))
}
