//! Circles: a freeze that waits for a task which waits for something that this very freeze, or one that waits for it,
//! holds frozen; and tasks that wait for each other whatever the freezers do. With an order of freezing that would work.

mod graph;
mod order;

use serde::{Deserialize, Serialize};

use self::graph::{Graph, Node};
use super::case::Case;
use super::verdict::WaitsFor;
use super::{Blocker, Facts, follow, rules};
use crate::model::units::duration;
use crate::model::{Hierarchy, Name, TaskState};

/// A circle of waiting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cycle {
    /// One sentence: who waits for whom.
    pub summary: String,
    /// Each waits for the next one, the last for the first. A `cgroup` stands for its freeze: it waits for its tasks, and
    /// what it has frozen waits for its thaw.
    pub steps: Vec<WaitsFor>,
    /// Thread ids of the blockers in it.
    pub blockers: Vec<i32>,
    /// An order of freezing that would work, first to last; empty where none does.
    pub order: Vec<OrderStep>,
    /// The same in a sentence, or what to do where no order works.
    pub advice: String,
}

/// What to freeze together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderStep {
    /// Freezing this whole cgroup does it; `None`: these processes must be moved to a cgroup of their own first.
    pub cgroup: Option<Name>,
    /// Processes of the circle.
    pub processes: Vec<Process>,
}

/// A process by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Process {
    /// Process id.
    pub pid: i32,
    /// Name of the task that stands for it.
    pub comm: Name,
    /// Its cgroup.
    pub cgroup: Option<Name>,
}

/// Finds every circle the blockers are in.
#[must_use]
pub fn find(facts: &Facts, blockers: &[Blocker]) -> Vec<Cycle> {
    if facts.system.is_some() {
        return Vec::new(); // there is no order to choose: the whole system freezes at once
    }
    let graph = build(facts, blockers);
    // A task that waits for its own process alone, on a userfaultfd of its own, say: its cause tells that already.
    let is_told = |circle: &graph::Circle| matches!(&circle.ring[..], [only] if !waits_for_lock(facts, only));
    graph
        .circles()
        .iter()
        .filter(|circle| !is_told(circle))
        .map(|circle| tell(facts, &graph, circle))
        .collect()
}

fn waits_for_lock(facts: &Facts, node: &Node) -> bool {
    matches!(node, Node::Task(tid) if facts.task(*tid).is_some_and(|facts| facts.task.lock.is_some()))
}

fn build(facts: &Facts, blockers: &[Blocker]) -> Graph {
    let mut graph = Graph::default();
    let own = Node::Freeze(facts.cgroup.clone());
    for blocker in blockers {
        add(facts, &mut graph, own.clone(), blocker.tid, &blocker.waits_for);
    }
    // What keeps the freezes of the holders from completing: only if that leads back is it a circle.
    for subject in &facts.others {
        let Some((freeze, marked)) = asked_to_freeze(facts, subject) else { continue };
        let path = [subject.task.tid];
        let Some(finding) = rules::waits(&Case { facts, subject, path: &path }) else { continue };
        if marked || finding.never_frozen_in_place {
            add(facts, &mut graph, freeze, subject.task.tid, &finding.waits_for);
        }
    }
    graph
}

/// The freeze a task outside keeps waiting, and whether its marks say so.
fn asked_to_freeze(facts: &Facts, subject: &super::facts::TaskFacts) -> Option<(Node, bool)> {
    let task = &subject.task;
    if task.state != TaskState::Uninterruptible {
        return None;
    }
    [Hierarchy::V1, Hierarchy::V2].into_iter().find_map(|hierarchy| {
        let cgroup = facts.cgroup(hierarchy, task.cgroup_in(hierarchy)?)?;
        let frozen = task.frozen_in(hierarchy);
        let asker = cgroup.asked_by.first().filter(|_| frozen != Some(true))?;
        Some((freeze_of(facts, asker), frozen == Some(false)))
    })
}

/// A request of an ancestor is the same freeze.
fn freeze_of(facts: &Facts, asker: &Name) -> Node {
    let within = facts.cgroup.as_bytes().strip_prefix(asker.as_bytes());
    let same = within.is_some_and(|rest| rest.first().is_none_or(|&b| b == b'/'));
    Node::Freeze(if same { facts.cgroup.clone() } else { asker.clone() })
}

fn add(facts: &Facts, graph: &mut Graph, freeze: Node, tid: i32, chain: &[WaitsFor]) {
    let mut last = Node::Task(tid);
    if let Some(subject) = facts.task(tid) {
        graph.describe(last.clone(), follow::step(facts, subject));
    }
    graph.connect(freeze, last.clone());
    for step in chain {
        let node = Node::of(step);
        graph.describe(node.clone(), step.clone());
        graph.connect(last, node.clone());
        if let Some(freeze) = held_by(facts, step) {
            graph.connect(node.clone(), freeze);
        }
        last = node;
    }
}

