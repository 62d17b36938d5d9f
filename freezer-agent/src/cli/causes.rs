//! List the causes of a stuck freeze, or print the manual page of one.
//!
//! A page says what happens, how to confirm it by hand, how to release it and at what cost, which kernels have it, and
//! where it is in the kernel's source. Pages are made from the rules themselves, so they are those of this very build.

use std::io::Write as _;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::exit::{self, Failure};
use super::output;
use crate::explain::Cause;
use crate::explain::manual::{self, Page};
use crate::report::causes::{self, Catalogue};
use crate::report::{Screen, json};

/// List the causes of a stuck freeze, or print the manual page of one
///
/// A page says what happens, how to confirm it by hand, how to release it, what that costs, which kernels have it, and
/// where it is in the kernel's source.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// A cause, by the name that `freeze --explain` shows; without it all are listed
    #[arg(value_name = "NAME", value_parser = names(), hide_possible_values = true)]
    name: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  freezer-agent causes
  freezer-agent causes fuse-request
  freezer-agent causes --json | jq -r '.causes[] | .name + \": \" + .summary'";

/// Any other name is wrong usage, and the nearest one is suggested.
fn names() -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(Cause::ALL.map(Cause::name))
}

/// Runs the command; gives its exit code.
pub fn run(args: &Args) -> u8 {
    output::finish(attempt(args), args.json, None, None)
}

fn attempt(args: &Args) -> Result<u8, Failure> {
    let mut pages = manual::pages();
    if let Some(name) = &args.name {
        pages.retain(|page| page.name.name() == name);
    }
    output::print(|out| {
        if args.json {
            json::write(out, &Catalogue::new(&pages))
        } else {
            out.write_all(render(args, &pages, Screen::of_stdout()).as_bytes())
        }
    })?;
    Ok(exit::DONE)
}

fn render(args: &Args, pages: &[Page], screen: Screen) -> String {
    match (&args.name, pages) {
        (Some(_), [page]) => causes::page(page, screen),
        _ => causes::list(pages, screen),
    }
}
