//! Look ahead: would the cgroup freeze if it were frozen now, and whom would that hurt? Nothing is changed.
//!
//! One line for each finding, graded: `no-go` (a freeze would block, or be refused), `warn` (it would hurt somebody or be
//! slow), `note`. The exit code is that of the freeze as far as it can be foreseen: 0 go, warnings or not; 7 it would be
//! refused; 4 it could never complete as it is (a kernel thread in v2, a task frozen in v1 before); 3 it would probably
//! not complete, for a task waits where no freezer reaches it.
//!
//! What is seen is seen now: a wait that begins a moment later is not.

use std::io::Write as _;

use super::args::Target;
use super::exit::{self, Failure};
use super::output;
use crate::preflight::{Obstacle, examine, obstacle};
use crate::report::check::CheckReport;
use crate::report::{Screen, json};
use crate::session::look_ahead;

/// Say whether a cgroup would freeze now, and whom that would hurt; changes nothing
///
/// Finds tasks that are stuck already, kernel threads, FUSE servers and other supervisors inside with those who depend
/// on them, tracers and traced, freezes asked for already, core dumps and execs under way, CPU quotas, and the shell this
/// command runs in. Each finding is graded: no-go (would block or be refused), warn (would hurt or be slow), note.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  freezer-agent check --cgroup 0
  freezer-agent check --cgroup 0 && freezer-agent freeze --cgroup 0
  freezer-agent check --cgroup 0 --json | jq -r '.findings[] | .grade + \" \" + .summary'

Exit codes of check:
  0  go, perhaps with warnings
  3  no-go: it would probably not freeze within any limit
  4  no-go: it can never be frozen as it is
  7  no-go: freeze would refuse it";

/// Runs the command; gives its exit code.
pub fn run(args: &Args, verbose: bool) -> u8 {
    let result = attempt(args, verbose);
    output::finish(result, args.json, Some(args.target.name()), args.target.hierarchy)
}

fn attempt(args: &Args, verbose: bool) -> Result<u8, Failure> {
    let cgroup = args.target.resolve()?;
    // The kernel side's ring is waited for through the event loop, so that it must be there.
    let (sight, observer) = output::block_on(async { look_ahead(&cgroup, verbose) })??;
    let findings = examine(&sight);
    let code = match obstacle(&findings) {
        None => exit::DONE,
        Some(Obstacle::Refused) => exit::REFUSED,
        Some(Obstacle::Impossible) => exit::IMPOSSIBLE,
        Some(Obstacle::Stuck) => exit::TIMED_OUT,
    };
    let report = CheckReport::new(&sight, findings, observer);
    output::print(|out| {
        if args.json {
            json::write(out, &report)
        } else {
            out.write_all(report.render(Screen::of_stdout()).as_bytes())
        }
    })?;
    Ok(code)
}
