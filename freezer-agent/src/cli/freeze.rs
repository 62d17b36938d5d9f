//! Freeze a cgroup and wait until every task of it and of every cgroup below is frozen.
//!
//! The request is written to the cgroup's own file (freezer.state in v1, cgroup.freeze in v2) and then confirmed
//! over every descendant. When the limit passes, when the freeze turns out to be impossible, or when SIGINT, SIGTERM
//! or SIGHUP arrives, the state found before is put back: a request of this command is taken back, one that somebody
//! else had made stays. `--on-timeout leave` lets the request stand after the limit or an impossible freeze.
//!
//! With `--explain` the freeze is watched by eBPF programs: how long each task took, and which tasks block, why, and
//! the way out. Where BPF is not allowed /proc alone is read, and what is lost is said.
//!
//! A task that took 100 ms or longer (`--slow` sets the limit) is explained also where the freeze succeeds: at the limit,
//! and then ever more rarely, the tasks that are not frozen yet are looked at, and the kernel's events tell how long each
//! slept, waited for a CPU and ran.
//!
//! Ended by a signal, the command exits with 128 plus the signal's number (130 for Ctrl-C). After `kill -9` nothing
//! but the plain request remains: `freezer-agent status` shows it, `freezer-agent thaw` takes it back.
//!
//! Refused: the root of a hierarchy, the agent's own cgroup or an ancestor of it; without `--force` also the cgroup
//! of process 1 and one that holds only kernel threads.

use std::path::PathBuf;
use std::time::Duration;

use super::args::Target;
use super::exit::{self, Failure};
use super::output::{self, Shape};
use super::{duration, watched};
use crate::cgroupfs::Cgroup;
use crate::control::{Ended, FileWatch, Interrupts, Request, check_safe, count};
use crate::model::{FreezerState, Latency, LatencyClock, Name};
use crate::report::{Document, ObserverMode, ObserverReport};

/// Freeze a cgroup and wait until every task of it is frozen
///
/// The request is confirmed over the cgroup and every cgroup below it. When the limit passes, when the freeze turns
/// out to be impossible, or on Ctrl-C, SIGTERM or SIGHUP, the state found before is put back; a request that
/// somebody else had made stays. Ended by a signal, the exit code is 128 plus its number. After kill -9 nothing but
/// the plain request remains: `status` shows it, `thaw` takes it back.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Say how long each task took, and which tasks block, why, and the way out
    #[arg(long)]
    explain: bool,
    /// How long to wait: 500ms, 2s, 1m; a plain number means seconds
    #[arg(long, value_name = "D", default_value = "10s", value_parser = duration::parse)]
    pub(super) timeout: Duration,
    /// What to do when it is not frozen by then, or never can be
    #[arg(long, value_enum, default_value_t = OnTimeout::Thaw)]
    on_timeout: OnTimeout,
    /// With --explain: a task that takes this long or longer is slow, and its time is explained
    #[arg(long, value_name = "D", default_value = "100ms", value_parser = duration::parse, requires = "explain")]
    pub(super) slow: Duration,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
    /// Print who waits for whom as a Graphviz graph: `| dot -Tsvg`
    #[arg(long, conflicts_with = "json", requires = "explain")]
    pub(super) dot: bool,
    /// Also freeze the cgroup of process 1, or one that holds only kernel threads
    #[arg(long)]
    force: bool,
    /// With --explain: keep what was found in FILE, for `freezer-agent replay FILE` anywhere
    #[arg(long, value_name = "FILE", requires = "explain")]
    pub(super) record: Option<PathBuf>,
    /// With --explain: the agent's own timings, as JSON on stderr
    #[arg(long, hide = true, requires = "explain")]
    pub(super) timings: bool,
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
  freezer-agent freeze --cgroup 0 --explain
  freezer-agent freeze --cgroup /sys/fs/cgroup/unified/app.slice --timeout 2s
  freezer-agent freeze --cgroup docker/3f2a --hierarchy v1 --on-timeout leave
  freezer-agent freeze --cgroup 0 --explain --json | jq -r '.blockers[].summary'";

