//! An order of freezing that works: whoever waits is frozen before what it waits for.

use std::collections::{BTreeMap, BTreeSet};

use super::super::verdict::WaitsFor;
use super::graph::{Circle, Graph, Node};
use super::{OrderStep, Process};
use crate::model::Name;

/// Names one by one before "and n more".
const NAMED: usize = 3;

/// The processes of a circle, and which waits for which.
pub struct Processes {
    by_pid: BTreeMap<i32, Process>,
    edges: BTreeSet<(i32, i32)>,
}

impl Processes {
    /// All threads of a process count as one: a process is frozen whole.
    pub fn of(graph: &Graph, circle: &Circle) -> Self {
        let mut processes = Self { by_pid: BTreeMap::new(), edges: BTreeSet::new() };
        for node in &circle.members {
            let WaitsFor::Task { pid, comm, cgroup, .. } = graph.step(node) else { continue };
            for next in tasks_behind(graph, circle, node) {
                processes.edges.insert((pid, next));
            }
            processes.by_pid.entry(pid).or_insert(Process { pid, comm, cgroup });
        }
        processes
    }

    /// The order, and what to do in words.
    pub fn advise(&self, only_locks: bool) -> (Vec<OrderStep>, String) {
        if let Some(order) = self.by_cgroups() {
            let names = order.iter().filter_map(|step| step.cgroup.as_ref()).map(ToString::to_string);
            let advice = format!(
                "freeze these cgroups one after the other: {}",
                names.collect::<Vec<_>>().join(", then ")
            );
            return (order, advice);
        }
        let pids: BTreeSet<i32> = self.by_pid.keys().copied().collect();
        match layers(&pids, &self.edges) {
            Some(layers) => self.by_moving(&layers),
            None => (Vec::new(), self.no_order(only_locks)),
        }
    }

    /// Whole cgroups, where clients and servers sit in different ones.
    fn by_cgroups(&self) -> Option<Vec<OrderStep>> {
        let cgroup = |pid: i32| self.by_pid.get(&pid)?.cgroup.clone();
        let all: BTreeSet<Name> = self.by_pid.keys().map(|pid| cgroup(*pid)).collect::<Option<_>>()?;
        let apart = all.iter().all(|a| all.iter().all(|b| a == b || !is_below(a, b)));
        let between: BTreeSet<(Name, Name)> =
            self.edges.iter().map(|(a, b)| Some((cgroup(*a)?, cgroup(*b)?))).collect::<Option<_>>()?;
        if !apart || all.len() < 2 {
            return None;
        }
        let steps = layers(&all, &between)?.into_iter().flatten().map(|name| OrderStep {
            processes: self.by_pid.values().filter(|p| p.cgroup.as_ref() == Some(&name)).cloned().collect(),
            cgroup: Some(name),
        });
        Some(steps.collect())
    }

    fn by_moving(&self, layers: &[Vec<i32>]) -> (Vec<OrderStep>, String) {
        let order: Vec<OrderStep> = layers
            .iter()
            .map(|pids| OrderStep {
                cgroup: None,
                processes: pids.iter().filter_map(|pid| self.by_pid.get(pid)).cloned().collect(),
            })
            .collect();
        let advice = match order.split_first() {
            Some((first, later)) if !later.is_empty() => format!(
                "freeze {} and whatever else uses the same mounts first, then {}: move those that come later to a \
                 cgroup of their own, outside, before the first freeze",
                names(&first.processes),
                later.iter().map(|step| names(&step.processes)).collect::<Vec<_>>().join(", then "),
            ),
            _ => "freeze them together, later".to_owned(),
        };
        (order, advice)
    }

    fn no_order(&self, only_locks: bool) -> String {
        let own = self.edges.iter().find(|(a, b)| a == b).and_then(|(pid, _)| self.by_pid.get(pid));
        let why = match own {
            Some(process) => format!("{} (pid {}) waits for itself", process.comm, process.pid),
            None => "these processes wait for each other".to_owned(),
        };
        let out = if only_locks {
            "only a restart of the machine ends a deadlock of the kernel's locks"
        } else {
            "end one of the waits: `umount -f` of one of the mounts aborts its requests with an error"
        };
        format!("no order of freezing works: {why}; {out}")
    }
}

/// The next tasks on the way, past mounts.
fn tasks_behind(graph: &Graph, circle: &Circle, node: &Node) -> Vec<i32> {
    let mut found = Vec::new();
    let mut ahead: Vec<&Node> = graph.waits_for(node).collect();
    let mut seen: BTreeSet<&Node> = BTreeSet::new();
    while let Some(next) = ahead.pop() {
        if !circle.members.contains(next) || !seen.insert(next) {
            continue;
        }
        match graph.step(next) {
            WaitsFor::Task { pid, .. } => found.push(pid),
            _ if matches!(next, Node::Freeze(_)) => {}
            _ => ahead.extend(graph.waits_for(next)),
        }
    }
    found
}

fn is_below(a: &Name, b: &Name) -> bool {
    a.as_bytes().strip_prefix(b.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'/'))
}

fn names(processes: &[Process]) -> String {
    let mut all: Vec<String> =
        processes.iter().take(NAMED).map(|p| format!("{} (pid {})", p.comm, p.pid)).collect();
    if processes.len() > NAMED {
        all.push(format!("{} more", processes.len() - NAMED));
    }
    all.join(", ")
}

/// Those nobody waits for first; `None` for a circle.
fn layers<K: Ord + Clone>(all: &BTreeSet<K>, edges: &BTreeSet<(K, K)>) -> Option<Vec<Vec<K>>> {
    let mut left = all.clone();
    let mut layers = Vec::new();
    while !left.is_empty() {
        let waited_for: BTreeSet<&K> =
            edges.iter().filter(|(from, _)| left.contains(from)).map(|(_, to)| to).collect();
        let free: Vec<K> = left.iter().filter(|k| !waited_for.contains(k)).cloned().collect();
        if free.is_empty() {
            return None;
        }
        for k in &free {
            left.remove(k);
        }
        layers.push(free);
    }
    Some(layers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_comes_before_what_it_waits_for() {
        let (all, edges) = (BTreeSet::from([1, 2, 3, 4]), BTreeSet::from([(1, 2), (2, 3), (4, 2)]));
        assert_eq!(layers(&all, &edges), Some(vec![vec![1, 4], vec![2], vec![3]]));
    }

    #[test]
    fn a_circle_has_no_order() {
        assert_eq!(layers(&BTreeSet::from([1, 2]), &BTreeSet::from([(1, 2), (2, 1)])), None);
        assert_eq!(layers(&BTreeSet::from([1]), &BTreeSet::from([(1, 1)])), None);
    }
}
