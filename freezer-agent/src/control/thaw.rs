//! Takes a cgroup's own request back and says what still holds it.

use std::time::{Duration, Instant};

use super::{ControlError, FileWatch, FreezeWatch as _, Pending};
use crate::cgroupfs::v2::EventsFile;
use crate::cgroupfs::{AncestorRequest, Cgroup};
use crate::model::{FreezerState, Hierarchy};

/// How a thaw ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thaw {
    /// State of the subtree now.
    pub state: FreezerState,
    /// It did not ask for a freeze in the first place.
    pub nothing_to_do: bool,
    /// An ancestor that keeps it frozen.
    pub ancestor: Option<AncestorRequest>,
    /// Descendants that stay frozen by requests of their own.
    pub inner_requests: Vec<Cgroup>,
}

/// Takes the request back and waits, `limit` at the longest, until the kernel says that no cgroup of the subtree is
/// frozen but those that ask for it themselves.
pub async fn thaw(cgroup: &Cgroup, limit: Duration) -> Result<Thaw, ControlError> {
    let start = Instant::now();
    let nothing_to_do = !cgroup.own_request()?;
    if !nothing_to_do {
        cgroup.write_request(false)?;
    }
    let ancestor = cgroup.requesting_ancestor()?;
    if ancestor.is_none() && cgroup.hierarchy == Hierarchy::V2 {
        while let Some(events) = still_frozen(cgroup)? {
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                break;
            }
            let at_most = left.min(Duration::from_millis(500));
            FileWatch.changed(&Pending::V2(events), at_most).await.map_err(ControlError::Signals)?;
        }
    }
    let state = match (&ancestor, cgroup.hierarchy) {
        (None, Hierarchy::V2) if still_frozen(cgroup)?.is_some() => FreezerState::Frozen,
        _ => cgroup.state()?.state,
    };
    Ok(Thaw { state, nothing_to_do, ancestor, inner_requests: cgroup.requesting_descendants()? })
}

/// A v2 cgroup of the subtree that is still frozen with nobody inside the subtree asking for it.
fn still_frozen(top: &Cgroup) -> Result<Option<EventsFile>, ControlError> {
    let mut ahead = vec![top.clone()];
    while let Some(cgroup) = ahead.pop() {
        let look = EventsFile::open(&cgroup.dir).and_then(|file| Ok((file.read()?.frozen, file)));
        match look {
            Ok((true, file)) => return Ok(Some(file)),
            Ok((false, _)) => {}
            Err(error) if error.is_gone() && cgroup.dir != top.dir => continue,
            Err(error) => return Err(error.into()),
        }
        let children = cgroup.children()?;
        ahead.extend(children.into_iter().filter(|child| !child.own_request().unwrap_or(false)));
    }
    Ok(None)
}
