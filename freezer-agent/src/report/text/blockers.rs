//! The tasks that block: grouped by cause, few of each by name, each with evidence, chain and release.

use std::collections::BTreeMap;

use crate::explain::{Blocker, Cause, WaitsFor};
use crate::model::TaskState;
use crate::model::units::{count, duration};
use crate::report::style::Screen;

/// Blockers shown in full for one cause; the others are counted.
const IN_FULL: usize = 3;
/// So many blockers are shown in full whatever their causes; of more, one for each cause.
const FEW: usize = 4;
/// Causes of which a blocker is shown in full: with more the screen would scroll.
const CAUSES_IN_FULL: usize = 4;
/// Stack frames on the screen; JSON has all.
const FRAMES: usize = 8;

/// All blockers, in the order given, grouped by cause.
pub fn render(blockers: &[Blocker], screen: Screen) -> String {
    let verb = if blockers.len() == 1 { "blocks" } else { "block" };
    under(&format!("{} {verb}:\n", screen.strong(count(blockers.len(), "task"))), blockers, screen)
}

/// The same under another heading.
pub fn under(heading: &str, blockers: &[Blocker], screen: Screen) -> String {
    let mut text = heading.to_owned();
    let mut shown: BTreeMap<Cause, usize> = BTreeMap::new();
    let mut all: BTreeMap<Cause, usize> = BTreeMap::new();
    for blocker in blockers {
        *all.entry(blocker.cause).or_default() += 1;
    }
    let in_full = if all.len() == 1 || blockers.len() <= FEW { IN_FULL } else { 1 };
    for blocker in blockers {
        let room = shown.values().filter(|n| **n > 0).count() < CAUSES_IN_FULL;
        let n = shown.entry(blocker.cause).or_default();
        if *n < in_full && (*n > 0 || room) {
            *n += 1;
            text.push('\n');
            text += &one(blocker, screen);
        }
    }
    text.push('\n');
    for (cause, n) in &shown {
        let more = all[cause] - n;
        if more > 0 {
            text += &format!("  and {} with {cause} (--json lists all)\n", count(more, "more task"));
        }
    }
    text + &hints(&shown, screen)
}

/// Where to read on, once for each cause.
fn hints(shown: &BTreeMap<Cause, usize>, screen: Screen) -> String {
    let causes: Vec<String> = shown.keys().map(|cause| format!("freezer-agent causes {cause}")).collect();
    screen.hang("  For more about this: ", 23, &causes.join("; "))
}

fn one(blocker: &Blocker, screen: Screen) -> String {
    // A task that runs has no wait to tell the length of.
    let waited = blocker.since_ns.filter(|&ns| ns >= 1_000_000 || blocker.state != TaskState::Running);
    let state = match waited {
        Some(ns) => format!("{} for {}", blocker.state.letter(), duration(ns)),
        None => blocker.state.letter().to_string(),
    };
    let thread = if blocker.tid == blocker.tgid {
        format!("pid {}", blocker.tid)
    } else {
        format!("thread {} of pid {}", blocker.tid, blocker.tgid)
    };
    let certainty = match blocker.certainty {
        crate::explain::Certainty::Certain => "certain",
        crate::explain::Certainty::Likely => "likely",
        crate::explain::Certainty::Guess => "a guess",
    };
    let mut text = format!(
        "  {}  {thread}  {state}  {} {}\n",
        screen.strong(&blocker.comm),
        screen.bad(blocker.cause),
        screen.faint(format_args!("({certainty})"))
    );
    text += &screen.field(4, "why", &blocker.summary);
    text += &evidence(blocker, screen);
    text += &chain(blocker, screen);
    text += &screen.field(4, "release", &blocker.release);
    text
}

fn evidence(blocker: &Blocker, screen: Screen) -> String {
    let evidence = &blocker.evidence;
    let mut text = String::new();
    let call = match (&evidence.syscall, &evidence.target) {
        (Some(call), Some(target)) => Some(format!("{call} {target}")),
        (Some(call), None) => Some(call.clone()),
        (None, target) => target.as_ref().map(ToString::to_string),
    };
    if let Some(call) = call {
        text += &screen.field(4, "in", &call);
    }
    if evidence.exiting {
        text += &screen.field(4, "exiting", "yes");
    }
    if !evidence.stack.is_empty() {
        let mut frames = evidence.stack[..evidence.stack.len().min(FRAMES)].join(" < ");
        if evidence.stack.len() > FRAMES {
            frames += &format!(" < {} more", evidence.stack.len() - FRAMES);
        }
        text += &screen.field(4, "stack", &frames);
    } else if let Some(wchan) = &evidence.wchan {
        text += &screen.field(4, "sleeps in", wchan);
    }
    for note in &evidence.notes {
        text += &screen.field(4, "note", note);
    }
    text
}

/// The way to the culprit as a tree, one step under the other. A task met before closes a circle.
fn chain(blocker: &Blocker, screen: Screen) -> String {
    let mut text = String::new();
    let mut met = vec![blocker.tid];
    for (depth, step) in blocker.waits_for.iter().enumerate() {
        let label = if depth == 0 { "waits for" } else { "" };
        let again = match step {
            WaitsFor::Task { tid, .. } if met.contains(tid) => ": the circle closes",
            WaitsFor::Task { tid, .. } => {
                met.push(*tid);
                ""
            }
            _ => "",
        };
        text += &screen.field_behind(4, label, &branch(depth), &format!("{}{again}", link(step)));
    }
    text
}

/// What leads to a step of a tree.
pub(super) fn branch(depth: usize) -> String {
    if depth == 0 { String::new() } else { format!("{}└─ ", "   ".repeat(depth - 1)) }
}

/// One step in words.
pub(super) fn link(step: &WaitsFor) -> String {
    match step {
        WaitsFor::Task { pid, tid, comm, frozen, cgroup, frozen_by, frozen_after_ns } => {
            let who = if pid == tid {
                format!("{comm} (pid {pid})")
            } else {
                format!("{comm} (thread {tid} of pid {pid})")
            };
            let asked = match frozen_by.first() {
                Some(asker) if Some(asker) != cgroup.as_ref() => format!(" by the request of {asker}"),
                _ => String::new(),
            };
            let when =
                frozen_after_ns.map_or_else(String::new, |ns| format!(", {} into this freeze", duration(ns)));
            match (frozen, cgroup) {
                (true, Some(cgroup)) => format!("{who}, frozen in {cgroup}{asked}{when}"),
                (true, None) => format!("{who}, frozen{asked}{when}"),
                (false, Some(cgroup)) => format!("{who}, not frozen, in {cgroup}"),
                (false, None) => format!("{who}, not frozen"),
            }
        }
        WaitsFor::Mount { path, fstype, source } => format!("mount {path} ({fstype}, {source})"),
        WaitsFor::Device { name, backing: Some(file) } => format!("device {name}, backed by {file}"),
        WaitsFor::Device { name, backing: None } => format!("device {name}"),
        WaitsFor::Cgroup { path, limit: Some(limit) } => format!("cgroup {path}, limit {limit}"),
        WaitsFor::Cgroup { path, limit: None } => format!("cgroup {path}"),
        WaitsFor::Server { address } => format!("server {address}"),
    }
}
