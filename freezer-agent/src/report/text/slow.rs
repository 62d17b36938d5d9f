//! Where the time of slow tasks went: one entry per cause and culprit, the slowest first.

use crate::explain::SlowTask;
use crate::model::units::{count, duration};
use crate::report::document::Document;
use crate::report::style::Screen;

/// Entries on the screen; JSON has every task.
const GROUPS: usize = 6;

/// Empty where nothing was slow.
pub fn render(document: &Document, screen: Screen) -> String {
    let limit = document.slow_limit_ns.map_or_else(String::new, duration);
    let mut text = String::new();
    if let Some(took) = document.slow_write_ns {
        let took = duration(took);
        let what =
            format!("the write of the request alone took {took}; it asks every task, one after the other");
        text += &screen.hang("Slow: ", "Slow: ".len(), &what);
    }
    if document.slow.is_empty() {
        return text;
    }
    let number = screen.notable(count(document.slow.len(), "task"));
    text += &format!("Slow: {number} took {limit} or longer\n\n");
    let groups = grouped(&document.slow);
    for group in groups.iter().take(GROUPS) {
        text += &entry(group, screen);
    }
    let more: usize = groups.iter().skip(GROUPS).map(Vec::len).sum();
    if more > 0 {
        text += &format!("  and {} for other reasons (--json lists all)\n", count(more, "more task"));
    }
    text
}

/// Tasks with the same cause and the same culprit.
fn grouped(slow: &[SlowTask]) -> Vec<Vec<&SlowTask>> {
    let mut groups: Vec<Vec<&SlowTask>> = Vec::new();
    for task in slow {
        match groups.iter_mut().find(|group| {
            group.first().is_some_and(|one| one.cause == task.cause && one.waits_for == task.waits_for)
        }) {
            Some(group) => group.push(task),
            None => groups.push(vec![task]),
        }
    }
    groups
}

fn entry(group: &[&SlowTask], screen: Screen) -> String {
    let (Some(slowest), Some(quickest)) = (group.first(), group.last()) else { return String::new() };
    let name = slowest.comm.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
    let who = match group.len() {
        1 => format!("{} ({})", screen.strong(name), slowest.tid),
        n => format!("{} ({}) and {}", screen.strong(name), slowest.tid, count(n - 1, "more task")),
    };
    let took = |task: &SlowTask| task.took_ns().map_or_else(|| "?".to_owned(), duration);
    let time =
        if group.len() == 1 { took(slowest) } else { format!("{} to {}", took(quickest), took(slowest)) };
    let end = match (slowest.request_to_frozen_ns, slowest.request_to_gone_ns) {
        (Some(_), _) => "",
        (None, Some(_)) => " until gone",
        (None, None) => " at least",
    };
    let certainty = screen.faint(format_args!("({})", certainty(slowest)));
    let mut text = format!("  {who}  {time}{end}  {} {certainty}\n", screen.notable(slowest.cause));
    let of = if group.len() == 1 { "" } else { "the slowest " };
    text += &screen.field(4, "why", &format!("{of}{}", slowest.summary));
    if let Some(shares) = shares(slowest) {
        text += &screen.field(4, "time", &shares);
    }
    for note in slowest.evidence.notes.iter().take(2) {
        text += &screen.field(4, "note", note);
    }
    text
}

fn certainty(task: &SlowTask) -> &'static str {
    match task.certainty {
        crate::explain::Certainty::Certain => "certain",
        crate::explain::Certainty::Likely => "likely",
        crate::explain::Certainty::Guess => "a guess",
    }
}

/// "asleep 299 ms, waited for a CPU 1.20 ms, ran 310 µs"
fn shares(task: &SlowTask) -> Option<String> {
    let stages = &task.stages;
    let mut parts = Vec::new();
    let mut add = |what: &str, ns: Option<u64>| {
        if let Some(ns) = ns.filter(|&ns| ns > 0) {
            parts.push(format!("{what} {}", duration(ns)));
        }
    };
    add("came after", task.request_to_arrival_ns);
    add("asleep", stages.asleep_ns);
    add("waited for a CPU", stages.runnable_ns);
    add("ran", stages.running_ns);
    (!parts.is_empty()).then(|| parts.join(", "))
}
