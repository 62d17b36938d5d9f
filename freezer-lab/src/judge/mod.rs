//! Compares what the agent said of a case with what is right.

mod hurts;
mod slow;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::agent::Ended;
use crate::cases::{Expected, ExpectedCycle, Holder, Outcome, Stage};

/// What a verdict is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// Every task that blocks is named, once, and nothing else is said to.
    Blockers,
    /// Each with its cause.
    Cause,
    /// Each with the way to what it waits for.
    Holder,
    /// A task that is frozen, or freezes, is blamed.
    FrozenBlamed,
    /// The agent does not end.
    Hang,
    /// A recorded session gives another verdict.
    Replay,
    /// Anything else of the contract: exit code, state, fields, words on the screen, what is left behind.
    Rest,
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// What of the verdict it concerns.
    pub aspect: Aspect,
    /// What is wrong, in a sentence.
    pub what: String,
}

impl Flaw {
    /// A flaw of an aspect.
    pub fn new(aspect: Aspect, what: impl Into<String>) -> Self {
        Self { aspect, what: what.into() }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.aspect, self.what)
    }
}

fn rest(sentences: Vec<String>) -> impl Iterator<Item = Flaw> {
    sentences.into_iter().map(|what| Flaw::new(Aspect::Rest, what))
}

/// Everything wrong with the JSON of a freeze; empty: all is right.
pub fn json(stage: &Stage, ended: &Ended) -> Vec<Flaw> {
    let document = match ended.json() {
        Ok(document) => document,
        Err(error) => return vec![Flaw::new(Aspect::Blockers, error.to_string())],
    };
    let mut wrong = Vec::new();
    let (code, outcome) = words(stage.outcome);
    let mut same = |what: &str, found: &Value, wanted: Value| {
        if *found != wanted {
            wrong.push(Flaw::new(Aspect::Rest, format!("{what} is {found}, not {wanted}")));
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
    wrong.extend(rest(slow::json(stage, &document)));
    wrong.extend(rest(hurts::json(&stage.hurts, &document)));
    let circles = stage.cycles.iter().flat_map(|expected| cycles(expected, &document));
    wrong.extend(circles.map(|what| Flaw::new(Aspect::Rest, what)));
    wrong
}

/// What is wrong with whom a document says the freeze hurts.
pub fn hurts(stage: &Stage, document: &Value) -> Vec<String> {
    hurts::json(&stage.hurts, document)
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

/// Everything wrong with the text of a freeze: causes, blamed tasks and holders must be on the screen, for a reader.
pub fn text(stage: &Stage, ended: &Ended) -> Vec<Flaw> {
    let (code, _) = words(stage.outcome);
    let mut wrong = Vec::new();
    if ended.code() != code {
        wrong.push(Flaw::new(Aspect::Rest, format!("the exit code is {}, not {code}", ended.code())));
    }
    let mut needed = BTreeSet::new();
    wrong.extend(rest(slow::text(stage, &ended.stdout)));
    wrong.extend(rest(hurts::text(&stage.hurts, &ended.stdout)));
    for blocker in &stage.blockers {
        needed
            .extend([(Aspect::Cause, blocker.cause.to_owned()), (Aspect::Blockers, blocker.tid.to_string())]);
        needed.extend(blocker.waits_for.iter().filter_map(|holder| match holder {
            Holder::Task { pid, .. } => Some((Aspect::Holder, pid.to_string())),
            _ => None,
        }));
    }
    needed.retain(|(_, word)| !ended.stdout.contains(word));
    wrong.extend(needed.into_iter().map(|(aspect, word)| Flaw::new(aspect, format!("{word} is missing"))));
    if ended.stdout.contains('\x1b') {
        wrong.push(Flaw::new(Aspect::Rest, "there are escape sequences though stdout is no terminal"));
    }
    wrong
}

/// What a replay of the recorded session says otherwise.
pub fn replay(live: &Ended, replayed: &Ended) -> Vec<Flaw> {
    let (live, replayed) = match (live.json(), replayed.json()) {
        (Ok(live), Ok(replayed)) => (live, replayed),
        (Err(error), _) | (_, Err(error)) => return vec![Flaw::new(Aspect::Replay, error.to_string())],
    };
    let differs = |field: &&str| live[*field] != replayed[*field];
    let fields = ["cgroup", "hierarchy", "blockers", "unknown", "tasks"].into_iter().filter(differs);
    fields
        .map(|field| {
            Flaw::new(Aspect::Replay, format!("{field} were {}, are {}", live[field], replayed[field]))
        })
        .collect()
}

fn words(outcome: Outcome) -> (i32, &'static str) {
    match outcome {
        Outcome::Frozen => (0, "frozen"),
        Outcome::TimedOut => (3, "timed_out"),
        Outcome::Impossible => (4, "impossible"),
    }
}

/// What is wrong with the blockers of a document: exactly the right tasks are to be there, each for the right reason.
pub fn blockers(stage: &Stage, document: &Value) -> Vec<Flaw> {
    let empty = Vec::new();
    let found = document["blockers"].as_array().unwrap_or(&empty);
    let strangers = found.iter().filter(|found| !stage.blockers.iter().any(|one| found["tid"] == one.tid));
    // Whatever else the lab puts into the cgroup of a case freezes.
    let mut wrong: Vec<_> =
        strangers.map(|one| Flaw::new(Aspect::FrozenBlamed, format!("wrongly blamed: {one}"))).collect();
    for expected in &stage.blockers {
        let mut of_task = found.iter().filter(|blocker| blocker["tid"] == expected.tid);
        match (of_task.next(), of_task.next()) {
            (Some(blocker), None) => {
                let flaws = blocker_flaws(expected, blocker);
                wrong.extend(
                    flaws
                        .into_iter()
                        .map(|flaw| Flaw { what: format!("{}, in {blocker}", flaw.what), ..flaw }),
                );
            }
            (Some(_), Some(_)) => {
                wrong.push(Flaw::new(Aspect::Blockers, format!("{} is blamed twice", expected.tid)));
            }
            (None, _) => wrong.push(Flaw::new(Aspect::Blockers, format!("{} is not blamed", expected.tid))),
        }
    }
    wrong
}

fn blocker_flaws(expected: &Expected, blocker: &Value) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let mut wrong = |aspect, what: String| flaws.push(Flaw { aspect, what });
    if blocker["tgid"] != expected.pid {
        wrong(Aspect::Blockers, format!("its process is not {}", expected.pid));
    }
    if blocker["cause"] != expected.cause {
        wrong(Aspect::Cause, format!("the cause is not {}", expected.cause));
    }
    let certainty = blocker["certainty"].as_str().unwrap_or_default();
    let sane = ["certain", "likely", "guess"].contains(&certainty);
    if !sane || expected.certainty.is_some_and(|wanted| certainty != wanted) {
        let wanted = expected.certainty.unwrap_or("one of the three");
        wrong(Aspect::Rest, format!("the certainty is not {wanted}"));
    }
    if (blocker["evidence"]["exiting"] == true) != expected.exiting {
        wrong(Aspect::Rest, format!("exiting is not {}", expected.exiting));
    }
    for field in ["comm", "summary", "release", "state"] {
        if blocker[field].as_str().is_none_or(str::is_empty) {
            wrong(Aspect::Rest, format!("{field} says nothing"));
        }
    }
    // In order, but there may be more between: a case names the steps that matter.
    let mut steps = blocker["waits_for"].as_array().into_iter().flatten();
    for holder in &expected.waits_for {
        if !steps.any(|step| is(holder, step)) {
            wrong(Aspect::Holder, format!("the way to the culprit lacks {holder:?}"));
        }
    }
    flaws
}

fn is(holder: &Holder, step: &Value) -> bool {
    match holder {
        Holder::Mount(path) => step["kind"] == "mount" && step["path"] == path.to_string_lossy().as_ref(),
        Holder::Device(name) => step["kind"] == "device" && step["name"] == name.as_str(),
        Holder::Cgroup(path) => step["kind"] == "cgroup" && step["path"] == path.to_string_lossy().as_ref(),
        Holder::Server(address) => step["kind"] == "server" && step["address"] == address.as_str(),
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
