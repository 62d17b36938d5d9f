//! Who holds what the tasks wait for, and what those wait for in turn, to the end: lock owners, FUSE servers with all
//! their threads, holders of userfaultfds, and what was frozen together with a holder.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::fuse::fuse_mounts;
use super::{Gatherer, descriptors, may_be, storage, syscall};
use crate::explain::facts::{KeyUpcall, MountFacts, TaskFacts, UserModeHelper};
use crate::explain::functions::Mechanism;
use crate::model::{Hierarchy, TaskState};

/// Steps of a chain that are followed.
const LONGEST_CHAIN: usize = 16;
/// Threads of one process, or of one freeze, that are looked at closely.
const MOST_THREADS: usize = 128;

/// What was found.
pub struct Held {
    /// Tasks outside the subtree that something points at.
    pub others: Vec<TaskFacts>,
    /// FUSE connections and userfaultfds.
    pub found: descriptors::Found,
    /// Programs that the kernel started.
    pub helpers: Vec<UserModeHelper>,
    /// Keys that they are to make.
    pub keys: Vec<KeyUpcall>,
}

impl Gatherer<'_> {
    /// Starts with the tasks of the subtree and with those outside that are known to matter.
    pub(super) fn follow_holders(&mut self, tasks: &[TaskFacts], first: BTreeSet<i32>) -> Held {
        let inside: BTreeSet<i32> = tasks.iter().map(|facts| facts.task.tid).collect();
        let mut others: BTreeMap<i32, TaskFacts> = BTreeMap::new();
        let mut wanted = first;
        wanted.extend(self.lock_owners(tasks));
        self.look_at(&wanted, &inside, &mut others);
        // Lock owners may have mounts of their own: they are known before the one walk over all descriptors.
        let suspects: Vec<&TaskFacts> = tasks.iter().chain(others.values()).collect();
        let owners: BTreeSet<i32> = others.keys().copied().collect();
        let mut found = self.scan_descriptors(tasks, &owners, &suspects);
        let mut served: BTreeSet<u32> = BTreeSet::new();
        let mut freezes: BTreeSet<(Hierarchy, Option<u64>)> = BTreeSet::new();
        wanted = found.holders().collect();
        let reached: BTreeSet<i32> = owners.union(&wanted).copied().collect();
        let (helpers, keys) = self.helpers(tasks, &reached);
        wanted.extend(helpers.iter().map(|helper| helper.pid));
        for _ in 0..LONGEST_CHAIN {
            let known: Vec<TaskFacts> = others.values().cloned().collect();
            for mount in known.iter().flat_map(fuse_mounts) {
                found.add(mount.clone());
            }
            for number in pointed_at(tasks.iter().chain(&known), &found) {
                if served.insert(number) {
                    wanted.extend(self.server_threads(number, &found));
                }
            }
            wanted.extend(self.lock_owners(&known));
            wanted.extend(self.frozen_together(&known, &mut freezes));
            if !self.look_at(&wanted, &inside, &mut others) {
                break;
            }
            wanted.clear();
        }
        self.find_readers(&served, &mut found);
        Held { others: others.into_values().collect(), found, helpers, keys }
    }

    /// Whether any of them was not known.
    fn look_at(
        &mut self,
        wanted: &BTreeSet<i32>,
        inside: &BTreeSet<i32>,
        others: &mut BTreeMap<i32, TaskFacts>,
    ) -> bool {
        let new: Vec<i32> =
            wanted.iter().copied().filter(|tid| !inside.contains(tid) && !others.contains_key(tid)).collect();
        let mut any = false;
        for tid in new {
            let Some(task) = self.by_tid.get(&tid).copied() else { continue };
            others.insert(tid, self.look(task, true));
            any = true;
        }
        any
    }

    /// Owners of locks that these tasks wait for, and owners of what those wait for, to the end.
    fn lock_owners(&self, tasks: &[TaskFacts]) -> BTreeSet<i32> {
        let mut owners = BTreeSet::new();
        for facts in tasks {
            let mut next = facts.task.lock.as_ref().and_then(|lock| lock.owner);
            for _ in 0..LONGEST_CHAIN {
                let Some(owner) = next else { break };
                if !owners.insert(owner) {
                    break;
                }
                next =
                    self.by_tid.get(&owner).and_then(|task| task.lock.as_ref()).and_then(|lock| lock.owner);
            }
        }
        owners
    }

    fn server_threads(&self, number: u32, found: &descriptors::Found) -> Vec<i32> {
        let Some(connection) = found.fuse.iter().find(|c| c.number == number) else { return Vec::new() };
        let threads = |pid: &i32| {
            let pid = *pid;
            self.subject
                .host
                .iter()
                .filter(move |task| task.tgid == pid)
                .map(|task| task.tid)
                .take(MOST_THREADS)
        };
        connection.servers.iter().flat_map(threads).collect()
    }

    /// Tasks that keep from completing the freeze which holds one of these holders: through them two freezes may wait
    /// for each other.
    fn frozen_together(
        &self,
        holders: &[TaskFacts],
        seen: &mut BTreeSet<(Hierarchy, Option<u64>)>,
    ) -> Vec<i32> {
        let mut stuck = Vec::new();
        for (task, hierarchy) in holders.iter().flat_map(|facts| {
            [Hierarchy::V1, Hierarchy::V2].into_iter().map(move |hierarchy| (&facts.task, hierarchy))
        }) {
            let is_held = |state: Option<bool>| state == Some(true);
            if !is_held(task.frozen_in(hierarchy)) || !seen.insert((hierarchy, task.cgroup_in(hierarchy))) {
                continue;
            }
            let process = self.proc.process(task.tid);
            let except = if hierarchy == self.hierarchy { self.subject.frozen.dir() } else { "/".as_ref() };
            let together = self.hosts.frozen_together(&process, hierarchy, except);
            let waits = |tid: &i32| {
                self.by_tid.get(tid).is_some_and(|task| {
                    task.state == TaskState::Uninterruptible && !is_held(task.frozen_in(hierarchy))
                })
            };
            stuck.extend(together.into_iter().filter(waits).take(MOST_THREADS));
        }
        stuck
    }

    /// Which threads of the servers read further requests, frozen ones too: a frozen task is still in its call.
    fn find_readers(&mut self, served: &BTreeSet<u32>, found: &mut descriptors::Found) {
        for number in served {
            let threads = self.server_threads(*number, found);
            let Some(connection) = found.fuse.iter_mut().find(|c| c.number == *number) else { continue };
            for tid in threads {
                if Instant::now() > self.deadline {
                    self.gaps.insert("looking at the threads of FUSE servers took too long".to_owned());
                    return;
                }
                let process = self.proc.process(tid);
                if syscall::reads(&process, descriptors::is_fuse_device) {
                    connection.readers.push(tid);
                }
            }
        }
    }
}

/// Connections that one of these tasks may wait for; all that may be busy where a task does not tell which.
fn pointed_at<'a>(tasks: impl Iterator<Item = &'a TaskFacts>, found: &descriptors::Found) -> BTreeSet<u32> {
    let mut numbers = BTreeSet::new();
    for facts in tasks.filter(|facts| facts.details.is_some()) {
        let before = numbers.len();
        numbers.extend(fuse_mounts(facts).map(MountFacts::device));
        let waits = may_be(facts, Mechanism::FuseRequest)
            || may_be(facts, Mechanism::SharedFetch)
            || storage::concerns(facts);
        if numbers.len() == before && waits {
            numbers.extend(found.fuse.iter().filter(|c| c.waiting != Some(0)).map(|c| c.number));
        }
    }
    numbers
}
