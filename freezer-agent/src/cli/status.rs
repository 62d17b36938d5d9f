//! Show what is frozen, freezing or asked to freeze: one cgroup, or every one that is not thawed.
//!
//! States are worked out over every descendant, in v1's words on both hierarchies. While a cgroup is FREEZING, the
//! number of frozen tasks comes from /proc: exact for most v2 tasks, bounds in v1, where /proc shows the same for a
//! frozen task and a blocked one. Nothing is changed.
//!
//! Whom outside a frozen cgroup hurts is not shown here, as it takes a look at every task of the host and at what each waits
//! for: `freezer-agent explain --cgroup X` does that.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use super::args::{Target, hierarchies};
use super::exit::{self, Failure};
use super::output;
use crate::cgroupfs::{Mounts, ResolveError};
use crate::control::{status_of, status_of_all};
use crate::model::{Hierarchy, Name};
use crate::report::Screen;
use crate::report::status::StatusReport;

/// Show what is frozen or freezing, and whether the cgroup itself or an ancestor asked
///
/// With --cgroup one cgroup, else every cgroup that is not thawed. While FREEZING, the number of frozen tasks comes
/// from /proc, which in v1 often shows the same for a frozen and a blocked task: then bounds are given. The time is
/// the kernel's sum over all freezes of the cgroup, where it keeps one.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// The cgroup: an absolute path, or a path below the root of a freezer hierarchy
    #[arg(long, value_name = "X")]
    cgroup: Option<OsString>,
    /// Only this hierarchy
    #[arg(long, value_name = "v1|v2", value_parser = hierarchies())]
    hierarchy: Option<Hierarchy>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  freezer-agent status
  freezer-agent status --cgroup 0
  freezer-agent status --json | jq -r '.cgroups[].cgroup'";

/// Runs the command; gives its exit code.
pub fn run(args: &Args, _verbose: bool) -> u8 {
    let name = args.cgroup.as_ref().map(|name| Name::from(name.as_bytes()));
    output::finish(attempt(args), args.json, name, args.hierarchy)
}

fn attempt(args: &Args) -> Result<u8, Failure> {
    let report = if let Some(cgroup) = args.cgroup.clone() {
        let target = Target { cgroup, hierarchy: args.hierarchy };
        StatusReport::of_one(&status_of(&target.resolve()?)?)
    } else {
        let mounts = Mounts::read().map_err(ResolveError::Mountinfo)?;
        if mounts.of(args.hierarchy).next().is_none() {
            return Err(ResolveError::NoFreezer { hierarchy: args.hierarchy }.into());
        }
        StatusReport::of_all(&status_of_all(&mounts, args.hierarchy)?)
    };
    output::print(|out| {
        if args.json { report.write_json(out) } else { report.write_text(out, Screen::of_stdout()) }
    })?;
    Ok(exit::DONE)
}
