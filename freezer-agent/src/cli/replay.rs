//! Explain a recorded freeze again, anywhere: without root, without BPF, on another kernel.
//!
//! `freeze --explain --record FILE` and `explain --record FILE` keep the facts that their verdict rests on. The same
//! rules give the same verdict here, which is how a report from somebody else's machine is examined.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use super::exit::{self, Failure};
use super::output::{self, Shape};
use crate::explain::{judge, record};
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
    let facts = record::load(BufReader::new(file)).map_err(failed)?;
    let verdict = judge(&facts);
    let explained = Explained { facts, verdict };
    let facts = &explained.facts;
    let mut document = Document::new(facts.cgroup.clone(), Some(facts.hierarchy), Outcome::Freezing);
    document.elapsed_ns = facts.asked_ns_ago.unwrap_or(0);
    document.tasks = explained.count().into();
    document.unknown = explained.unknown();
    document.error.clone_from(&explained.verdict.impossible);
    document.blockers.clone_from(&explained.verdict.blockers);
    document.cycles.clone_from(&explained.verdict.cycles);
    output::document(&document, Shape::asked(args.json, args.dot))?;
    Ok(exit::DONE)
}
