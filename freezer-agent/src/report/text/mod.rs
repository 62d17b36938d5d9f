//! The screen of `freeze` and `explain`: headline, blockers, what cannot be said, latency, observer.

mod blockers;
mod cycles;
mod harm;
mod latency;
mod slow;
mod system;

use super::document::{Document, ObserverMode, Outcome, UnknownTask};
use super::style::Screen;
use crate::model::FreezerState;
use crate::model::units::{count, duration};

/// Tasks named one by one before "and n more".
const NAMED: usize = 5;

/// The whole screen, ending in a newline.
#[must_use]
pub fn render(document: &Document, screen: Screen) -> String {
    let mut parts = vec![headline(document, screen)];
    if !document.blockers.is_empty() {
        parts.push(blockers::render(&document.blockers, screen));
    }
    if !document.would_refuse.is_empty() {
        parts.push(system::would_refuse(&document.would_refuse, screen));
    }
    if !document.cycles.is_empty() {
        parts.push(cycles::render(&document.cycles, screen));
    }
    if !document.unknown.is_empty() {
        let by_marks = document.observer.as_ref().is_some_and(|observer| observer.mode == ObserverMode::Bpf);
        parts.push(unknown(&document.unknown, by_marks, screen));
    }
    parts.push(harm::render(&document.side_effects, screen));
    parts.push(slow::render(document, screen));
    if let Some(latency) = &document.latency {
        parts.push(latency::render(latency, &document.tasks_detail, screen));
    }
    if let Some(line) = observer(document, screen) {
        parts.push(line);
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn headline(document: &Document, screen: Screen) -> String {
    let place = match (&document.cgroup, document.hierarchy) {
        (Some(cgroup), Some(hierarchy)) => format!("{cgroup} ({hierarchy})"),
        (Some(cgroup), None) => cgroup.to_string(),
        (None, _) => "the whole system".to_owned(),
    };
    let mut text = format!("{}  {place}: {}\n", word(document, screen), sentence(document));
    if let Some(error) = &document.error {
        text += &screen.field(0, "", error);
    }
    if let Some(ancestor) = &document.frozen_by_ancestor {
        text += &screen.field(0, "", &format!("asked for by its ancestor {ancestor}"));
    }
    if let Some(by) = &document.requested_by {
        let elapsed = duration(document.elapsed_ns);
        let when = match document.outcome {
            Outcome::Freezing => format!(", {elapsed} ago"),
            Outcome::Thawed => format!(" before, and taken back after {elapsed}"),
            _ => String::new(),
        };
        text += &screen.field(0, "", &format!("asked for by {} (pid {}){when}", by.comm, by.pid));
    }
    if let Some(freeze) = &document.suspend {
        text += &system::told(freeze, document, screen);
    }
    if document.restored && document.suspend.is_none() {
        text += &screen.field(0, "", "the state found before was restored: this request was taken back");
    }
    text
}

fn word(document: &Document, screen: Screen) -> String {
    match document.outcome {
        Outcome::Frozen => screen.good("FROZEN"),
        Outcome::Thawed => screen.strong("THAWED"),
        Outcome::Freezing => screen.notable("FREEZING"),
        Outcome::TimedOut => screen.bad("NOT FROZEN"),
        Outcome::Impossible => screen.bad("CANNOT BE FROZEN"),
        Outcome::Refused => screen.bad("REFUSED"),
        Outcome::HeldByAncestor => screen.bad("FROZEN"),
        Outcome::Error => screen.bad("ERROR"),
    }
}

fn sentence(document: &Document) -> String {
    let elapsed = duration(document.elapsed_ns);
    let tasks = &document.tasks;
    let of = format!("{tasks} frozen");
    match document.outcome {
        Outcome::Frozen if document.already_frozen => {
            format!("{}, frozen already", count(tasks.total, "task"))
        }
        Outcome::Frozen if document.elapsed_ns == 0 => count(tasks.total, "task"),
        Outcome::Frozen => format!("{} in {elapsed}", count(tasks.total, "task")),
        Outcome::HeldByAncestor => "an ancestor keeps it frozen".to_owned(),
        Outcome::Thawed if document.suspend.is_some() => "nobody freezes it now".to_owned(),
        Outcome::Thawed => "nobody asks for a freeze".to_owned(),
        Outcome::Freezing | Outcome::Impossible => of,
        Outcome::TimedOut => match document.state {
            Some(FreezerState::Frozen) => format!("not within {elapsed}; frozen since"),
            _ => format!("{of} after {elapsed}"),
        },
        Outcome::Refused => "for safety, nothing was changed".to_owned(),
        Outcome::Error => "could not be done".to_owned(),
    }
}

fn unknown(tasks: &[UnknownTask], by_marks: bool, screen: Screen) -> String {
    let number = screen.notable(count(tasks.len(), "task"));
    let mut text = if by_marks {
        format!("{number} not frozen at the last look, and nothing tells why; nobody is blamed:\n\n")
    } else {
        format!("{number} cannot be told frozen from blocked without BPF; nobody is blamed:\n\n")
    };
    for task in tasks.iter().take(NAMED) {
        let sleeps = task.wchan.as_deref().map(|wchan| format!(", sleeps in {wchan}")).unwrap_or_default();
        text += &format!("  {} ({}), state {}{sleeps}\n", task.comm, task.tid, task.state.letter());
    }
    if let Some(more) = tasks.len().checked_sub(NAMED).filter(|&more| more > 0) {
        text += &format!("  and {more} more (--json lists all)\n");
    }
    text
}

/// Loss and degradation are always shown.
fn observer(document: &Document, screen: Screen) -> Option<String> {
    let observer = document.observer.as_ref()?;
    let mut text = String::new();
    if observer.mode == ObserverMode::Proc && !document.tasks_detail.is_empty()
        || !observer.missing.is_empty()
        || observer.lost_events > 0
    {
        let mode = match observer.mode {
            ObserverMode::Bpf => "bpf",
            ObserverMode::Proc => "proc (no BPF)",
        };
        text += &screen.field(0, "observer", mode);
        for missing in &observer.missing {
            text += &screen.field(0, "without", missing);
        }
    }
    if observer.lost_events > 0 {
        let lost = format!("{}: stages and times may have gaps", count_u64(observer.lost_events, "event"));
        text += &screen.field(0, "lost", &screen.bad(lost));
    }
    (!text.is_empty()).then_some(text)
}

fn count_u64(n: u64, noun: &str) -> String {
    count(usize::try_from(n).unwrap_or(usize::MAX), noun)
}

#[cfg(test)]
mod tests;
