//! A freeze of the whole system from its first task asked to its thaw, fed with events.

use super::{Caller, Event, EventKind, Hierarchy, Session, TaskSnapshot};

/// Stragglers of one round are told within this time; between two rounds that look lies ten times as much.
const ONE_LOOK_NS: u64 = 50_000_000;

/// What was not frozen at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// `CLOCK_MONOTONIC`, ns.
    pub at: u64,
    /// The tasks, with their stacks.
    pub tasks: Vec<TaskSnapshot>,
}

/// The end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thaw {
    /// `CLOCK_MONOTONIC`, ns.
    pub at: u64,
    /// When the kernel last went round to ask the tasks.
    pub last_round_at: u64,
    /// How often it did.
    pub rounds: u32,
    /// Tasks not frozen when the last round came to them.
    pub unfrozen: u32,
}

impl Thaw {
    /// Whether the kernel gave up. It goes round until it finds everything frozen, so a last round that still found
    /// somebody was the end of its patience; a first one finds nobody frozen, and freezes some where they sleep.
    #[must_use]
    pub fn gave_up(&self) -> bool {
        self.unfrozen > 0 && self.rounds > 1
    }
}

/// One freeze of the whole system.
#[derive(Clone, Debug)]
pub struct SystemSession {
    /// Who froze it; `None` where no program saw that.
    pub by: Option<Caller>,
    /// When user space was frozen and kernel threads were next.
    pub kernel_threads_at: Option<u64>,
    /// What was not frozen, from time to time.
    pub looks: Vec<Look>,
    /// The end, where a program saw it.
    pub thaw: Option<Thaw>,
    session: Session,
    first_round_ended_at: Option<u64>,
}

impl SystemSession {
    /// One that began at `at`.
    #[must_use]
    pub fn new(at: u64, by: Option<Caller>) -> Self {
        Self {
            by,
            kernel_threads_at: None,
            looks: Vec::new(),
            thaw: None,
            // The marks are those of v1's freezer, which is a part of this one.
            session: Session::new(Hierarchy::V1, at),
            first_round_ended_at: None,
        }
    }

    /// When it began.
    #[must_use]
    pub fn begun_at(&self) -> u64 {
        self.session.requested_at()
    }

    /// The tasks' ways.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Takes in what one task looked like in the freeze, and which tasks were frozen before it.
    pub fn look<'t>(&mut self, tasks: impl IntoIterator<Item = &'t TaskSnapshot>, frozen_before: &[i32]) {
        // A task that was asked and never ran since was frozen by the asking (6.1 and newer).
        if let Some(at) = self.first_round_ended_at {
            self.session.write_ended(at);
        }
        self.session.frozen_before(frozen_before.iter().copied());
        self.session.look(tasks);
    }

    /// Takes an event of this freeze in.
    pub fn observe(&mut self, event: &Event) {
        match &event.kind {
            EventKind::SystemFreeze { by } => self.by = Some(by.clone()),
            EventKind::SystemKernelThreads => self.kernel_threads_at = Some(event.time_ns),
            EventKind::SystemThaw { last_pass_ns, passes, unfrozen } => {
                let (last_round_at, rounds, unfrozen) = (*last_pass_ns, *passes, *unfrozen);
                self.thaw = Some(Thaw { at: event.time_ns, last_round_at, rounds, unfrozen });
            }
            EventKind::Straggler { task } => self.straggler(event.time_ns, task),
            EventKind::TaskAsked { .. } => {
                self.first_round_ended_at = Some(event.time_ns);
                self.session.observe(event);
            }
            _ => self.session.observe(event),
        }
    }

    fn straggler(&mut self, at: u64, task: &TaskSnapshot) {
        match self.looks.last_mut() {
            Some(look) if at < look.at + ONE_LOOK_NS => look.tasks.push(task.clone()),
            _ => self.looks.push(Look { at, tasks: vec![task.clone()] }),
        }
    }

    /// The stragglers of the last look that did not freeze after it either: while a user task refuses, kernel threads are
    /// not asked yet.
    #[must_use]
    pub fn refusing(&self) -> Vec<&TaskSnapshot> {
        let Some(last) = self.looks.last() else { return Vec::new() };
        let timelines = self.session.timelines();
        let froze_since = |tid: i32| {
            timelines
                .iter()
                .any(|task| task.tid == tid && (task.gone || task.frozen_at.is_some_and(|at| at > last.at)))
        };
        last.tasks.iter().filter(|task| !froze_since(task.tid)).collect()
    }
}

