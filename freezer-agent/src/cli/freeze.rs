//! Freeze a cgroup and wait until every task of it and of every cgroup below is frozen.
//!
//! The request is written to the cgroup's own file (freezer.state in v1, cgroup.freeze in v2) and then confirmed
//! over every descendant. When the limit passes, when the freeze turns out to be impossible, or when SIGINT, SIGTERM
//! or SIGHUP arrives, the state found before is put back: a request of this command is taken back, one that somebody
//! else had made stays. `--on-timeout leave` lets the request stand after the limit or an impossible freeze.
//!
//! Ended by a signal, the command exits with 128 plus the signal's number (130 for Ctrl-C). After `kill -9` nothing
//! but the plain request remains: `freezer-agent status` shows it, `freezer-agent thaw` takes it back.
//!
//! Refused: the root of a hierarchy, the agent's own cgroup or an ancestor of it; without `--force` also the cgroup
//! of process 1 and one that holds only kernel threads.

use std::time::Duration;

use super::args::Target;
use super::exit::{self, Failure};
use super::{duration, output};
use crate::control::{Ended, FileWatch, Interrupts, Request, check_safe, count};
use crate::model::{FreezerState, Name};
use crate::report::Style;
use crate::report::freeze::FreezeReport;
use crate::report::style::Span;

/// Freeze a cgroup and wait until every task of it is frozen
///
/// The request is confirmed over the cgroup and every cgroup below it. When the limit passes, when the freeze turns
/// out to be impossible, or on Ctrl-C, SIGTERM or SIGHUP, the state found before is put back; a request that
/// somebody else had made stays. Ended by a signal, the exit code is 128 plus its number. After kill -9 nothing but
/// the plain request remains: `status` shows it, `thaw` takes it back.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// How long to wait: 500ms, 2s, 1m; a plain number means seconds
    #[arg(long, value_name = "D", default_value = "10s", value_parser = duration::parse)]
    timeout: Duration,
    /// What to do when it is not frozen by then, or never can be
    #[arg(long, value_enum, default_value_t = OnTimeout::Thaw)]
    on_timeout: OnTimeout,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Also freeze the cgroup of process 1, or one that holds only kernel threads
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum OnTimeout {
    /// Put back the state found before
    Thaw,
    /// Let the request stand
    Leave,
}

const EXAMPLES: &str = "\
Examples:
  freezer-agent freeze --cgroup 0
  freezer-agent freeze --cgroup /sys/fs/cgroup/unified/app.slice --timeout 2s
  freezer-agent freeze --cgroup docker/3f2a --hierarchy v1 --on-timeout leave
  freezer-agent freeze --cgroup 0 --json | jq .outcome";

/// Runs the command; gives its exit code.
pub fn run(args: &Args, verbose: bool) -> u8 {
    let result = attempt(args, verbose);
    output::finish(result, args.json, Some(args.target.name()), args.target.hierarchy)
}

fn attempt(args: &Args, verbose: bool) -> Result<u8, Failure> {
    let cgroup = args.target.resolve()?;
    check_safe(&cgroup, args.force)?;
    let interrupts = Interrupts::block()?;
    let mut request = Request::make(cgroup)?;
    let ended = wait(&mut request, args.timeout, &interrupts)?;
    if verbose {
        eprintln!("freezer-agent: {ended:?} after {}", Span(request.asked().elapsed()));
    }
    let (code, _) = exit::of_ended(&ended);
    let report = settle(request, &ended, args)?;
    if let Some(error) = &report.error {
        eprintln!("freezer-agent: {error}");
    }
    output::print(|out| {
        if args.json { report.write_json(out) } else { report.write_text(out, Style::for_stdout()) }
    })?;
    Ok(code)
}

/// The first look comes before the event loop is set up: a small cgroup is frozen by then.
fn wait(request: &mut Request, limit: Duration, interrupts: &Interrupts) -> Result<Ended, Failure> {
    if request.look_twice()?.is_none() && interrupts.arrived().is_none() {
        return Ok(Ended::Frozen);
    }
    Ok(output::block_on(request.wait(limit, &mut FileWatch, interrupts))??)
}

/// Keeps the request or puts back what was found, and reports both what was seen and what is left behind.
fn settle(request: Request, ended: &Ended, args: &Args) -> Result<FreezeReport, Failure> {
    let elapsed = request.asked().elapsed();
    let cgroup = request.cgroup().clone();
    let (_, outcome) = exit::of_ended(ended);
    let mut report =
        FreezeReport::plain(Name::from(cgroup.dir.as_path()), cgroup.hierarchy, outcome, elapsed);
    let during = if *ended == Ended::Frozen { FreezerState::Frozen } else { FreezerState::Freezing };
    report.tasks = count(&cgroup, during)?.into();
    report.already_frozen = request.already_frozen();
    if report.already_frozen {
        report.latency.request_to_frozen_ns = None;
    }
    let leave = args.on_timeout == OnTimeout::Leave;
    let keep = match ended {
        Ended::Frozen => true,
        Ended::TimedOut | Ended::Impossible(_) => leave,
        Ended::Interrupted(_) => false,
    };
    if keep {
        request.keep();
    } else {
        report.restored = request.restore()?;
    }
    report.state = if *ended == Ended::Frozen {
        Some(FreezerState::Frozen)
    } else {
        cgroup.state().ok().map(|state| state.state)
    };
    report.error = match ended {
        Ended::Frozen => None,
        Ended::TimedOut => Some(format!("not frozen within {}", Span(args.timeout))),
        Ended::Impossible(reason) => Some(reason.to_string()),
        Ended::Interrupted(signal) => Some(format!("interrupted by {signal}")),
    };
    Ok(report)
}
