//! One case on one hierarchy through the agent, from setting it up to taking it down, judged.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::agent::{self, Ended};
use crate::cases::{Case, Outcome, Place, STUCK_FOR_GOOD, Stage};
use crate::error::{Error, Result};
use crate::judge::{self, Aspect, Flaw};
use crate::premise::{Premise, Watch};
use crate::worker::KeptOff;
use crate::{Hierarchy, Scene, State};

/// How long the agent may take beyond the limit of its freeze, on a loaded machine; longer is a hang.
const GRACE: Duration = Duration::from_secs(10);

/// What the agent is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One object; the session is recorded and replayed, too.
    Json,
    /// The screen.
    Text,
}

/// What came of it.
#[derive(Debug)]
pub struct Trial {
    /// What was asked for.
    pub form: Form,
    /// The agent's output; `None` where it had to be killed.
    pub ended: Option<Ended>,
    /// Everything wrong; empty: all is right.
    pub flaws: Vec<Flaw>,
    /// From the time limit to the last byte of the verdict, ms; `None` where the limit did not pass, and where the
    /// agent wrote a record before.
    pub late_ms: Option<f64>,
    /// Whether there was a recorded session to replay.
    pub replayed: bool,
    /// Why the case was set up again, each time: what it is about had ceased to be so, and there was nothing to judge.
    pub again: Vec<String>,
}

/// How often a case is set up until it is what it is about.
const TRIES: usize = 6;

impl Trial {
    /// Sets the case up, has the agent freeze it, judges, and takes it down. An error: it could not be set up.
    pub fn run(case: &Case, hierarchy: Hierarchy, form: Form) -> Result<Self> {
        let mut again = Vec::new();
        while again.len() < TRIES {
            let (trial, gone) = Self::once(case, hierarchy, form)?;
            if gone.is_empty() {
                return Ok(Self { again, ..trial });
            }
            again.extend(gone.iter().map(ToString::to_string));
        }
        let tries = format!("{TRIES} times it ceased to be what it is about: {}", again.join("; "));
        Err(Error::new("set up", format!("{} on {hierarchy}", case.name), tries))
    }

    fn once(case: &Case, hierarchy: Hierarchy, form: Form) -> Result<(Self, Vec<Premise>)> {
        let mut scene = Scene::new();
        let mut stage = (case.set_up)(&mut scene, &Place::new(hierarchy))?;
        if is_emulated() && stage.limit == STUCK_FOR_GOOD {
            // Servers behind servers need so long there to be stuck themselves.
            stage.limit *= 4;
        }
        let folder = scene.directory()?;
        if let Some(trigger) = stage.trigger.take() {
            trigger(&mut scene)?;
        }
        // Whoever lands on a CPU that is taken does not get off it again before the case is over.
        let _kept_off = stage.taken_cpu.map(KeptOff::from).transpose()?;
        let watch = Watch::start(&stage.cgroup, &stage.premises);
        let trial = Self::freeze(&stage, form, &folder.join("record.json"));
        let gone = watch.end();
        let mut trial = trial?;
        trial.flaws.extend(left_otherwise(&stage));
        let left = scene.take_down();
        trial.flaws.extend(left.iter().map(|error| Flaw::new(Aspect::Rest, error.to_string())));
        Ok((trial, gone))
    }

    fn freeze(stage: &Stage, form: Form, record: &Path) -> Result<Self> {
        let limit = format!("{}ms", stage.limit.as_millis());
        let mut arguments: Vec<OsString> = vec!["--explain".into(), "--timeout".into(), limit.into()];
        if is_emulated() && stage.slow.is_empty() {
            arguments.extend(["--slow".into(), "30s".into()]);
        }
        match form {
            Form::Json => arguments.extend(["--json".into(), "--record".into(), record.into()]),
            // Measuring costs time after a freeze that succeeds.
            Form::Text if stage.outcome == Outcome::TimedOut => arguments.push("--timings".into()),
            Form::Text => {}
        }
        let grace = if is_emulated() { 6 * GRACE } else { GRACE };
        let ended = agent::start("freeze", &stage.cgroup, &arguments)?.end_within(stage.limit + grace)?;
        let mut trial =
            Self { form, ended, flaws: Vec::new(), late_ms: None, replayed: false, again: Vec::new() };
        let Some(ended) = &trial.ended else {
            trial.flaws.push(Flaw::new(Aspect::Hang, format!("it runs {grace:?} after its limit")));
            return Ok(trial);
        };
        trial.flaws = match form {
            Form::Json => judge::json(stage, ended),
            Form::Text => judge::text(stage, ended),
        };
        if form == Form::Json && stage.outcome != Outcome::Frozen {
            trial.flaws.extend(replay(ended, record)?);
            trial.replayed = true;
        }
        if stage.outcome == Outcome::TimedOut {
            trial.late_ms = late_ms(ended, stage.limit);
        }
        Ok(trial)
    }

    /// Whether nothing is wrong in this respect.
    #[must_use]
    pub fn is_right(&self, aspect: Aspect) -> bool {
        self.flaws.iter().all(|flaw| flaw.aspect != aspect)
    }
}

/// Whether this machine is emulated (`FREEZER_LAB_EMULATED`, which xtask/src/vm/init.sh sets): a hundred times slower,
/// every task is late there. Only cases that are about lateness then say so.
#[must_use]
pub fn is_emulated() -> bool {
    std::env::var_os("FREEZER_LAB_EMULATED").is_some()
}

/// Replays as a reader of somebody else's record does: the agent gets the file and nothing more.
fn replay(live: &Ended, record: &Path) -> Result<Vec<Flaw>> {
    if !record.exists() {
        return Ok(vec![Flaw::new(Aspect::Replay, "no session was recorded")]);
    }
    let mut command = Command::new(agent::path()?);
    command.args(["replay", "--json"]).arg(record);
    let replayed = agent::spawn(command)?.end_within(GRACE)?;
    Ok(match replayed {
        Some(replayed) => judge::replay(live, &replayed),
        None => vec![Flaw::new(Aspect::Hang, "the replay does not end")],
    })
}

/// By the agent's own stamp of its request (`--timings`) and our clock when its words came.
fn late_ms(ended: &Ended, limit: Duration) -> Option<f64> {
    let timings = ended.stderr.lines().rev().find_map(|line| serde_json::from_str(line).ok());
    let timings: serde_json::Value = timings?;
    let requested = Duration::from_nanos(timings["requested_at_ns"].as_u64()?);
    let late = Duration::from_nanos(ended.printed_ns?).saturating_sub(requested + limit);
    Some(late.as_secs_f64() * 1e3)
}

/// A freeze that did not succeed is taken back, one that did stays.
fn left_otherwise(stage: &Stage) -> Option<Flaw> {
    let wanted = if stage.outcome == Outcome::Frozen { State::Frozen } else { State::Thawed };
    match stage.cgroup.state() {
        Ok(left) if left == wanted => None,
        left => Some(Flaw::new(Aspect::Rest, format!("the cgroup is left {left:?}"))),
    }
}
