//! Compares what the agent said of a case with what is right.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::agent::Ended;
use crate::cases::{Expected, ExpectedCycle, Holder, Outcome, Stage};

/// Everything wrong with the JSON of a freeze, a sentence each; empty: all is right.
pub fn json(stage: &Stage, ended: &Ended) -> Vec<String> {
    let document = match ended.json() {
        Ok(document) => document,
        Err(error) => return vec![error.to_string()],
    };
    let mut wrong = Vec::new();
    let (code, outcome) = words(stage.outcome);
    let mut same = |what: &str, found: &Value, wanted: Value| {
        if *found != wanted {
            wrong.push(format!("{what} is {found}, not {wanted}"));
        }
    };
    same("the exit code", &ended.code().into(), code.into());
    same("schema", &document["schema"], "freezer-agent/1".into());
    same("cgroup", &document["cgroup"], stage.cgroup.path().to_string_lossy().into());
    same("hierarchy", &document["hierarchy"], stage.cgroup.hierarchy().to_string().into());
    same("outcome", &document["outcome"], outcome.into());
    let stays = stage.outcome == Outcome::Frozen;
    same("state", &document["state"], if stays { "FROZEN" } else { "THAWED" }.into());
    same("restored", &document["restored"], (!stays).into());
    wrong.extend(blockers(stage, &document));
    wrong.extend(stage.cycles.iter().flat_map(|expected| cycles(expected, &document)));
    wrong
}

/// Exactly the right circles, each through the right freezes and with the right order of freezing.
fn cycles(expected: &[ExpectedCycle], document: &Value) -> Vec<String> {
    let empty = Vec::new();
    let found = document["cycles"].as_array().unwrap_or(&empty);
    let mut wrong = Vec::new();
    if found.len() != expected.len() {
        wrong.push(format!("{} circles are told, not {}: {found:?}", found.len(), expected.len()));
    }
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for expected in expected {
        let fits = |cycle: &Value| {
            let steps = list(&cycle["steps"]);
            let cgroups: BTreeSet<String> = steps
                .iter()
                .filter(|step| step["kind"] == "cgroup")
                .filter_map(|step| step["path"].as_str().map(str::to_owned))
                .collect();
            let order: Vec<BTreeSet<i64>> = list(&cycle["order"])
                .iter()
                .map(|step| list(&step["processes"]).iter().filter_map(|p| p["pid"].as_i64()).collect())
                .collect();
            let pids = |step: &Vec<i32>| step.iter().map(|pid| i64::from(*pid)).collect::<BTreeSet<_>>();
            let says = |field: &str| cycle[field].as_str().is_some_and(|text| !text.is_empty());
            cgroups == expected.cgroups.iter().map(|path| path.display().to_string()).collect()
                && order == expected.order.iter().map(pids).collect::<Vec<_>>()
                && says("summary")
                && says("advice")
        };
        if !found.iter().any(fits) {
            wrong.push(format!("the circle {expected:?} is not told: {found:?}"));
        }
    }
    wrong
}

/// Everything wrong with the text of a freeze: causes and blamed tasks must be on the screen, for a reader.
pub fn text(stage: &Stage, ended: &Ended) -> Vec<String> {
    let (code, _) = words(stage.outcome);
    let mut wrong = Vec::new();
    if ended.code() != code {
        wrong.push(format!("the exit code is {}, not {code}", ended.code()));
    }
    let mut needed = BTreeSet::new();
    for blocker in &stage.blockers {
        needed.extend([blocker.cause.to_owned(), blocker.tid.to_string()]);
        needed.extend(blocker.waits_for.iter().filter_map(|holder| match holder {
            Holder::Task { pid, .. } => Some(pid.to_string()),
            _ => None,
        }));
    }
    wrong.extend(
        needed.iter().filter(|word| !ended.stdout.contains(*word)).map(|word| format!("{word} is missing")),
    );
    if ended.stdout.contains('\x1b') {
        wrong.push("there are escape sequences though stdout is no terminal".to_owned());
    }
    wrong
}

fn words(outcome: Outcome) -> (i32, &'static str) {
    match outcome {
        Outcome::Frozen => (0, "frozen"),
        Outcome::TimedOut => (3, "timed_out"),
        Outcome::Impossible => (4, "impossible"),
    }
}

/// Exactly the right tasks, each for the right reason.
fn blockers(stage: &Stage, document: &Value) -> Vec<String> {
    let empty = Vec::new();
    let found = document["blockers"].as_array().unwrap_or(&empty);
    let mut wrong: Vec<_> = found
        .iter()
        .filter(|blocker| !stage.blockers.iter().any(|expected| blocker["tid"] == expected.tid))
        .map(|blocker| format!("wrongly blamed: {blocker}"))
        .collect();
    for expected in &stage.blockers {
        let mut of_task = found.iter().filter(|blocker| blocker["tid"] == expected.tid);
        match (of_task.next(), of_task.next()) {
            (Some(blocker), None) => {
                let flaws = blocker_flaws(expected, blocker);
                wrong.extend(flaws.into_iter().map(|flaw| format!("{flaw}, in {blocker}")));
            }
            (Some(_), Some(_)) => wrong.push(format!("{} is blamed twice", expected.tid)),
            (None, _) => wrong.push(format!("{} is not blamed", expected.tid)),
        }
    }
    wrong
}

fn blocker_flaws(expected: &Expected, blocker: &Value) -> Vec<String> {
    let mut flaws = Vec::new();
    if blocker["tgid"] != expected.pid {
        flaws.push(format!("its process is not {}", expected.pid));
    }
    if blocker["cause"] != expected.cause {
        flaws.push(format!("the cause is not {}", expected.cause));
    }
    let certainty = blocker["certainty"].as_str().unwrap_or_default();
    let sane = ["certain", "likely", "guess"].contains(&certainty);
    if !sane || expected.certainty.is_some_and(|wanted| certainty != wanted) {
        flaws.push(format!("the certainty is not {}", expected.certainty.unwrap_or("one of the three")));
    }
    if (blocker["evidence"]["exiting"] == true) != expected.exiting {
        flaws.push(format!("exiting is not {}", expected.exiting));
    }
    for field in ["comm", "summary", "release", "state"] {
        if blocker[field].as_str().is_none_or(str::is_empty) {
            flaws.push(format!("{field} says nothing"));
        }
    }
    // In order, but there may be more between: a case names the steps that matter.
    let mut steps = blocker["waits_for"].as_array().into_iter().flatten();
    flaws.extend(
        expected
            .waits_for
            .iter()
            .filter(|holder| !steps.any(|step| is(holder, step)))
            .map(|holder| format!("the way to the culprit lacks {holder:?}")),
    );
    flaws
}

fn is(holder: &Holder, step: &Value) -> bool {
    match holder {
        Holder::Mount(path) => step["kind"] == "mount" && step["path"] == path.to_string_lossy().as_ref(),
        Holder::Cgroup(path) => step["kind"] == "cgroup" && step["path"] == path.to_string_lossy().as_ref(),
        Holder::OneOf(holders) => holders.iter().any(|holder| is(holder, step)),
        Holder::Task { pid, tid, frozen, cgroup } => {
            let cgroup = cgroup.as_ref().map(|path| path.to_string_lossy());
            step["kind"] == "task"
                && step["pid"] == *pid
                && tid.is_none_or(|tid| step["tid"] == tid)
                && step["frozen"] == *frozen
                && cgroup.is_none_or(|path| step["cgroup"] == path.as_ref())
        }
    }
}
