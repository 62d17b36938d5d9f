//! The state of a subtree in v1's words, on both hierarchies, and who asks for it.

use std::path::PathBuf;

use super::v2::EventsFile;
use super::{Cgroup, FileError, v1, v2};
use crate::model::{FreezerState, Hierarchy};

/// An ancestor that asks for a freeze.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AncestorRequest {
    /// The nearest one that asks.
    At(PathBuf),
    /// One above what this mount shows.
    OutOfView,
}

/// State of a subtree and who asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubtreeState {
    /// Worked out over every descendant.
    pub state: FreezerState,
    /// The cgroup itself asks.
    pub own_request: bool,
    /// An ancestor asks.
    pub ancestor: Option<AncestorRequest>,
}

/// One look at a v2 subtree.
#[derive(Debug)]
pub enum V2Look {
    /// Every cgroup of the subtree says `frozen 1`.
    Frozen,
    /// This one does not; its file was read just now and is ready to be polled. As all of them must become frozen,
    /// waiting for any one that is not is enough.
    NotYet(EventsFile),
}

/// Looks at the top first (one read), and below only once the top says frozen: an inner cgroup's own `frozen 1` can
/// be said while a child is not frozen.
pub fn look_v2(cgroup: &Cgroup) -> Result<V2Look, FileError> {
    let top = EventsFile::open(&cgroup.dir)?;
    if !top.read()?.frozen {
        return Ok(V2Look::NotYet(top));
    }
    for below in cgroup.subtree()?.iter().skip(1) {
        match EventsFile::open(&below.dir).and_then(|file| Ok((file.read()?, file))) {
            Ok((events, _)) if events.frozen => {}
            Ok((_, file)) => return Ok(V2Look::NotYet(file)),
            Err(error) if error.is_gone() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(V2Look::Frozen)
}

impl Cgroup {
    /// State of the subtree and who asks for it.
    pub fn state(&self) -> Result<SubtreeState, FileError> {
        let own_request = self.own_request()?;
        let ancestor = self.requesting_ancestor()?;
        let state = match self.hierarchy {
            _ if !own_request && ancestor.is_none() => FreezerState::Thawed,
            Hierarchy::V1 => v1::state(&self.dir)?,
            Hierarchy::V2 => match look_v2(self)? {
                V2Look::Frozen => FreezerState::Frozen,
                V2Look::NotYet(_) => FreezerState::Freezing,
            },
        };
        Ok(SubtreeState { state, own_request, ancestor })
    }

    /// The nearest ancestor that asks for a freeze.
    pub fn requesting_ancestor(&self) -> Result<Option<AncestorRequest>, FileError> {
        if self.hierarchy == Hierarchy::V1 && !v1::parent_freezing(&self.dir)? {
            return Ok(None);
        }
        let mut above = self.parent();
        while let Some(cgroup) = above {
            // The root has no request file, and an ancestor may vanish: neither asks.
            if cgroup.own_request().unwrap_or(false) {
                return Ok(Some(AncestorRequest::At(cgroup.dir)));
            }
            above = cgroup.parent();
        }
        let out_of_view = match self.hierarchy {
            Hierarchy::V1 => true,
            // Only when it is frozen already can v2 show a request that lies out of view, and only where the mount
            // shows a part of the hierarchy is there anything out of view.
            Hierarchy::V2 => {
                self.mount.point.join(v2::EVENTS).exists()
                    && !self.own_request()?
                    && v2::events(&self.dir)?.frozen
            }
        };
        Ok(out_of_view.then_some(AncestorRequest::OutOfView))
    }

    /// Descendants that ask for a freeze of their own.
    pub fn requesting_descendants(&self) -> Result<Vec<Self>, FileError> {
        let mut found = self.subtree()?;
        found.remove(0);
        found.retain(|cgroup| cgroup.own_request().unwrap_or(false));
        Ok(found)
    }
}
