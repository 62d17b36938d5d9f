//! Freeze the whole system for a moment, and say which tasks refuse, why, and the way out.
//!
//! Through /dev/snapshot (`SNAPSHOT_FREEZE`, user tasks), or with `--by pm-test` by a suspend that turns round once all tasks
//! are frozen (kernel threads too). Nothing is suspended, and no device is touched. But every process of the machine
//! stands still until the freeze is done, or until the limit: connections, watchdogs and whoever is on the console notice.
//! So it wants to be confirmed.
//!
//! The limit is handed to the kernel (`/sys/power/pm_freeze_timeout`, put back afterwards): at the limit it gives up and thaws
//! every task, and the tasks that refused are named, long before its own 20 seconds are over. Ctrl-C is noticed then at
//! the latest. The freeze is undone whatever happens: after `kill -9` the kernel thaws all tasks when it closes
//! /dev/snapshot, and a process that waits for nothing else puts the limit back.
//!
//! Exits with 0 when everything was frozen (and is thawed again), 3 when the kernel gave up.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::time::Duration;

use super::super::exit::{self, Failure};
use super::super::output::{self, Shape};
use super::super::{duration, watched};
use super::report;
use crate::control::system::{Means, SystemError, Trigger, Went};
use crate::control::{Interrupts, monotonic_ns};
use crate::model::Caller;
use crate::model::units;
use crate::report::Outcome;
use crate::session::system::{Past, SystemWitness};

/// Freeze the whole system for a moment, and say which tasks refuse
///
/// Nothing is suspended: the kernel freezes every task as for a suspend, and thaws them again at once, or at the limit,
/// where some task refuses. Until then every process of this machine stands still. Exits with 0 when everything was
/// frozen (and is thawed again), 3 when the kernel gave up. After kill -9 the kernel thaws all tasks by itself.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Do it without asking
    #[arg(long)]
    yes: bool,
    /// How long the kernel may try: 500ms, 2s; never longer than its own limit
    #[arg(long, value_name = "D", default_value = "5s", value_parser = duration::parse)]
    timeout: Duration,
    /// How to have the kernel do it; by default the first that it has
    #[arg(long, value_enum)]
    by: Option<Means>,
    /// A task that takes this long or longer is slow, and its time is explained
    #[arg(long, value_name = "D", default_value = "100ms", value_parser = duration::parse)]
    slow: Duration,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Where a task refused: keep the facts in FILE, for `freezer-agent replay FILE` anywhere
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  freezer-agent suspend test
  freezer-agent suspend test --yes --timeout 2s
  freezer-agent suspend test --yes --by pm-test    kernel threads, too
  freezer-agent suspend test --yes --json | jq -r '.blockers[].summary'";

/// What is to be typed.
const WORD: &str = "freeze";

/// Runs the command; gives its exit code.
pub fn run(args: &Args, verbose: bool) -> u8 {
    output::finish(attempt(args, verbose), args.json, None, None)
}

fn attempt(args: &Args, verbose: bool) -> Result<u8, Failure> {
    let means = Means::find(args.by)?;
    if !args.yes {
        confirm(means, args.timeout)?;
    }
    // Before anything starts a thread: it forks.
    let trigger = Trigger::prepare(means, args.timeout)?;
    let interrupts = Interrupts::block()?;
    output::block_on(async { freeze(trigger, means, args, &interrupts, verbose) })?
}

/// Says what will happen, and waits for the word that allows it.
fn confirm(means: Means, limit: Duration) -> Result<(), SystemError> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(SystemError::Unconfirmed);
    }
    let limit = units::duration(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
    eprintln!(
        "This freezes every process of this machine through {}, for up to {limit} where one refuses, and thaws them again.\n\
         Connections and watchdogs may notice. Type `{WORD}` to go on:",
        means.name()
    );
    let mut line = String::new();
    let typed = stdin.lock().read_line(&mut line).is_ok() && line.trim() == WORD;
    if typed { Ok(()) } else { Err(SystemError::Unconfirmed) }
}

fn freeze(
    trigger: Trigger,
    means: Means,
    args: &Args,
    interrupts: &Interrupts,
    verbose: bool,
) -> Result<u8, Failure> {
    let mut witness = SystemWitness::new(verbose);
    let before = witness.look_closely();
    if let Some(signal) = interrupts.arrived() {
        return Ok(exit::of_signal(signal));
    }
    let own = Caller { tid: own_tid(), pid: std::process::id().cast_signed(), comm: "freezer-agent".into() };
    let begun = monotonic_ns();
    let went = trigger.freeze()?;
    let over = monotonic_ns();
    let freeze = witness.finish(begun, &own);
    if went != Went::Frozen && witness.sees_freezes() && freeze.thaw.is_none_or(|thaw| !thaw.gave_up()) {
        return Err(not_begun(&went).into());
    }
    let past = Past::look(&mut witness, freeze, before);
    let outcome = if went == Went::Frozen { Outcome::Frozen } else { Outcome::TimedOut };
    let mut document = report(&past, outcome, nanos(args.slow), &witness);
    if past.freeze().thaw.is_none() {
        document.elapsed_ns = over.saturating_sub(begun);
    }
    if let Some(freeze) = &mut document.suspend {
        freeze.through = Some(means.name().to_owned());
        freeze.limit_ns = trigger.limit.map(nanos);
        freeze.kernel_limit_ns = trigger.kernel_limit.map(nanos);
    }
    trigger.restore()?;
    output::document(&document, Shape::asked(args.json, false))?;
    if let Some(file) = args.record.as_ref().filter(|_| outcome == Outcome::TimedOut) {
        watched::save(&past.explain().facts, None, file)?;
    }
    Ok(match (interrupts.arrived(), outcome) {
        (Some(signal), _) => exit::of_signal(signal),
        (None, Outcome::Frozen) => exit::DONE,
        (None, _) => exit::TIMED_OUT,
    })
}

/// The kernel said no before it asked a single task, or for another reason than a task.
fn not_begun(went: &Went) -> SystemError {
    let source = match went {
        Went::GaveUp(errno) => (*errno).into(),
        Went::Frozen => io::Error::other("it froze"),
    };
    let what = "the kernel did not freeze the system, although no task refused: another suspend may be under way, or \
                something woke the machine";
    SystemError::Failed { what: what.to_owned(), source }
}

fn own_tid() -> i32 {
    nix::unistd::gettid().as_raw()
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
