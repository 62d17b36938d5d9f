//! A freeze session: one request to its end, fed with events and looks, never with a clock.

use std::collections::{HashMap, HashSet};

use super::account::{Account, Left};
use super::timeline::{Arrival, FrozenClock};
use super::{Caller, Event, EventKind, Hierarchy, Joined, JoinedBy, Latency, TaskSnapshot, TaskTimeline};

/// `TASK_DEAD` in a switch's state (`include/linux/sched.h`): the last switch of a task that exits.
const TASK_DEAD: u32 = 0x80;

/// One request to its end.
#[derive(Clone, Debug)]
pub struct Session {
    hierarchy: Hierarchy,
    requested_at: u64,
    /// Id of the cgroup whose freeze by somebody else is followed.
    follows: Option<u64>,
    /// Who asked, where that was seen.
    requested_by: Option<Caller>,
    /// When somebody took that request back.
    thaw_asked_at: Option<u64>,
    write_ended_at: Option<u64>,
    tasks: HashMap<i32, TaskTimeline>,
    accounts: HashMap<i32, Account>,
    /// Thread ids of the subtree before the request and since; `None` where nobody listed them.
    inside: Option<HashSet<i32>>,
    /// When a task was moved to a cgroup of the subtree, wherever from.
    moved: HashMap<i32, u64>,
}

impl Session {
    /// A request written at `requested_at` (`CLOCK_MONOTONIC`, ns).
    #[must_use]
    pub fn new(hierarchy: Hierarchy, requested_at: u64) -> Self {
        Self {
            hierarchy,
            requested_at,
            follows: None,
            requested_by: None,
            thaw_asked_at: None,
            write_ended_at: None,
            tasks: HashMap::new(),
            accounts: HashMap::new(),
            inside: None,
            moved: HashMap::new(),
        }
    }

    /// A request that is yet to come, by somebody else: until it does, every event is one from before it.
    #[must_use]
    pub fn awaited(hierarchy: Hierarchy, cgroup: u64) -> Self {
        Self { follows: Some(cgroup), ..Self::new(hierarchy, u64::MAX) }
    }

    /// When somebody took the request back; a session by this agent does not follow that.
    #[must_use]
    pub fn thaw_asked_at(&self) -> Option<u64> {
        self.thaw_asked_at
    }

    /// Who made the last request; `None` where nobody saw it made, or it was this agent.
    #[must_use]
    pub fn requested_by(&self) -> Option<&Caller> {
        self.requested_by.as_ref()
    }

    /// How long the write of the request itself took, ns: it asks every task.
    #[must_use]
    pub fn write_took_ns(&self) -> Option<u64> {
        self.write_ended_at.map(|at| at.saturating_sub(self.requested_at))
    }

    /// Which freezer.
    #[must_use]
    pub fn hierarchy(&self) -> Hierarchy {
        self.hierarchy
    }

    /// When the request was written.
    #[must_use]
    pub fn requested_at(&self) -> u64 {
        self.requested_at
    }

    /// The write of the request returned: tasks frozen in place are frozen by now.
    pub fn write_ended(&mut self, at: u64) {
        self.write_ended_at = Some(at);
    }

    /// These were in the subtree before the request: a move within it brings nobody in.
    pub fn were_inside(&mut self, tids: impl IntoIterator<Item = i32>) {
        self.inside = Some(tids.into_iter().collect());
    }

    /// When the last task froze; one frozen in place counts at the end of the write.
    #[must_use]
    pub fn last_frozen_at(&self) -> Option<u64> {
        self.tasks.values().filter_map(|task| task.frozen_at).max()
    }

