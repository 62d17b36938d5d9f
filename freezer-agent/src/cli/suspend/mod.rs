//! The freeze of the whole system, for suspend and hibernation, explained as that of a cgroup is.
//!
//! The kernel freezes every user task before a machine sleeps, and gives up after 20 seconds where one refuses
//! ("Freezing user space processes failed"). The agent is frozen too. Its kernel side is not: it rides on the kernel's own
//! rounds over the tasks, and notes when each was asked and froze, and with its stack who still refuses. What that one waits
//! for is told as soon as the kernel has thawed everything.

pub mod explain;
pub mod test;
pub mod watch;

use clap::Subcommand;

use super::exit::Failure;
use super::output;
use crate::control::system::kernel_limit;
use crate::explain::slow::{Seen, slow};
use crate::model::{FreezerState, Latency};
use crate::report::{Document, Outcome, SystemFreeze, TaskDetail, json};
use crate::session::system::{Past, SystemWitness};
use crate::session::{Samples, clock};

/// The freeze of the whole system, for suspend and hibernation: watch, explain, try
///
/// Freezing is where many a suspend fails: one task that cannot be frozen keeps the machine awake.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Watch(watch::Args),
    Explain(explain::Args),
    Test(test::Args),
}

/// Runs the command; gives its exit code.
pub fn run(args: &Args, verbose: bool) -> u8 {
    match &args.command {
        Command::Watch(args) => watch::run(args, verbose),
        Command::Explain(args) => explain::run(args, verbose),
        Command::Test(args) => test::run(args, verbose),
    }
}

/// A freeze that is over, as it is reported. Tasks that took as long as `slow_ns` are explained.
fn report(past: &Past, outcome: Outcome, slow_ns: u64, witness: &SystemWitness) -> Document {
    let freeze = past.freeze();
    let requested_at = freeze.begun_at();
    let limit = kernel_limit().map(|limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
    let mut document = Document::system(
        outcome,
        SystemFreeze {
            by: freeze.by.clone(),
            through: None,
            kernel_threads: freeze.kernel_threads_at.is_some(),
            rounds: freeze.thaw.map(|thaw| thaw.rounds),
            limit_ns: limit,
            kernel_limit_ns: limit,
        },
    );
    document.state = Some(FreezerState::Thawed);
    document.restored = true;
    // The kernel's last round is when it knew: the thaw of a suspend comes after the sleep.
    let known_at = freeze.thaw.map_or(requested_at, |thaw| thaw.last_round_at);
    document.elapsed_ns = known_at.saturating_sub(requested_at);
    let total = past.tasks();
    document.tasks = crate::control::TaskCount { total, at_least: total, at_most: total }.into();
    let session = freeze.session();
    let frozen = (outcome == Outcome::Frozen).then_some(document.elapsed_ns);
    let clock = clock(witness.attached(), session, false);
    document.latency = Some(Latency { clock, ..session.latency(frozen) });
    let timelines: Vec<_> = session.timelines().into_iter().filter(|task| !task.gone).collect();
    document.tasks_detail = timelines.iter().map(|task| TaskDetail::of(task, requested_at)).collect();
    if outcome == Outcome::TimedOut {
        let explained = past.explain();
        document.tasks = explained.count().into();
        document.unknown = explained.unknown();
        document.blockers = explained.verdict.blockers;
    }
    if document.latency.as_ref().and_then(|latency| latency.max_ns).is_some_and(|max| max >= slow_ns) {
        let (looks, samples) = (past.looks(), Samples::new());
        let blocking: Vec<i32> = document.blockers.iter().map(|blocker| blocker.tid).collect();
        let tasks = session.timelines();
        let seen =
            Seen { requested_at, tasks: &tasks, looks: &looks, samples: &samples, blocking: &blocking };
        document.slow = slow(&seen, slow_ns);
    }
    document.slow_limit_ns = Some(slow_ns);
    document.observer = Some(witness.report());
    document
}

/// One object on one line.
fn line(document: &Document) -> Result<(), Failure> {
    output::print(|out| json::write_line(out, document))
}
