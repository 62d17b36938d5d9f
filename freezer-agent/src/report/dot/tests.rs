//! The graph is one that Graphviz takes, whatever the names.

use proptest::prelude::*;

use super::super::Outcome;
use super::*;
use crate::explain::{Cause, Certainty, Evidence};
use crate::model::{Hierarchy, Name, TaskState};

fn step(pid: i32, comm: &[u8], frozen: bool) -> WaitsFor {
    let frozen_by = if frozen { vec![Name::from("/cg/0")] } else { Vec::new() };
    WaitsFor::Task {
        pid,
        tid: pid,
        comm: Name::from(comm),
        frozen,
        cgroup: Some(Name::from("/cg/0")),
        frozen_by,
        frozen_after_ns: None,
    }
}

fn blocker(tid: i32, waits_for: Vec<WaitsFor>) -> Blocker {
    Blocker {
        tid,
        tgid: tid,
        comm: Name::from("backup"),
        state: TaskState::Uninterruptible,
        since_ns: None,
        cause: Cause::FuseRequest,
        certainty: Certainty::Likely,
        summary: "waits".to_owned(),
        evidence: Evidence::default(),
        waits_for,
        release: "thaw".to_owned(),
    }
}

fn document(name: &[u8], blockers: Vec<Blocker>) -> Document {
    Document { blockers, ..Document::new(Name::from(name), Some(Hierarchy::V1), Outcome::TimedOut) }
}

fn mount(path: &[u8]) -> WaitsFor {
    WaitsFor::Mount { path: Name::from(path), fstype: Name::from("fuse.sshfs"), source: Name::from("host:/") }
}

/// Reads the little of the language that is written here; anything else is an error.
fn check(dot: &str) -> Result<(), String> {
    let mut rest = dot.strip_prefix("digraph freeze {\n").ok_or("no head")?;
    while !rest.is_empty() && rest != "}\n" {
        let end = statement_end(rest).ok_or_else(|| format!("no end: {rest}"))?;
        let line = rest[..end].trim();
        let plain = ["rankdir=LR", "node [shape=box]"].contains(&line);
        let named = line.starts_with('n') && line[1..].starts_with(|c: char| c.is_ascii_digit());
        if !(plain || named && line.ends_with(']')) {
            return Err(format!("no statement: {line:?}"));
        }
        rest = rest[end + 1..].strip_prefix('\n').ok_or("no line end")?;
    }
    if rest == "}\n" { Ok(()) } else { Err("no tail".to_owned()) }
}

/// The first semicolon outside a string.
fn statement_end(text: &str) -> Option<usize> {
    let (mut inside, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if inside => escaped = true,
            '"' => inside = !inside,
            c if c.is_control() && inside => return None,
            ';' if !inside => return Some(at),
            _ => {}
        }
    }
    None
}

#[test]
fn a_server_that_many_wait_for_is_one_node() {
    let chain = || vec![mount(b"/mnt/data"), step(20, b"sshfs", true)];
    let dot = render(&document(b"/cg/0", vec![blocker(10, chain()), blocker(11, chain())]));
    insta::assert_snapshot!(dot);
    check(&dot).expect("valid");
}

#[test]
fn quotes_backslashes_and_line_ends_of_names_stay_inside_their_label() {
    let evil = b"a\"];\n}\\\x1b[31m\xff";
    let dot = render(&document(evil, vec![blocker(1, vec![mount(evil), step(2, evil, false)])]));
    check(&dot).expect("valid");
    assert!(dot.contains(r#"a\"];\\x0a}\\\\x1b[31m\\xff"#), "{dot}");
}

proptest! {
    #[test]
    fn any_names_give_a_graph(name in prop::collection::vec(any::<u8>(), 0..40), limit in ".{0,20}") {
        let cgroup = WaitsFor::Cgroup { path: Name::from(&name[..]), limit: Some(limit.clone()) };
        let chain = vec![mount(&name), step(2, &name, true), cgroup, WaitsFor::Server { address: limit }];
        let dot = render(&document(&name, vec![blocker(1, chain)]));
        prop_assert_eq!(check(&dot), Ok(()), "{}", dot);
    }
}