    /// Takes one event in. Events from before the request only tell who was there.
    pub fn observe(&mut self, event: &Event) {
        let at = event.time_ns;
        if let Some(cgroup) = self.follows {
            self.follow(cgroup, event);
        }
        if at < self.requested_at {
            return self.note_inside(&event.kind);
        }
        // Who runs because of a thaw was frozen until then.
        let thawed = self.thaw_asked_at.is_some();
        match &event.kind {
            EventKind::SwitchOut { tid, state, preempted, frozen } => {
                let is_frozen = match self.hierarchy {
                    Hierarchy::V1 => frozen.v1,
                    Hierarchy::V2 => frozen.v2,
                };
                self.switched_out(*tid, at, is_frozen, *state, *preempted);
            }
            EventKind::SwitchIn { tid } => {
                self.account(*tid).got_cpu(at);
                let task = self.task(*tid);
                task.on_cpu_at.get_or_insert(at);
                if !thawed {
                    task.leave_refrigerator();
                }
            }
            EventKind::Waking { tid, .. } => {
                self.account(*tid).woken(at);
                self.task(*tid).woken_at.get_or_insert(at);
            }
            EventKind::TaskAsked { tid } => {
                self.task(*tid).asked_at.get_or_insert(at);
            }
            EventKind::Refrigerated { tid } => {
                self.froze(*tid, at, FrozenClock::Entry);
                self.task(*tid).entered_at.get_or_insert(at);
            }
            EventKind::LeftRefrigerator { tid } => {
                let task = self.task(*tid);
                if let Some(entered_at) = task.entered_at.take() {
                    *task.refrigerated_ns.get_or_insert(0) += at.saturating_sub(entered_at);
                }
            }
            EventKind::Fork { parent, tid, tgid } => {
                self.came(*tid, at);
                let task = self.task(*tid);
                task.joined = Some((at, JoinedBy::Fork { parent: Some(*parent) }));
                task.forked_by = Some(*parent);
                task.tgid = *tgid;
            }
            EventKind::Exec { tid, comm } => {
                let task = self.task(*tid);
                task.comm = Some(comm.clone());
                task.joined.get_or_insert((at, JoinedBy::Exec));
            }
            EventKind::Exit { tid } => {
                let task = self.task(*tid);
                (task.gone, task.exited) = (true, true);
            }
            EventKind::Attach { tid, into, .. } => self.attached(*tid, at, *into),
            EventKind::FreezeAsked { .. }
            | EventKind::ThawAsked { .. }
            | EventKind::NotifyFrozen { .. }
            | EventKind::Sample { .. }
            | EventKind::SystemFreeze { .. }
            | EventKind::SystemKernelThreads
            | EventKind::SystemThaw { .. }
            | EventKind::Straggler { .. } => {}
        }
    }

