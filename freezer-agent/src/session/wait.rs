//! Waits by kernel events: v1 has no notification of its own, but the tasks' last switches tell.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use super::{Looks, Witness};
use crate::control::{FileWatch, FreezeWatch, Pending, Span, Suspect};
use crate::explain::Look;
use crate::explain::facts::StackSample;
use crate::model::{Event, EventKind, Hierarchy, Session, TaskSnapshot, TaskState};

/// A freeze that takes longer than this is sampled.
const LONG: Duration = Duration::from_millis(30);
/// Looks per second at each CPU: some ten looks at what spins even in a freeze of 100 ms.
const SAMPLE_HZ: u64 = 199;
/// v1: an event that was lost costs this much at most.
const V1_SAFETY: Duration = Duration::from_millis(10);

/// Timer samples by thread id.
pub type Samples = HashMap<i32, Vec<StackSample>>;

/// What a watch came to.
pub struct Watched {
    /// The session so far.
    pub session: Session,
    /// Samples taken of each task.
    pub samples: Samples,
    /// The look at the whole host that was taken when the time was up, where there was one.
    pub last_look: Option<Vec<TaskSnapshot>>,
    /// Looks at what was not frozen, where the freeze was slow.
    pub looks: Vec<Look>,
}

/// Feeds a [`Session`] with what the [`Witness`] sees, and wakes when something may have become frozen.
pub struct WatchedWait<'w> {
    witness: &'w mut Witness,
    session: Session,
    samples: Vec<(i32, StackSample)>,
    events: Vec<Event>,
    started: Instant,
    sampling: bool,
    sample_after: Duration,
    looks: Option<Looks>,
    last_look: Option<Vec<TaskSnapshot>>,
}

impl<'w> WatchedWait<'w> {
    /// For a request whose write took `written`, when these threads were `inside`; `None` where nobody listed them.
    pub fn new(witness: &'w mut Witness, written: Span, inside: Option<Vec<i32>>) -> Self {
        let mut session = Session::new(witness.cgroup().hierarchy, written.start_ns);
        if let Some(inside) = inside {
            session.were_inside(inside);
        }
        if witness.has_bpf() {
            // Without events a task that never ran cannot be told from one that did.
            session.write_ended(written.end_ns);
        }
        Self::of(witness, session)
    }

    /// For a request that somebody else is to make.
    pub fn awaiting(witness: &'w mut Witness, inside: Option<Vec<i32>>) -> Self {
        let mut session = Session::awaited(witness.cgroup().hierarchy, witness.cgroup().id);
        if let Some(inside) = inside {
            session.were_inside(inside);
        }
        Self::of(witness, session)
    }

    fn of(witness: &'w mut Witness, session: Session) -> Self {
        Self {
            witness,
            session,
            samples: Vec::new(),
            events: Vec::new(),
            started: Instant::now(),
            sampling: false,
            sample_after: LONG,
            looks: None,
            last_look: None,
        }
    }

    /// Looks at what is not frozen as soon as the freeze is slow.
    #[must_use]
    pub fn with_looks(mut self, looks: Looks) -> Self {
        // A look wants some samples to go by.
        self.sample_after = LONG.min(looks.due_in() / 2);
        self.looks = Some(looks);
        self
    }

    /// Ends the watch; a look under way is waited for only where told to.
    pub fn finish(mut self, wait: bool) -> Watched {
        if self.sampling {
            self.witness.stop_sampling();
        }
        self.witness.drain(&mut self.events);
        self.digest();
        let looks = self.looks.take().map_or_else(Vec::new, |looks| looks.finish(wait));
        Watched { samples: sum(&self.samples), session: self.session, last_look: self.last_look, looks }
    }

    /// Watches who comes, and samples what runs, for `duration`; not at all where there is no BPF.
    pub async fn watch_for(mut self, duration: Duration) -> Watched {
        if !self.witness.has_bpf() {
            return self.finish(false);
        }
        self.sampling = true;
        self.witness.start_sampling(SAMPLE_HZ);
        let gather = async {
            while self.witness.next_events(&mut self.events).await.is_ok() {
                self.digest();
            }
        };
        // The time passing is the end that is wanted.
        let _passed = tokio::time::timeout(duration, gather).await;
        self.finish(false)
    }

    /// Takes the waiting events in; whether any of them may complete the freeze.
    fn digest(&mut self) -> bool {
        let mut promising = false;
        for event in self.events.drain(..) {
            promising |= match &event.kind {
                EventKind::SwitchOut { frozen, .. } => frozen.v1 || frozen.v2,
                EventKind::Refrigerated { .. }
                | EventKind::Exit { .. }
                | EventKind::Attach { .. }
                | EventKind::NotifyFrozen { .. } => true,
                EventKind::Sample { tid, user, stack } => {
                    self.samples.push((*tid, StackSample { count: 1, user: *user, stack: stack.clone() }));
                    false
                }
                _ => false,
            };
            self.session.observe(&event);
        }
        promising
    }
}

/// Equal samples of a task become one with a count.
fn sum(taken: &[(i32, StackSample)]) -> Samples {
    let mut samples = Samples::new();
    for (tid, sample) in taken {
        let of_task = samples.entry(*tid).or_default();
        match of_task.iter_mut().find(|known| known.user == sample.user && known.stack == sample.stack) {
            Some(known) => known.count += 1,
            None => of_task.push(sample.clone()),
        }
    }
    samples
}

impl FreezeWatch for WatchedWait<'_> {
    fn patience(&self) -> Duration {
        match self.session.hierarchy() {
            Hierarchy::V1 if self.witness.has_bpf() => V1_SAFETY,
            _ => Duration::ZERO,
        }
    }

    fn suspects(&mut self, last: bool) -> Option<Vec<Suspect>> {
        let tasks = if last { self.witness.look_at_host_by_bpf()? } else { self.witness.look_by_bpf()? };
        let stuck = |task: &&TaskSnapshot| {
            task.kernel_thread
                || task.state == TaskState::Uninterruptible && task.frozen_in(Hierarchy::V2) != Some(true)
        };
        let found = tasks.iter().filter(stuck);
        let found =
            found.filter_map(|task| Some(Suspect { tid: task.tid, cgroup: task.cgroup_v2? })).collect();
        if last {
            self.last_look = Some(tasks);
        }
        Some(found)
    }

    async fn changed(&mut self, pending: &Pending, at_most: Duration) -> io::Result<()> {
        let mut at_most = at_most;
        if let Some(looks) = &mut self.looks {
            looks.look_if_due(self.witness, || sum(&self.samples));
            at_most = at_most.min(looks.due_in());
        }
        if !self.witness.has_bpf() {
            return FileWatch.changed(pending, at_most).await;
        }
        if !self.sampling && self.started.elapsed() >= self.sample_after {
            self.sampling = true;
            self.witness.start_sampling(SAMPLE_HZ);
        }
        let at_most = if self.sampling { at_most } else { at_most.min(self.sample_after) };
        let mut files = FileWatch;
        let files = files.changed(pending, at_most);
        tokio::pin!(files);
        loop {
            tokio::select! {
                biased;
                changed = &mut files => return changed,
                events = self.witness.next_events(&mut self.events) => {
                    events?;
                    if self.digest() && self.session.hierarchy() == Hierarchy::V1 {
                        return Ok(());
                    }
                }
            }
        }
    }
}
