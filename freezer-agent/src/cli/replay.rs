//! Explain a recorded freeze again, anywhere: without root, without BPF, on another kernel.
//!
//! `freeze --explain --record FILE` and `explain --record FILE` keep the facts that their verdict rests on. The same
//! rules give the same verdict here, which is how a report from somebody else's machine is examined. A record of a freeze
//! also keeps the looks at the tasks that were slow, and of one that succeeded whom outside it hurt.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use super::exit::{self, Failure};
use super::output::{self, Shape};
use super::watched;
use crate::control::TaskCount;
use crate::explain::harm::harms;
use crate::explain::{Facts, judge, record};
use crate::model::TaskState;
use crate::report::{Document, Outcome};
use crate::session::Explained;

/// Explain a recorded freeze again, without root and on any machine
///
/// Judges the facts that `freeze --explain --record FILE` or `explain --record FILE` kept.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// What --record wrote
    file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Print who waits for whom as a Graphviz graph: `| dot -Tsvg`
    #[arg(long, conflicts_with = "json")]
    dot: bool,
}

const EXAMPLES: &str = "\
Examples:
  freezer-agent freeze --cgroup 0 --explain --record stuck.json
  freezer-agent replay stuck.json";

/// Runs the command; gives its exit code.
pub fn run(args: &Args) -> u8 {
    output::finish(attempt(args), args.json, None, None)
}

fn attempt(args: &Args) -> Result<u8, Failure> {
    let failed = |error| Failure::Record { path: args.file.clone(), error };
    let file = File::open(&args.file).map_err(|error| failed(error.into()))?;
    let (facts, course) = record::load(BufReader::new(file)).map_err(failed)?;
    let frozen = course.as_ref().is_some_and(|course| course.frozen);
    let outcome = if frozen { Outcome::Frozen } else { Outcome::Freezing };
    let mut document = Document::new(facts.cgroup.clone(), Some(facts.hierarchy), outcome);
    document.elapsed_ns = facts.asked_ns_ago.unwrap_or(0);
    if frozen {
        let dead = |state| matches!(state, TaskState::Zombie | TaskState::Dead);
        let total = facts.tasks.iter().filter(|facts| !dead(facts.task.state)).count();
        document.tasks = TaskCount { total, at_least: total, at_most: total }.into();
        document.side_effects = harms(&facts);
    } else {
        tell_blockers(facts, &mut document);
    }
    if let Some(course) = course {
        document.elapsed_ns = course.elapsed_ns;
        watched::tell_slow(&course, &mut document);
    }
    output::document(&document, Shape::asked(args.json, args.dot))?;
    Ok(exit::DONE)
}

fn tell_blockers(facts: Facts, document: &mut Document) {
    let verdict = judge(&facts);
    let explained = Explained { facts, verdict };
    document.tasks = explained.count().into();
    document.unknown = explained.unknown();
    document.error.clone_from(&explained.verdict.impossible);
    document.blockers = explained.verdict.blockers;
    document.cycles = explained.verdict.cycles;
}