    /// Takes a look at all tasks of the subtree in: names them, and tells those frozen without an event.
    pub fn look<'t>(&mut self, tasks: impl IntoIterator<Item = &'t TaskSnapshot>) {
        let (hierarchy, write_ended_at) = (self.hierarchy, self.write_ended_at);
        for seen in tasks {
            self.join_with_process(seen);
            let task = self.task(seen.tid);
            task.tgid = Some(seen.tgid);
            task.comm = Some(seen.comm.clone());
            if seen.frozen_in(hierarchy) != Some(true) {
                continue;
            }
            task.was_frozen = true;
            if task.arrival.is_some() {
                continue;
            }
            // It never ran since the request: the write itself froze it where it was
            // (kernel/freezer.c, __freeze_task(), 6.1+; v2: a task stopped or traced counts as it is).
            let asked = task.asked_at.map(|at| (at, FrozenClock::Asked));
            let in_place = asked.or(write_ended_at.map(|at| (at, FrozenClock::WriteEnd)));
            let in_place = in_place.filter(|_| task.on_cpu_at.is_none() && !task.late);
            task.arrival = Some(if in_place.is_some() { Arrival::InPlace } else { Arrival::Seen });
            (task.frozen_at, task.clock) = in_place.unzip();
        }
    }

    /// These were frozen before the request: they have no latency.
    pub fn frozen_before(&mut self, tids: impl IntoIterator<Item = i32>) {
        for tid in tids {
            self.task(tid).arrival = Some(Arrival::Before);
        }
    }

    /// Every task seen, in no order.
    pub fn tasks(&self) -> impl Iterator<Item = &TaskTimeline> {
        self.tasks.values()
    }

    /// Every task seen, slowest first.
    #[must_use]
    pub fn timelines(&self) -> Vec<TaskTimeline> {
        let mut all: Vec<TaskTimeline> = self.tasks.values().cloned().collect();
        all.sort_by_key(|task| (std::cmp::Reverse(task.frozen_at), task.tid));
        all
    }

    /// A process is moved with all its threads, and the kernel tells of its main thread only: this one of the subtree came
    /// with it, unless it was there before.
    pub fn join_with_process(&mut self, seen: &TaskSnapshot) {
        let Some(&at) = self.moved.get(&seen.tgid) else { return };
        if self.inside.as_ref().is_some_and(|inside| !inside.contains(&seen.tid)) {
            let task = self.task(seen.tid);
            task.joined.get_or_insert((at, JoinedBy::Move));
            task.late = true;
        }
    }

    /// Two looks, not events, tell that these came late.
    pub fn found_late(&mut self, joined: &HashMap<i32, Joined>) {
        for tid in joined.keys() {
            self.task(*tid).late = true;
        }
    }

    /// Tasks that joined since the request, by thread id, as of `now`.
    #[must_use]
    pub fn joined(&self, now: u64) -> HashMap<i32, Joined> {
        let joined = |(at, how): (u64, JoinedBy)| Joined { how, ago_ns: Some(now.saturating_sub(at)) };
        self.tasks.values().filter_map(|task| Some((task.tid, joined(task.joined?)))).collect()
    }

    /// Percentiles and histogram over the tasks whose time of freezing is known.
    #[must_use]
    pub fn latency(&self, request_to_frozen_ns: Option<u64>) -> Latency {
        let times: Vec<(i32, u64)> = self
            .tasks
            .values()
            .filter(|task| !task.gone)
            .filter_map(|task| Some((task.tid, task.latency_ns(self.requested_at)?)))
            .collect();
        Latency::of(&times, request_to_frozen_ns)
    }

    /// The request that counts is the first since the last thaw.
    fn follow(&mut self, top: u64, event: &Event) {
        match &event.kind {
            EventKind::FreezeAsked { cgroup, by } if *cgroup == top => {
                if self.requested_by.is_some() && self.thaw_asked_at.is_none() {
                    return;
                }
                let inside = self.inside.take();
                *self = Self { inside, ..Self::awaited(self.hierarchy, top) };
                self.requested_at = event.time_ns;
                self.requested_by = Some(by.clone());
            }
            EventKind::ThawAsked { cgroup, .. } if *cgroup == top && self.requested_by.is_some() => {
                self.thaw_asked_at.get_or_insert(event.time_ns);
            }
            _ => {}
        }
    }

    fn task(&mut self, tid: i32) -> &mut TaskTimeline {
        self.tasks.entry(tid).or_insert_with(|| TaskTimeline::new(tid))
    }

    fn account(&mut self, tid: i32) -> &mut Account {
        let from = self.requested_at;
        self.accounts.entry(tid).or_insert_with(|| Account::open(from))
    }

    /// Forked or moved in after the request.
    fn came(&mut self, tid: i32, at: u64) {
        let task = self.task(tid);
        task.late = true;
        task.late_at.get_or_insert(at);
        (task.gone, task.gone_at) = (false, None);
        self.accounts.insert(tid, Account::open(at));
    }

    fn went(&mut self, tid: i32, at: u64) {
        let spent = self.account(tid).spent(at);
        let task = self.task(tid);
        (task.gone, task.gone_at, task.spent) = (true, Some(at), spent);
    }

    fn note_inside(&mut self, kind: &EventKind) {
        let Some(inside) = &mut self.inside else { return };
        match kind {
            EventKind::Fork { tid, .. } | EventKind::Attach { tid, into: true, .. } => {
                inside.insert(*tid);
            }
            EventKind::Exit { tid } | EventKind::Attach { tid, into: false, .. } => {
                inside.remove(tid);
            }
            _ => {}
        }
    }

    fn attached(&mut self, tid: i32, at: u64, into: bool) {
        // Where nobody listed them it may be a move within.
        let was_inside = self.inside.as_ref().is_none_or(|inside| inside.contains(&tid));
        if !into {
            if let Some(inside) = &mut self.inside {
                inside.remove(&tid);
            }
            return self.went(tid, at);
        }
        self.moved.insert(tid, at);
        if was_inside {
            let task = self.task(tid);
            (task.gone, task.gone_at) = (false, None);
        } else {
            self.came(tid, at);
            self.task(tid).joined = Some((at, JoinedBy::Move));
        }
    }

    fn switched_out(&mut self, tid: i32, at: u64, frozen: bool, state: u32, preempted: bool) {
        let dead = state & TASK_DEAD != 0;
        let how = match (frozen || dead, preempted || state == 0) {
            (true, _) => Left::Done,
            (false, true) => Left::Runnable,
            (false, false) => Left::Asleep,
        };
        self.account(tid).left_cpu(at, how);
        if frozen {
            self.froze(tid, at, FrozenClock::Switch);
        } else if dead {
            self.went(tid, at);
        } else if self.thaw_asked_at.is_none() {
            // It ran, also where nothing tells of who gets a CPU.
            self.task(tid).leave_refrigerator();
        }
    }

    fn froze(&mut self, tid: i32, at: u64, clock: FrozenClock) {
        let spent = self.account(tid).spent(at);
        let task = self.task(tid);
        task.was_frozen = true;
        // Two last switches: it ran in between.
        let ran = clock == FrozenClock::Switch && task.clock == Some(FrozenClock::Switch);
        if task.frozen_at.is_none() || ran {
            (task.frozen_at, task.clock) = (Some(at), Some(clock));
            task.arrival = Some(Arrival::Entered);
            task.spent = spent;
        }
    }
}

impl TaskTimeline {
    /// A task that runs again is not frozen (v2 leaves the trap for a ptrace request, v1 for a spurious wake-up).
    fn leave_refrigerator(&mut self) {
        if self.arrival == Some(Arrival::Entered) {
            (self.arrival, self.frozen_at, self.clock) = (None, None, None);
        }
    }
}

#[cfg(test)]
mod tests;
