//! Take a cgroup's freeze request back and confirm that it is thawed.
//!
//! Only the cgroup's own request is taken back. Where an ancestor asks for a freeze too, the cgroup stays frozen:
//! the command says which ancestor, and exits with 4. Cgroups below that asked for a freeze of their own stay frozen
//! and are listed.

use std::time::Duration;

use super::args::Target;
use super::exit::{self, Failure};
use super::{duration, output};
use crate::control::{self, Refusal};
use crate::model::Name;
use crate::report::Screen;
use crate::report::thaw::ThawReport;

/// Take a cgroup's freeze request back
///
/// Says so when an ancestor keeps it frozen (exit code 4), and lists cgroups below that asked for a freeze of their
/// own: those stay frozen.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// How long to wait for the kernel's confirmation: 500ms, 2s, 1m; a plain number means seconds
    #[arg(long, value_name = "D", default_value = "10s", value_parser = duration::parse)]
    timeout: Duration,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  freezer-agent thaw --cgroup 0
  freezer-agent thaw --cgroup /sys/fs/cgroup/unified/app.slice --json";

/// Runs the command; gives its exit code.
pub fn run(args: &Args, verbose: bool) -> u8 {
    let result = attempt(args, verbose);
    output::finish(result, args.json, Some(args.target.name()), args.target.hierarchy)
}

fn attempt(args: &Args, verbose: bool) -> Result<u8, Failure> {
    let cgroup = args.target.resolve()?;
    if cgroup.is_root() {
        let refusal = Refusal::Root { dir: cgroup.dir, hierarchy: cgroup.hierarchy };
        return Err(control::ControlError::from(refusal).into());
    }
    let thaw = output::block_on(control::thaw(&cgroup, args.timeout))??;
    if verbose {
        eprintln!("freezer-agent: {thaw:?}");
    }
    let report = ThawReport::new(Name::from(cgroup.dir.as_path()), cgroup.hierarchy, &thaw);
    output::print(|out| {
        if args.json { report.write_json(out) } else { report.write_text(out, Screen::of_stdout()) }
    })?;
    Ok(exit::of_thaw(report.outcome()))
}
