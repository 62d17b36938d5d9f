//! Say which tasks are not frozen, and why, of the freeze of the whole system that goes on; changes nothing.
//!
//! Everybody else being frozen, that can be asked only by what the freezing program itself has started, such as a
//! hibernation script that holds /dev/snapshot. At any other time nothing is freezing, or this command would be frozen, too:
//! then it says which tasks would refuse if the system were to be frozen now.
//!
//! Exits with 0 when it could say, whatever it said.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::super::exit::{self, Failure};
use super::super::output::{self, Shape};
use super::super::watched;
use crate::control::system::{SystemError, kernel_limit};
use crate::explain::foresee;
use crate::model::FreezerState;
use crate::report::{Document, Outcome, SystemFreeze};
use crate::session::Explained;
use crate::session::system::{SystemWitness, look_ahead, look_inside};

/// Between two looks: who has not run meanwhile does not wait in passing only.
const APART: Duration = Duration::from_millis(150);

/// Say which tasks are not frozen, or would refuse to freeze now
///
/// Started by a program that has frozen the system (by /dev/snapshot), it explains that freeze. At any other time it says
/// which tasks would refuse one now, for instance after a suspend that has failed. Changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Keep the facts in FILE, for `freezer-agent replay FILE` anywhere
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  freezer-agent suspend explain
  freezer-agent suspend explain --json | jq -r '.would_refuse[].summary'";

/// Runs the command; gives its exit code.
pub fn run(args: &Args, verbose: bool) -> u8 {
    output::finish(attempt(args, verbose), args.json, None, None)
}

fn attempt(args: &Args, verbose: bool) -> Result<u8, Failure> {
    let Some(limit) = kernel_limit() else {
        return Err(SystemError::Missing(
            "this kernel never freezes the whole system: it has no /sys/power/pm_freeze_timeout".to_owned(),
        )
        .into());
    };
    let limit_ns = u64::try_from(limit.as_nanos()).ok();
    let freeze = SystemFreeze { limit_ns, kernel_limit_ns: limit_ns, ..SystemFreeze::default() };
    let (document, explained) = output::block_on(async { look(freeze, verbose) })?;
    output::document(&document, Shape::asked(args.json, false))?;
    if let Some(file) = &args.record {
        watched::save(&explained.facts, None, file)?;
    }
    Ok(exit::DONE)
}

fn look(freeze: SystemFreeze, verbose: bool) -> (Document, Explained) {
    let mut witness = SystemWitness::new(verbose);
    let (mut document, explained) = match look_inside(&mut witness) {
        Some(explained) => (inside(freeze, &explained), explained),
        None => ahead(freeze, &mut witness),
    };
    document.observer = Some(witness.report());
    (document, explained)
}

fn inside(freeze: SystemFreeze, explained: &Explained) -> Document {
    let (outcome, state) = if explained.nobody_blocks() {
        (Outcome::Frozen, FreezerState::Frozen)
    } else {
        (Outcome::Freezing, FreezerState::Freezing)
    };
    let mut document = Document::system(outcome, freeze);
    document.state = Some(state);
    document.tasks = explained.count().into();
    document.unknown = explained.unknown();
    document.blockers.clone_from(&explained.verdict.blockers);
    document
}

fn ahead(freeze: SystemFreeze, witness: &mut SystemWitness) -> (Document, Explained) {
    let before = witness.look();
    thread::sleep(APART);
    let explained = look_ahead(witness, &before);
    let mut document = Document::system(Outcome::Thawed, freeze);
    document.state = Some(FreezerState::Thawed);
    let total = explained.facts.tasks.len();
    document.tasks = crate::control::TaskCount { total, at_least: 0, at_most: 0 }.into();
    let lasting = foresee(&explained.facts).into_iter().filter(|foreseen| foreseen.unmoved);
    document.would_refuse = lasting.map(|foreseen| foreseen.blocker).collect();
    (document, explained)
}
