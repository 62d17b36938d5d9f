//! Waits until the whole subtree is frozen.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::impossible::{Impossible, find_impossible};
use super::pace::{Occasion, Pace};
use super::{ControlError, FreezeWatch, Interrupts, Pending, Request};
use crate::cgroupfs::state::{V2Look, look_v2};
use crate::cgroupfs::v1;
use crate::model::{FreezerState, Hierarchy};

/// How a wait ended. The request still stands in every case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every task of the subtree is frozen, confirmed by two looks.
    Frozen,
    /// The limit passed.
    TimedOut,
    /// It can never be frozen as it is.
    Impossible(Impossible),
    /// A signal asks the agent to end.
    Interrupted(Signal),
}

/// A v2 freeze that takes longer than this is worth a look at its tasks.
const PROMPT: Duration = Duration::from_millis(20);
/// v1: how soon the first repetition of the request comes.
const FIRST_REPETITION: Duration = Duration::from_millis(100);
/// v2 notifies; this is for what it does not notify of, such as a request taken back.
const SAFETY: Duration = Duration::from_millis(500);

impl Request {
    /// Waits until the subtree is frozen, `limit` after the request at the longest.
    pub async fn wait(
        &mut self,
        limit: Duration,
        watch: &mut impl FreezeWatch,
        interrupts: &Interrupts,
    ) -> Result<Ended, ControlError> {
        let mut pace = Pace::new();
        let mut suspicion = Occasion::first_after(PROMPT);
        let mut repetition = Occasion::first_after(FIRST_REPETITION.max(self.write_took * 10));
        loop {
            if let Some(signal) = interrupts.arrived() {
                return Ok(Ended::Interrupted(signal));
            }
            let start = Instant::now();
            let Some(pending) = self.look_twice()? else { return Ok(Ended::Frozen) };
            let cost = start.elapsed();
            let left = limit.saturating_sub(self.asked.elapsed());
            // A last look at the end of the time makes a short limit as clear as a long one.
            let suspicious = self.cgroup.hierarchy == Hierarchy::V2 && (suspicion.is_due() || left.is_zero());
            if suspicious
                && let Some(reason) =
                    find_impossible(&self.cgroup, watch.suspects(left.is_zero()).as_deref())?
            {
                // It may have got there while we looked.
                return Ok(if self.look_twice()?.is_none() {
                    Ended::Frozen
                } else {
                    Ended::Impossible(reason)
                });
            }
            if left.is_zero() {
                return Ok(Ended::TimedOut);
            }
            let at_most = match pending {
                Pending::V1 => {
                    if repetition.is_due() {
                        self.write()?;
                    }
                    pace.after(cost)
                }
                Pending::V2(_) => SAFETY.min(suspicion.in_how_long()),
            };
            tokio::select! {
                biased;
                signal = interrupts.wait() => return Ok(Ended::Interrupted(signal.map_err(ControlError::Signals)?)),
                woken = watch.changed(&pending, at_most.max(watch.patience()).min(left)) => woken.map_err(ControlError::Signals)?,
            }
        }
    }

    /// What is not frozen yet, without waiting. FROZEN may fall back to FREEZING when a task comes in, so it
    /// counts only when a second look says the same.
    pub fn look_twice(&self) -> Result<Option<Pending>, ControlError> {
        match self.look()? {
            None => self.look(),
            pending => Ok(pending),
        }
    }

    fn look(&self) -> Result<Option<Pending>, ControlError> {
        match self.cgroup.hierarchy {
            // One read of the top covers every descendant (`update_if_frozen` looks at the children's states).
            Hierarchy::V1 => match v1::state(&self.cgroup.dir)? {
                FreezerState::Frozen => Ok(None),
                FreezerState::Freezing => Ok(Some(Pending::V1)),
                FreezerState::Thawed => Err(ControlError::Withdrawn { dir: self.cgroup.dir.clone() }),
            },
            Hierarchy::V2 => match look_v2(&self.cgroup)? {
                V2Look::Frozen => Ok(None),
                V2Look::NotYet(events) if self.still_stands()? => Ok(Some(Pending::V2(events))),
                V2Look::NotYet(_) => Err(ControlError::Withdrawn { dir: self.cgroup.dir.clone() }),
            },
        }
    }
}
