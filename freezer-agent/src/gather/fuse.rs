//! FUSE connections that a task may wait for: from mount tables, from their own counts of waiting requests, and with the
//! tasks whose calls name them.

use std::collections::BTreeSet;
use std::time::Instant;

use super::fusectl::Fusectl;
use super::procdir::Process;
use super::{Gatherer, descriptors, may_be, on_fuse, storage};
use crate::explain::facts::{FuseConnection, MountFacts, TaskFacts};
use crate::explain::functions::{Mechanism, means};
use crate::model::{TaskSnapshot, TaskState};

/// Tasks of the host that are asked which connection they wait on.
const MOST_WAITERS: usize = 128;

impl Gatherer<'_> {
    /// FUSE connections in the mount tables of these tasks and our own, where one of them may wait for FUSE.
    pub(super) fn fuse_connections(
        &mut self,
        suspects: &[&TaskFacts],
        tasks: &[TaskFacts],
    ) -> Vec<FuseConnection> {
        let waits = |f: &TaskFacts| {
            may_be(f, Mechanism::FuseRequest) || may_be(f, Mechanism::SharedFetch) || on_fuse(f)
        };
        let loops =
            || suspects.iter().any(|facts| storage::concerns(facts)) && storage::loops_on_fuse(&self.proc);
        let locked = |facts: &TaskFacts| facts.task.lock.is_some();
        if !suspects.iter().any(|facts| waits(facts) || locked(facts))
            && !tasks.iter().any(locked)
            && !loops()
        {
            return Vec::new();
        }
        let own = self.tables.of(&Process::own(&self.proc));
        let tables: Vec<_> =
            suspects.iter().map(|facts| self.tables.of(&self.proc.process(facts.task.tid))).collect();
        let mut seen: BTreeSet<u64> = BTreeSet::new();
        let mut connections = Vec::new();
        let mounts = tables.iter().chain([&own]).flat_map(|table| table.iter());
        for mount in mounts.filter(|mount| seen.insert(mount.facts.id)) {
            descriptors::add_connection(&mut connections, mount.facts.clone());
        }
        let nameless =
            |facts: &&TaskFacts| may_be(facts, Mechanism::FuseRequest) && fuse_mounts(facts).next().is_none();
        if let Some(control) = Fusectl::open(&self.proc) {
            for connection in &mut connections {
                connection.waiting = control.waiting(connection.number);
            }
            if suspects.iter().any(nameless) {
                out_of_view(&control, &mut connections);
                self.add_waiters(suspects, &mut connections);
            }
        }
        connections
    }

    /// Whoever else waits for FUSE, and on which connection, where its call tells: what is left of a connection's count is
    /// of the tasks whose calls tell nothing.
    fn add_waiters(&mut self, suspects: &[&TaskFacts], connections: &mut [FuseConnection]) {
        for facts in suspects.iter().filter(|facts| may_be(facts, Mechanism::FuseRequest)) {
            add_waiter(facts, connections);
        }
        let known: BTreeSet<i32> = suspects.iter().map(|facts| facts.task.tid).collect();
        let host = &self.subject.host;
        let others = host.iter().filter(|task| !known.contains(&task.tid) && self.waits_for_fuse(task));
        let others: Vec<TaskSnapshot> = others.take(MOST_WAITERS).cloned().collect();
        for task in others {
            let details = self.details(&task);
            add_waiter(&TaskFacts { task, details }, connections);
        }
    }

    /// By its stack, or by one small file where that was not taken.
    fn waits_for_fuse(&self, task: &TaskSnapshot) -> bool {
        let asleep = matches!(task.state, TaskState::Sleeping | TaskState::Uninterruptible);
        if !asleep || task.kernel_thread {
            return false;
        }
        match task.stack.first() {
            Some(innermost) => means(innermost, Mechanism::FuseRequest),
            None => {
                Instant::now() <= self.deadline
                    && self
                        .proc
                        .process(task.tid)
                        .wchan()
                        .is_some_and(|wchan| means(&wchan, Mechanism::FuseRequest))
            }
        }
    }
}

/// Connections with requests whose mounts no table in view has.
fn out_of_view(control: &Fusectl, connections: &mut Vec<FuseConnection>) {
    for number in control.connections() {
        let known = connections.iter().any(|connection| connection.number == number);
        let waiting = control.waiting(number).filter(|&waiting| waiting > 0 && !known);
        connections.extend(waiting.map(|waiting| FuseConnection {
            number,
            mounts: Vec::new(),
            waiting: Some(waiting),
            servers: Vec::new(),
            servers_certain: false,
            readers: Vec::new(),
            waiters: Vec::new(),
        }));
    }
}

/// Where all that its call names on FUSE lies on one connection.
fn add_waiter(facts: &TaskFacts, connections: &mut [FuseConnection]) {
    let numbers: BTreeSet<u32> = fuse_mounts(facts).map(MountFacts::device).collect();
    let mut named = connections.iter_mut().filter(|connection| numbers.contains(&connection.number));
    if let (1, Some(connection)) = (numbers.len(), named.next()) {
        connection.waiters.push(facts.task.tid);
    }
}

/// FUSE mounts that a task's call or fault is about.
pub(super) fn fuse_mounts(facts: &TaskFacts) -> impl Iterator<Item = &MountFacts> {
    let details = facts.details.as_ref();
    let files = details.and_then(|d| d.syscall.as_ref()).into_iter().flat_map(|call| &call.files);
    let mapped = details.into_iter().flat_map(|details| &details.mapped).map(|file| &file.mount);
    files.filter_map(|file| file.mount.as_ref()).chain(mapped).filter(|mount| descriptors::is_fuse(mount))
}