/// The freeze that holds a task.
fn held_by(facts: &Facts, step: &WaitsFor) -> Option<Node> {
    let WaitsFor::Task { tid, frozen: true, frozen_by, .. } = step else { return None };
    let inside = facts.tasks.iter().find(|facts| facts.task.tid == *tid);
    let before = facts.froze.iter().any(|froze| froze.tid == *tid && froze.after_ns.is_none());
    let elsewhere = inside.is_some_and(|inside| inside.task.frozen_in(facts.hierarchy.other()) == Some(true));
    if inside.is_some() && !before && !elsewhere {
        return Some(Node::Freeze(facts.cgroup.clone()));
    }
    frozen_by.first().map(|asker| freeze_of(facts, asker))
}

fn tell(facts: &Facts, graph: &Graph, circle: &graph::Circle) -> Cycle {
    let steps: Vec<WaitsFor> = circle.ring.iter().map(|node| graph.step(node)).collect();
    let processes = order::Processes::of(graph, circle);
    let locks = circle.ring.iter().all(|node| waits_for_lock(facts, node));
    let (order, advice) = processes.advise(locks);
    let inside = |tid: &i32| facts.tasks.iter().any(|facts| facts.task.tid == *tid);
    let blockers = circle.members.iter().filter_map(|node| match node {
        Node::Task(tid) if graph.is_awake(node) => Some(*tid).filter(inside),
        _ => None,
    });
    Cycle { summary: summary(&steps, locks), blockers: blockers.collect(), order, advice, steps }
}

fn summary(steps: &[WaitsFor], locks: bool) -> String {
    let freezes: Vec<&Name> = steps
        .iter()
        .filter_map(|step| match step {
            WaitsFor::Cgroup { path, .. } => Some(path),
            _ => None,
        })
        .collect();
    match freezes.as_slice() {
        [] => deadlock(steps, locks),
        [only] => {
            let whose = if is_served(steps) { "its own FUSE server" } else { "a task of its own" };
            let (who, when) = steps.last().map_or_else(Default::default, held);
            format!("cgroup {only} cannot freeze: it waits for {whose} ({who}), {when}")
        }
        several => {
            let names = several.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
            let ends = steps.iter().zip(steps.iter().cycle().skip(1)).filter_map(|(step, next)| match next {
                WaitsFor::Cgroup { path, .. } => Some((step, path)),
                _ => None,
            });
            // The ring begins with a cgroup: what each waits for stands before the next one.
            let parts = several.iter().zip(ends).map(|(cgroup, (holder, by))| {
                format!("{cgroup} waits for {}, frozen by {by}", held(holder).0)
            });
            format!("cgroups {names} cannot both freeze: {}", parts.collect::<Vec<_>>().join("; "))
        }
    }
}

/// The last one is waited for through a mount.
fn is_served(steps: &[WaitsFor]) -> bool {
    matches!(steps, [.., WaitsFor::Mount { .. }, WaitsFor::Task { .. }])
}

/// Who holds a circle closed, and since when.
fn held(step: &WaitsFor) -> (String, String) {
    let WaitsFor::Task { pid, comm, frozen_after_ns, .. } = step else { return Default::default() };
    let when = frozen_after_ns.map_or_else(
        || "frozen by this same freeze".to_owned(),
        |ns| format!("frozen {} into this freeze", duration(ns)),
    );
    (format!("{comm}, pid {pid}"), when)
}

fn deadlock(steps: &[WaitsFor], locks: bool) -> String {
    let tasks: Vec<String> = steps
        .iter()
        .filter_map(|step| match step {
            WaitsFor::Task { pid, tid, comm, .. } if pid == tid => Some(format!("{comm} (pid {pid})")),
            WaitsFor::Task { pid, tid, comm, .. } => Some(format!("{comm} (thread {tid} of pid {pid})")),
            _ => None,
        })
        .collect();
    let mount = steps.iter().find_map(|step| match step {
        WaitsFor::Mount { path, .. } => Some(path),
        _ => None,
    });
    match (tasks.as_slice(), mount) {
        ([only], Some(mount)) => format!("a deadlock: {only} serves {mount} and waits for that mount itself"),
        (several, Some(_)) => {
            format!("a deadlock, through their mounts: {} wait for each other", several.join(" and "))
        }
        ([only], None) => format!("a deadlock: {only} waits for a lock that it holds itself"),
        (several, None) if locks => {
            format!("a deadlock of locks: {} wait for each other's", several.join(" and "))
        }
        (several, None) => format!("a deadlock: {} wait for each other", several.join(" and ")),
    }
}

#[cfg(test)]
mod tests;
