//! The ways from the blockers to the culprits as a Graphviz graph: `dot -Tsvg`. What several wait for is one node.
//!
//! Nodes are numbered, and names are only in labels: no name can be taken for syntax.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::document::Document;
use crate::explain::{Blocker, WaitsFor};
use crate::model::Name;

/// The whole graph, ending in a newline.
#[must_use]
pub fn render(document: &Document) -> String {
    let mut dot = Dot::default();
    let frozen_here = dot.node(&cgroup(document));
    for blocker in &document.blockers {
        let first = dot.node(&task(blocker));
        dot.edge(frozen_here, first, blocker.cause.name());
        dot.chain(first, &blocker.waits_for);
    }
    for cycle in &document.cycles {
        let ends = cycle.steps.iter().zip(cycle.steps.iter().cycle().skip(1));
        for (from, to) in ends {
            let (from, to) = (dot.step(from), dot.step(to));
            dot.edge(from, to, "");
            dot.circle.push((from, to));
        }
    }
    dot.finish()
}

/// What is drawn of a node: two of the same key are one.
struct Drawn {
    key: String,
    label: String,
    style: &'static str,
}

#[derive(Default)]
struct Dot {
    nodes: Vec<Drawn>,
    numbers: BTreeMap<String, usize>,
    /// With the first label told.
    edges: BTreeMap<(usize, usize), String>,
    /// Edges of circles.
    circle: Vec<(usize, usize)>,
}

impl Dot {
    fn node(&mut self, drawn: &Drawn) -> usize {
        if let Some(&number) = self.numbers.get(&drawn.key) {
            return number;
        }
        let number = self.nodes.len();
        self.numbers.insert(drawn.key.clone(), number);
        self.nodes.push(Drawn { key: String::new(), label: drawn.label.clone(), style: drawn.style });
        number
    }

    fn step(&mut self, step: &WaitsFor) -> usize {
        self.node(&of_step(step))
    }

    fn edge(&mut self, from: usize, to: usize, label: &str) {
        let known = self.edges.entry((from, to)).or_default();
        if known.is_empty() {
            label.clone_into(known);
        }
    }

    fn chain(&mut self, first: usize, steps: &[WaitsFor]) {
        let mut last = first;
        for step in steps {
            let next = self.step(step);
            self.edge(last, next, "");
            last = next;
            if let WaitsFor::Task { frozen: true, frozen_by, .. } = step
                && let Some(asker) = frozen_by.first()
            {
                let asker = self.step(&WaitsFor::Cgroup { path: asker.clone(), limit: None });
                self.edge(last, asker, "frozen by");
            }
        }
    }

    fn finish(&self) -> String {
        let mut text = "digraph freeze {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
        for (number, node) in self.nodes.iter().enumerate() {
            // Writing to a String cannot fail.
            _ = writeln!(text, "  n{number} [label={}{}];", quoted(&node.label), node.style);
        }
        for ((from, to), label) in &self.edges {
            let label = if label.is_empty() { String::new() } else { format!("label={}", quoted(label)) };
            let color = if self.circle.contains(&(*from, *to)) { "color=red" } else { "" };
            let gap = if label.is_empty() || color.is_empty() { "" } else { ", " };
            _ = writeln!(text, "  n{from} -> n{to} [{label}{gap}{color}];");
        }
        text.push_str("}\n");
        text
    }
}

fn cgroup(document: &Document) -> Drawn {
    let path = document.cgroup.clone().unwrap_or_else(|| Name::from("the whole system"));
    of_step(&WaitsFor::Cgroup { path, limit: None })
}

fn task(blocker: &Blocker) -> Drawn {
    let label = task_label(blocker.tgid, blocker.tid, &blocker.comm.to_string());
    Drawn { key: format!("task {}", blocker.tid), label: format!("{label}\nblocks"), style: ", penwidth=2" }
}

fn task_label(pid: i32, tid: i32, comm: &str) -> String {
    if pid == tid { format!("{comm}\npid {pid}") } else { format!("{comm}\nthread {tid} of pid {pid}") }
}

fn of_step(step: &WaitsFor) -> Drawn {
    match step {
        WaitsFor::Task { pid, tid, comm, frozen, .. } => {
            let label = task_label(*pid, *tid, &comm.to_string());
            let (state, style) =
                if *frozen { ("\nfrozen", ", style=filled, fillcolor=lightblue") } else { ("", "") };
            Drawn { key: format!("task {tid}"), label: format!("{label}{state}"), style }
        }
        WaitsFor::Cgroup { path, limit } => {
            let limit = limit.as_ref().map_or_else(String::new, |limit| format!("\nlimit {limit}"));
            let label = format!("cgroup\n{path}{limit}");
            Drawn { key: label.clone(), label, style: ", shape=folder" }
        }
        WaitsFor::Mount { path, fstype, source } => {
            let label = format!("mount\n{path}\n{fstype} {source}");
            Drawn { key: label.clone(), label, style: ", shape=tab" }
        }
        WaitsFor::Device { name, backing } => {
            let backing = backing.as_ref().map_or_else(String::new, |file| format!("\n{file}"));
            let label = format!("device\n{name}{backing}");
            Drawn { key: label.clone(), label, style: ", shape=cylinder" }
        }
        WaitsFor::Server { address } => {
            let label = format!("server\n{address}");
            Drawn { key: label.clone(), label, style: ", shape=component" }
        }
    }
}

/// A string of the DOT language: our own line ends are its `\n`, a backslash or quote of a name is itself, and no other
/// control character gets in.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push_str(&format!("\\\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
