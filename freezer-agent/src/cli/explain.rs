//! Say why a cgroup that somebody else is freezing is not frozen. Changes nothing.
//!
//! Looks at every task of the cgroup and of every cgroup below: by the BPF task iterator where that is allowed, else
//! by /proc alone. What runs is sampled for a moment, so that a task spinning in the kernel is seen at work. Tasks that
//! join meanwhile (`--for`) are told as late; who came before the watch began, and without BPF who comes at all, is not
//! seen.
//!
//! Where nobody asks for a freeze, `--for` watches for somebody who does: then it is known who asked and when, and how long
//! each task took; and how long each was frozen, where it is thawed again by the end. In v1 that takes fentry or kprobes
//! (`doctor`). A request from before the watch has no known maker.
//!
//! Of a cgroup that is frozen it says whom outside that hurts: clients of a FUSE server inside, waiters for a lock that a
//! task took inside, tracers.
//!
//! Exits with 0 when it could say, whatever it said.

use std::path::PathBuf;
use std::time::Duration;

use super::args::Target;
use super::exit::{self, Failure};
use super::output::{self, Shape};
use super::{duration, watched};
use crate::cgroupfs::{AncestorRequest, Cgroup};
use crate::control::{ControlError, Refusal, Span, TaskCount, monotonic_ns};
use crate::model::{FreezerState, Name, Session};
use crate::report::{Document, Outcome};
use crate::session::{Watched, WatchedWait, Witness, clock, explain, harm};

/// How long to watch a cgroup that somebody freezes already.
const MOMENT: Duration = Duration::from_millis(200);

/// Say why a cgroup that somebody else is freezing is not frozen
///
/// Changes nothing. For a cgroup that docker, runc, systemd or a plain `echo FROZEN` is freezing: names the tasks
/// that block, the cause of each, and the way out. Exits with 0 when it could say.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// How long to watch what runs and who joins, or who asks where nobody does yet: 500ms, 2s, 1m; a plain number means
    /// seconds [default: 200ms where somebody asks]
    #[arg(long = "for", value_name = "D", value_parser = duration::parse)]
    watch_for: Option<Duration>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Print who waits for whom as a Graphviz graph: `| dot -Tsvg`
    #[arg(long, conflicts_with = "json")]
    dot: bool,
    /// Keep the facts in FILE, for `freezer-agent replay FILE` anywhere
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  freezer-agent explain --cgroup docker/3f2a
  freezer-agent explain --cgroup /sys/fs/cgroup/unified/app.slice --for 2s
  freezer-agent explain --cgroup 0 --json | jq -r '.blockers[] | .cause + \" \" + .release'";

/// Runs the command; gives its exit code.
pub fn run(args: &Args, verbose: bool) -> u8 {
    let result = attempt(args, verbose);
    output::finish(result, args.json, Some(args.target.name()), args.target.hierarchy)
}

fn attempt(args: &Args, verbose: bool) -> Result<u8, Failure> {
    let cgroup = args.target.resolve()?;
    if cgroup.is_root() {
        let refusal = Refusal::Root { dir: cgroup.dir, hierarchy: cgroup.hierarchy };
        return Err(ControlError::from(refusal).into());
    }
    let found = look(&cgroup)?;
    let document = match found.outcome {
        Outcome::Freezing => output::block_on(watch(&cgroup, args, verbose, found.outcome))??,
        Outcome::Thawed if args.watch_for.is_some() => {
            output::block_on(watch(&cgroup, args, verbose, found.outcome))??
        }
        Outcome::Frozen => output::block_on(async { whom_it_hurts(&cgroup, verbose, found) })?,
        _ => found,
    };
    output::document(&document, Shape::asked(args.json, args.dot))?;
    Ok(exit::DONE)
}

/// What the cgroup's own files say.
fn look(cgroup: &Cgroup) -> Result<Document, Failure> {
    let state = cgroup.state().map_err(ControlError::from)?;
    let outcome = match state.state {
        FreezerState::Thawed => Outcome::Thawed,
        FreezerState::Freezing => Outcome::Freezing,
        FreezerState::Frozen => Outcome::Frozen,
    };
    let mut document = Document::new(Name::from(cgroup.dir.as_path()), Some(cgroup.hierarchy), outcome);
    document.state = Some(state.state);
    document.frozen_by_ancestor = match state.ancestor {
        Some(AncestorRequest::At(dir)) if !state.own_request => Some(Name::from(dir.as_path())),
        Some(AncestorRequest::OutOfView) if !state.own_request => Some(Name::from("out of view")),
        _ => None,
    };
    let total = cgroup.subtree_tasks().map_err(ControlError::from)?.len();
    let frozen = if outcome == Outcome::Frozen { total } else { 0 };
    document.tasks = TaskCount { total, at_least: frozen, at_most: frozen }.into();
    Ok(document)
}

/// A frozen cgroup blocks nothing of its own, but others may wait for it.
fn whom_it_hurts(cgroup: &Cgroup, verbose: bool, mut document: Document) -> Document {
    let mut witness = Witness::new(cgroup, verbose);
    document.side_effects = harm::outsiders_hurt(&mut witness, true);
    document.observer = Some(witness.report());
    document
}

/// Watches for a moment, then looks at each task and explains.
async fn watch(cgroup: &Cgroup, args: &Args, verbose: bool, found: Outcome) -> Result<Document, Failure> {
    let mut witness = Witness::of_others(cgroup, verbose);
    // Whoever comes while we watch comes after the request.
    let inside = cgroup.subtree_tasks().ok();
    let wait = if found == Outcome::Thawed {
        WatchedWait::awaiting(&mut witness, inside)
    } else {
        let now = monotonic_ns();
        WatchedWait::new(&mut witness, Span { start_ns: now, end_ns: now }, inside)
    };
    let watch_for = args.watch_for.unwrap_or(MOMENT);
    let Watched { mut session, samples, .. } = wait.watch_for(watch_for).await;
    // It may have got there by itself.
    let mut document = look(cgroup)?;
    if document.outcome == Outcome::Freezing {
        let asked_ns_ago =
            session.requested_by().map(|_| monotonic_ns().saturating_sub(session.requested_at()));
        let explained = explain(&mut witness, asked_ns_ago, samples, None, None, Some(&mut session));
        document.tasks = explained.count().into();
        document.unknown = explained.unknown();
        document.error.clone_from(&explained.verdict.impossible);
        document.blockers = explained.verdict.blockers;
        document.cycles = explained.verdict.cycles;
        if let Some(file) = &args.record {
            watched::save(&explained.facts, None, file)?;
        }
    }
    tell_request(&mut session, &mut witness, &mut document);
    document.side_effects = harm::outsiders_hurt(&mut witness, document.outcome == Outcome::Frozen);
    document.observer = Some(witness.report());
    Ok(document)
}

/// Who asked, and how long each task took, where the request was seen.
fn tell_request(session: &mut Session, witness: &mut Witness, document: &mut Document) {
    if document.outcome == Outcome::Frozen {
        let tasks = witness.look();
        witness.catch_up(session);
        session.look(&tasks);
    }
    let Some(by) = session.requested_by() else { return };
    document.requested_by = Some(by.clone());
    let requested_at = session.requested_at();
    let until = match document.outcome {
        Outcome::Frozen => session.last_frozen_at().unwrap_or(requested_at),
        _ => session.thaw_asked_at().unwrap_or_else(monotonic_ns),
    };
    document.elapsed_ns = until.saturating_sub(requested_at);
    // When the whole of it was frozen nobody confirmed.
    watched::times(session, None, clock(witness.attached(), session, false), document);
}
