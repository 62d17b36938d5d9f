//! The transaction: what was found before, what was asked, and the way back.

use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

use super::hurry::Hurry;
use super::{ControlError, monotonic_ns};
use crate::cgroupfs::{Cgroup, v1, v2};
use crate::model::{FreezerState, Hierarchy};

/// Start and end of a write, `CLOCK_MONOTONIC`, ns.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Just before.
    pub start_ns: u64,
    /// Just after.
    pub end_ns: u64,
}

/// A freeze that was asked for and not settled yet. Dropped unsettled, it puts back what was found.
#[derive(Debug)]
pub struct Request {
    pub(super) cgroup: Cgroup,
    pub(super) asked: Instant,
    pub(super) write_took: Duration,
    written: Option<Span>,
    asked_before: bool,
    already_frozen: bool,
    settled: bool,
}

impl Request {
    /// Writes the request, after remembering what was found. Check with [`super::check_safe`] first.
    pub fn make(cgroup: Cgroup) -> Result<Self, ControlError> {
        let asked_before = cgroup.own_request().map_err(|error| match cgroup.hierarchy {
            Hierarchy::V2 if error.is_gone() && cgroup.dir.join(v2::EVENTS).exists() => {
                ControlError::NoV2Freezer { dir: cgroup.dir.clone() }
            }
            _ => error.into(),
        })?;
        let already_frozen = asked_before && cgroup.state()?.state == FreezerState::Frozen;
        let mut request = Self {
            cgroup,
            asked: Instant::now(),
            write_took: Duration::ZERO,
            written: None,
            asked_before,
            already_frozen,
            settled: true,
        };
        if !already_frozen {
            // Unsettled before the write: a failed one may have been half done, unless it was not allowed at all.
            request.settled = asked_before;
            if let Err(error) = request.write() {
                request.settled |= matches!(error, ControlError::Permission(_));
                return Err(error);
            }
        }
        Ok(request)
    }

    /// Writes the request (again): v1 then asks every task again, which is how runtimes learned to get past tasks
    /// that missed the first time (opencontainers/runc#2774).
    pub(super) fn write(&mut self) -> Result<(), ControlError> {
        let (start, start_ns) = (Instant::now(), monotonic_ns());
        self.cgroup.write_request(true)?;
        self.write_took = start.elapsed();
        self.written.get_or_insert(Span { start_ns, end_ns: monotonic_ns() });
        Ok(())
    }

    /// The cgroup.
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// When the request was written.
    pub fn asked(&self) -> Instant {
        self.asked
    }

    /// When the request was first written; `None` where it was not, being frozen already.
    pub fn written(&self) -> Option<Span> {
        self.written
    }

    /// It was frozen by its own request before; nothing was written.
    pub fn already_frozen(&self) -> bool {
        self.already_frozen
    }

    /// The cgroup asked for a freeze before, so that there is nothing to take back.
    pub fn asked_before(&self) -> bool {
        self.asked_before
    }

    /// Lets the request stand.
    pub fn keep(mut self) {
        self.settled = true;
    }

    /// Puts back what was found. `true` when the request was taken back, `false` when there was one before and it
    /// stays.
    pub fn restore(mut self) -> Result<bool, ControlError> {
        self.take_back()
    }

    /// The same on another thread while `work` is done on this one: to thaw thousands of tasks takes the kernel tens of
    /// milliseconds. Should `work` panic, the panic goes on once the request is taken back.
    pub fn restore_during<T>(mut self, work: impl FnOnce() -> T) -> (Result<bool, ControlError>, T) {
        let _hurry = Hurry::begin();
        let (taken_back, done) = thread::scope(|scope| {
            let aside = thread::Builder::new().spawn_scoped(scope, || self.take_back());
            let done = work();
            (aside.ok().map(|aside| aside.join().unwrap_or_else(|panic| resume_unwind(panic))), done)
        });
        // No thread to be had.
        (taken_back.unwrap_or_else(|| self.take_back()), done)
    }

    fn take_back(&mut self) -> Result<bool, ControlError> {
        if std::mem::replace(&mut self.settled, true) || self.asked_before {
            return Ok(false);
        }
        match self.cgroup.write_request(false) {
            Ok(()) => Ok(true),
            // Nothing is left that could stay frozen.
            Err(error) if error.is_gone() => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the request still stands.
    pub(super) fn still_stands(&self) -> Result<bool, ControlError> {
        Ok(match self.cgroup.hierarchy {
            Hierarchy::V1 => v1::self_freezing(&self.cgroup.dir)?,
            Hierarchy::V2 => v2::own_request(&self.cgroup.dir)?,
        })
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if let Err(error) = self.take_back() {
            eprintln!("freezer-agent: could not take the freeze of this session back: {error}");
        }
    }
}