/// Runs the command; gives its exit code.
pub fn run(args: &Args, verbose: bool) -> u8 {
    let result = attempt(args, verbose);
    output::finish(result, args.json, Some(args.target.name()), args.target.hierarchy)
}

fn attempt(args: &Args, verbose: bool) -> Result<u8, Failure> {
    let cgroup = args.target.resolve()?;
    check_safe(&cgroup, args.force)?;
    let interrupts = Interrupts::block()?;
    let ended = if args.explain {
        output::block_on(watched::freeze(&cgroup, args, verbose, &interrupts))??
    } else {
        plain(cgroup, args, &interrupts)?
    };
    Ok(exit::of_ended(&ended).0)
}

/// No BPF, no look at single tasks.
fn plain(cgroup: Cgroup, args: &Args, interrupts: &Interrupts) -> Result<Ended, Failure> {
    let mut request = Request::make(cgroup)?;
    // The first look comes before the event loop is set up: a small cgroup is frozen by then.
    let ended = if request.look_twice()?.is_none() && interrupts.arrived().is_none() {
        Ended::Frozen
    } else {
        output::block_on(request.wait(args.timeout, &mut FileWatch, interrupts))??
    };
    let mut document = begin(&request, &ended);
    let state = if ended == Ended::Frozen { FreezerState::Frozen } else { FreezerState::Freezing };
    document.tasks = count(request.cgroup(), state)?.into();
    document.observer =
        Some(ObserverReport { mode: ObserverMode::Proc, lost_events: 0, missing: Vec::new() });
    if ended == Ended::Frozen && !document.already_frozen {
        let request_to_frozen_ns = Some(document.elapsed_ns);
        let clock = LatencyClock { requested: LatencyClock::WRITE.to_owned(), ..LatencyClock::default() };
        document.latency = Some(Latency { request_to_frozen_ns, clock, ..Latency::default() });
    }
    settle(request, &ended, args, &mut document, |_| Ok(()))?;
    output::document(&document, Shape::asked(args.json, false))?;
    Ok(ended)
}

/// A document of what ended just now.
pub(super) fn begin(request: &Request, ended: &Ended) -> Document {
    let cgroup = request.cgroup();
    let (_, outcome) = exit::of_ended(ended);
    let mut document = Document::new(Name::from(cgroup.dir.as_path()), Some(cgroup.hierarchy), outcome);
    document.elapsed_ns = u64::try_from(request.asked().elapsed().as_nanos()).unwrap_or(u64::MAX);
    document.already_frozen = request.already_frozen();
    document
}

/// Keeps the request or puts back what was found, and says what is left behind.
///
/// A thaw of thousands of tasks takes long, so that `meanwhile` is done beside it, when the document says already what
/// the thaw is expected to leave behind.
pub(super) fn settle(
    request: Request,
    ended: &Ended,
    args: &Args,
    document: &mut Document,
    meanwhile: impl FnOnce(&mut Document) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let cgroup = request.cgroup().clone();
    document.error = match ended {
        Ended::Frozen | Ended::TimedOut => None,
        Ended::Impossible(reason) => Some(reason.to_string()),
        Ended::Interrupted(signal) => Some(format!("interrupted by {signal}")),
    };
    if keeps(ended, args) {
        request.keep();
        document.state = left_behind(&cgroup, ended);
        return meanwhile(document);
    }
    document.restored = !request.asked_before();
    document.state = Some(if document.restored { FreezerState::Thawed } else { FreezerState::Freezing });
    let (restored, done) = request.restore_during(|| meanwhile(document));
    document.restored = restored?;
    document.state = left_behind(&cgroup, ended);
    done
}

fn keeps(ended: &Ended, args: &Args) -> bool {
    match ended {
        Ended::Frozen => true,
        Ended::TimedOut | Ended::Impossible(_) => args.on_timeout == OnTimeout::Leave,
        Ended::Interrupted(_) => false,
    }
}

fn left_behind(cgroup: &Cgroup, ended: &Ended) -> Option<FreezerState> {
    match ended {
        Ended::Frozen => Some(FreezerState::Frozen),
        _ => cgroup.state().ok().map(|state| state.state),
    }
}
