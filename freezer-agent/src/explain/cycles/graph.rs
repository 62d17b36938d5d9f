//! Who waits for whom, as a graph: tasks and freezes, and what lies between them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::verdict::WaitsFor;
use crate::model::Name;

/// A thing that waits or is waited for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// The freeze of a cgroup: waits for its tasks; what it holds waits for its end.
    Freeze(Name),
    /// A task by thread id.
    Task(i32),
    /// Anything else, by what is known of it.
    Other(String),
}

impl Node {
    /// Of a step of a chain.
    pub fn of(step: &WaitsFor) -> Self {
        match step {
            WaitsFor::Task { tid, .. } => Self::Task(*tid),
            other => Self::Other(format!("{other:?}")),
        }
    }
}

/// Nodes that all wait for each other, and one way round.
pub struct Circle {
    /// All of them.
    pub members: BTreeSet<Node>,
    /// The shortest way round, from a freeze where there is one.
    pub ring: Vec<Node>,
}

/// The graph.
#[derive(Default)]
pub struct Graph {
    next: BTreeMap<Node, BTreeSet<Node>>,
    steps: BTreeMap<Node, WaitsFor>,
}

impl Graph {
    /// `from` waits for `to`.
    pub fn connect(&mut self, from: Node, to: Node) {
        self.next.entry(from).or_default().insert(to);
    }

    /// What is told of a node; the first word counts.
    pub fn describe(&mut self, node: Node, step: WaitsFor) {
        self.steps.entry(node).or_insert(step);
    }

    /// What is told of a node.
    pub fn step(&self, node: &Node) -> WaitsFor {
        match (node, self.steps.get(node)) {
            (Node::Freeze(path), _) => WaitsFor::Cgroup { path: path.clone(), limit: None },
            (_, Some(step)) => step.clone(),
            (Node::Task(tid), None) => WaitsFor::Task {
                pid: *tid,
                tid: *tid,
                comm: Name::default(),
                frozen: false,
                cgroup: None,
                frozen_by: Vec::new(),
                frozen_after_ns: None,
            },
            (Node::Other(text), None) => WaitsFor::Server { address: text.clone() },
        }
    }

    /// A task that is not frozen.
    pub fn is_awake(&self, node: &Node) -> bool {
        matches!(self.step(node), WaitsFor::Task { frozen: false, .. })
    }

    /// What a node waits for.
    pub fn waits_for(&self, node: &Node) -> impl Iterator<Item = &Node> {
        self.next.get(node).into_iter().flatten()
    }

    /// All circles: freezes first, so that a circle through one is told from there.
    pub fn circles(&self) -> Vec<Circle> {
        let mut back: BTreeMap<&Node, Vec<&Node>> = BTreeMap::new();
        for (from, to) in self.next.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to))) {
            back.entry(to).or_default().push(from);
        }
        let mut told: BTreeSet<Node> = BTreeSet::new();
        let mut found = Vec::new();
        // A node nothing waits for is in no circle.
        for start in self.next.keys().filter(|node| back.contains_key(node)) {
            if told.contains(start) {
                continue;
            }
            let Some(ring) = self.ring(start) else { continue };
            let ahead = reached(start, |node| self.waits_for(node).collect());
            let behind = reached(start, |node| back.get(node).cloned().unwrap_or_default());
            let members: BTreeSet<Node> = ahead.intersection(&behind).map(|node| (*node).clone()).collect();
            told.extend(members.iter().cloned());
            found.push(Circle { members, ring });
        }
        found
    }

    /// The shortest way from a node back to itself.
    fn ring(&self, start: &Node) -> Option<Vec<Node>> {
        let mut came_from: BTreeMap<&Node, &Node> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for next in self.waits_for(at) {
                if next == start {
                    let mut ring = vec![at.clone()];
                    let mut at = at;
                    while let Some(before) = came_from.get(at) {
                        ring.push((*before).clone());
                        at = before;
                    }
                    ring.reverse();
                    return Some(ring);
                }
                if let std::collections::btree_map::Entry::Vacant(entry) = came_from.entry(next) {
                    entry.insert(at);
                    queue.push_back(next);
                }
            }
        }
        None
    }
}

fn reached<'a>(start: &'a Node, next: impl Fn(&Node) -> Vec<&'a Node>) -> BTreeSet<&'a Node> {
    let mut seen = BTreeSet::from([start]);
    let mut queue = vec![start];
    while let Some(at) = queue.pop() {
        queue.extend(next(at).into_iter().filter(|node| seen.insert(node)));
    }
    seen
}