/// Sorts a stream of events into freezes.
#[derive(Debug, Default)]
pub struct SystemFreezes {
    current: Option<SystemSession>,
}

impl SystemFreezes {
    /// Takes an event in; gives the freeze that it ended.
    pub fn observe(&mut self, event: &Event) -> Option<SystemSession> {
        if let EventKind::SystemFreeze { by } = &event.kind {
            // One whose thaw was not seen: better told than lost.
            return self.current.replace(SystemSession::new(event.time_ns, Some(by.clone())));
        }
        self.current.as_mut()?.observe(event);
        self.current.take_if(|freeze| freeze.thaw.is_some())
    }

    /// The one under way.
    pub fn take(&mut self) -> Option<SystemSession> {
        self.current.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Frozen, joined::tests::task};

    fn at(time_ns: u64, kind: EventKind) -> Event {
        Event { time_ns, cpu: 0, kind }
    }

    fn begins() -> EventKind {
        EventKind::SystemFreeze { by: Caller { tid: 1, pid: 1, comm: "sleep.sh".into() } }
    }

    fn straggler(tid: i32) -> EventKind {
        EventKind::Straggler { task: Box::new(task(tid, 0)) }
    }

    fn froze(tid: i32) -> EventKind {
        EventKind::SwitchOut { tid, state: 0x8000, preempted: false, frozen: Frozen { v1: true, v2: false } }
    }

    fn thaw(passes: u32, unfrozen: u32) -> EventKind {
        EventKind::SystemThaw { last_pass_ns: 900, passes, unfrozen }
    }

    fn ended(events: &[Event]) -> SystemSession {
        let mut freezes = SystemFreezes::default();
        events.iter().find_map(|event| freezes.observe(event)).expect("the last event ends it")
    }

    #[test]
    fn a_freeze_lasts_from_the_first_task_asked_to_the_thaw() {
        let mut freezes = SystemFreezes::default();
        assert!(freezes.observe(&at(50, froze(7))).is_none(), "nothing is frozen yet");
        assert!(freezes.observe(&at(100, begins())).is_none());
        let found = freezes.observe(&at(900, thaw(2, 0))).expect("it is over");
        assert_eq!((found.begun_at(), found.thaw.map(|thaw| thaw.at)), (100, Some(900)));
        assert!(freezes.take().is_none());
    }

    #[test]
    fn a_last_round_that_found_somebody_was_the_end_of_the_kernel_s_patience() {
        let gave_up = |passes, unfrozen| {
            ended(&[at(100, begins()), at(900, thaw(passes, unfrozen))]).thaw.map(|t| t.gave_up())
        };
        assert_eq!(gave_up(2000, 1), Some(true));
        assert_eq!(gave_up(3, 0), Some(false));
        assert_eq!(gave_up(1, 40), Some(false), "all frozen where they slept, by the one round there was");
    }

    #[test]
    fn only_those_of_the_last_look_refuse_and_not_who_froze_after_it() {
        let found = ended(&[
            at(1, begins()),
            at(100_000_000, straggler(7)),
            at(100_000_500, straggler(8)),
            at(200_000_000, straggler(7)),
            at(200_000_500, straggler(9)),
            at(250_000_000, froze(9)),
            at(300_000_000, thaw(30, 1)),
        ]);
        assert_eq!(found.looks.iter().map(|look| look.tasks.len()).collect::<Vec<_>>(), [2, 2]);
        assert_eq!(found.refusing().iter().map(|task| task.tid).collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn a_freeze_whose_thaw_nobody_saw_ends_with_the_next_one() {
        let mut freezes = SystemFreezes::default();
        freezes.observe(&at(100, begins()));
        assert_eq!(freezes.observe(&at(500, begins())).map(|lost| lost.begun_at()), Some(100));
    }
}
