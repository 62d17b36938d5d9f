//! Whether the tasks that froze late are told, and why.

use serde_json::Value;

use super::is;
use crate::cases::{Slow, Stage};

/// Causes that a loaded machine gives any task, beside those a case is about.
const BY_LOAD: [&str; 2] = ["cpu-starved", "running"];

/// Everything wrong with the list of slow tasks.
pub(super) fn json(stage: &Stage, document: &Value) -> Vec<String> {
    let empty = Vec::new();
    let found = document["slow"].as_array().unwrap_or(&empty);
    let mut wrong: Vec<String> = found
        .iter()
        .filter(|task| !BY_LOAD.iter().any(|cause| task["cause"] == *cause))
        // What a freeze hurts may take its time over it.
        .filter(|task| !stage.hurts.iter().any(|hurt| task["tgid"] == hurt.pid))
        .filter(|task| !stage.slow.iter().any(|slow| task["tid"] == slow.task.tid))
        .filter(|task| !stage.may_be_slow.iter().any(|pid| task["tgid"] == *pid))
        .map(|task| format!("wrongly told to be slow: {task}"))
        .collect();
    for slow in &stage.slow {
        match found.iter().find(|task| task["tid"] == slow.task.tid) {
            Some(task) => {
                wrong.extend(flaws(slow, task).into_iter().map(|flaw| format!("{flaw}, in {task}")));
            }
            None => wrong.push(format!("{} is not told to be slow", slow.task.tid)),
        }
    }
    wrong
}

/// Everything missing on the screen.
pub(super) fn text(stage: &Stage, screen: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for slow in &stage.slow {
        let words = [slow.task.cause.to_owned(), slow.task.tid.to_string()];
        for word in words.into_iter().chain(slow.says.map(str::to_owned)) {
            if !screen.contains(&word) {
                wrong.push(format!("{word} is missing from the slow tasks"));
            }
        }
    }
    if stage.slow.is_empty()
        && stage.may_be_slow.is_empty()
        && stage.hurts.is_empty()
        && screen.contains("Slow: ")
        && !by_load(screen)
    {
        wrong.push("there is a section of slow tasks where nothing was slow".to_owned());
    }
    // Blockers and circles have room of their own; slow tasks alone are to be seen at a glance.
    if stage.blockers.is_empty() && screen.lines().count() > 60 {
        wrong.push("it is more than a screen".to_owned());
    }
    wrong
}

fn by_load(screen: &str) -> bool {
    BY_LOAD.iter().any(|cause| screen.contains(cause))
}

fn flaws(slow: &Slow, task: &Value) -> Vec<String> {
    let expected = &slow.task;
    let mut flaws = Vec::new();
    if task["tgid"] != expected.pid {
        flaws.push(format!("its process is not {}", expected.pid));
    }
    if task["cause"] != expected.cause {
        flaws.push(format!("the cause is not {}", expected.cause));
    }
    if expected.certainty.is_some_and(|wanted| task["certainty"] != wanted) {
        flaws.push(format!("the certainty is not {:?}", expected.certainty));
    }
    if (task["evidence"]["exiting"] == true) != expected.exiting {
        flaws.push(format!("exiting is not {}", expected.exiting));
    }
    let summary = task["summary"].as_str().unwrap_or_default();
    if summary.is_empty() || slow.says.is_some_and(|word| !summary.contains(word)) {
        flaws.push(format!("the sentence does not name {:?}", slow.says));
    }
    let end = match (expected.exiting, expected.cause) {
        (true, _) => "request_to_gone_ns",
        // v1 freezes a sleeper in place as it is moved in: the arrival is all there is to tell.
        (_, "late-arrival") => "request_to_arrival_ns",
        _ => "request_to_frozen_ns",
    };
    if task[end].as_u64().is_none_or(|ns| ns < 100_000_000) {
        flaws.push(format!("{end} is not 100 ms or more"));
    }
    let mut steps = task["waits_for"].as_array().into_iter().flatten();
    flaws.extend(
        expected
            .waits_for
            .iter()
            .filter(|holder| !steps.any(|step| is(holder, step)))
            .map(|holder| format!("the way to the culprit lacks {holder:?}")),
    );
    flaws
}
