//! Wait for freezes of the whole system and tell of each: how long every task took, and where it failed, who refused.
//!
//! The agent is frozen with all others, so it tells after the thaw: after a suspend when the machine is awake again, after
//! one that failed when the kernel has given up. What the kernel side saw meanwhile is not lost.
//!
//! Needs BPF rights, and fentry or kprobes. Where a task's wait is over by the time of the thaw, its stack tells what it
//! waited for, and the file it was about may remain unknown.

use super::super::exit::{self, Failure};
use super::super::output::{self, Shape};
use super::report;
use crate::control::system::{SystemError, kernel_limit};
use crate::control::{ControlError, Interrupts};
use crate::model::{SystemFreezes, SystemSession};
use crate::report::Outcome;
use crate::session::system::{Past, SystemLook, SystemWitness};

/// Wait for freezes of the whole system and tell of each, after its thaw
///
/// Leave it running and suspend the machine: where that fails, the tasks that refused to freeze are named, with what they
/// waited for. Ends with Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// End after the first freeze
    #[arg(long)]
    once: bool,
    /// A task that takes this long or longer is slow, and its time is explained
    #[arg(long, value_name = "D", default_value = "100ms", value_parser = super::super::duration::parse)]
    slow: std::time::Duration,
    /// Print each freeze as one JSON object on a line of its own
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  freezer-agent suspend watch
  freezer-agent suspend watch --once & systemctl suspend
  freezer-agent suspend watch --json | jq -r '.blockers[].summary'";

/// Runs the command; gives its exit code.
pub fn run(args: &Args, verbose: bool) -> u8 {
    output::finish(attempt(args, verbose), args.json, None, None)
}

fn attempt(args: &Args, verbose: bool) -> Result<u8, Failure> {
    if kernel_limit().is_none() {
        return Err(SystemError::Missing(
            "this kernel never freezes the whole system: it has no /sys/power/pm_freeze_timeout (CONFIG_SUSPEND, \
             CONFIG_HIBERNATION)"
                .to_owned(),
        )
        .into());
    }
    let interrupts = Interrupts::block()?;
    output::block_on(watch(args, &interrupts, verbose))?
}

async fn watch(args: &Args, interrupts: &Interrupts, verbose: bool) -> Result<u8, Failure> {
    let mut witness = SystemWitness::new(verbose);
    if !witness.sees_freezes() {
        return Err(unseen(&witness).into());
    }
    eprintln!("freezer-agent: waiting for a freeze of the whole system; Ctrl-C ends this");
    let mut freezes = SystemFreezes::default();
    let mut events = Vec::new();
    loop {
        tokio::select! {
            biased;
            signal = interrupts.wait() => {
                return Ok(exit::of_signal(signal.map_err(ControlError::Signals)?));
            }
            arrived = witness.next_events(&mut events) => arrived.map_err(ControlError::Signals)?,
        }
        let ended: Vec<SystemSession> =
            events.drain(..).filter_map(|event| freezes.observe(&event)).collect();
        for freeze in ended {
            tell(freeze, args, &mut witness)?;
            if args.once {
                return Ok(exit::DONE);
            }
        }
    }
}

fn unseen(witness: &SystemWitness) -> SystemError {
    let why = witness.why_not();
    let told = format!("freezes of the whole system cannot be watched here: {why}");
    if why.contains("lacks") { SystemError::Permission(told) } else { SystemError::Missing(told) }
}

fn tell(freeze: SystemSession, args: &Args, witness: &mut SystemWitness) -> Result<(), Failure> {
    let outcome = match freeze.thaw {
        Some(thaw) if thaw.gave_up() => Outcome::TimedOut,
        _ => Outcome::Frozen,
    };
    let past = Past::look(witness, freeze, SystemLook::default());
    let slow_ns = u64::try_from(args.slow.as_nanos()).unwrap_or(u64::MAX);
    let document = report(&past, outcome, slow_ns, witness);
    if args.json {
        return super::line(&document);
    }
    output::document(&document, Shape::Text)
}
