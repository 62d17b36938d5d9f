//! Say what this kernel and these privileges allow, and what is lost without the rest.
//!
//! Nothing is guessed from version numbers: every program is loaded and attached for a moment, watching nothing.

use std::io::Write as _;

use nix::sys::utsname::uname;

use super::exit::{self, Failure};
use super::output;
use crate::cgroupfs::{Mounts, ResolveError};
use crate::host::{Missing, pids, rights::rights};
use crate::model::{Hierarchy, Name};
use crate::report::Screen;
use crate::report::doctor::{Checkup, Freezer};
use crate::report::json;
use crate::source::{Attached, Observer, ObserverOptions, Scope, Stacks, Watch};

/// Say what this kernel and these privileges allow, and what is lost without the rest
///
/// Loads and attaches every program for a moment, watching nothing, and takes it down again.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  freezer-agent doctor
  freezer-agent doctor --json | jq '.freezers[].missing'";

/// No cgroup has this id: inode numbers start at 1 (`fs/kernfs/dir.c`, `kernfs_create_root`).
const NO_CGROUP: u64 = 0;

/// Runs the command; gives its exit code.
pub fn run(args: &Args) -> u8 {
    output::finish(attempt(args), args.json, None, None)
}

fn attempt(args: &Args) -> Result<u8, Failure> {
    let host = uname().map_err(|error| Failure::Runtime(error.into()))?;
    let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
    let mut checkup = Checkup::new(text(host.release()), text(host.machine()));
    checkup.rights = rights();
    checkup.missing.extend(pids::mixed());
    if let Some(why) = pids::foreign_to_the_kernel() {
        let lost = "tasks are looked at in /proc alone, those of this pid namespace and no others";
        checkup.missing.push(missing("bpf", &why, lost));
    }
    let mounts = Mounts::read().map_err(ResolveError::Mountinfo)?;
    for hierarchy in [Hierarchy::V1, Hierarchy::V2] {
        let points: Vec<Name> =
            mounts.of(Some(hierarchy)).map(|mount| Name::from(mount.point.as_path())).collect();
        let freezer = Freezer { hierarchy, mounts: points, programs: None, missing: Vec::new() };
        checkup.freezers.push(output::block_on(async { examine(freezer) })?);
    }
    output::print(|out| {
        if args.json {
            json::write(out, &checkup)
        } else {
            out.write_all(checkup.render(Screen::of_stdout()).as_bytes())
        }
    })?;
    Ok(exit::DONE)
}

/// Tries everything that a session would use.
fn examine(mut freezer: Freezer) -> Freezer {
    if freezer.mounts.is_empty() {
        return freezer;
    }
    let watch = Watch { hierarchy: freezer.hierarchy, cgroup_id: NO_CGROUP };
    let mut observer =
        match Observer::load(&watch, &ObserverOptions { by_others: true, ..ObserverOptions::default() }) {
            Ok(observer) => observer,
            Err(error) => {
                let lost =
                    "no latency per task, no lock owners; in v1 frozen cannot always be told from blocked";
                freezer.missing.push(missing("bpf", &error, lost));
                return freezer;
            }
        };
    let mut programs = observer.attached().to_vec();
    freezer.missing = observer.missing().to_vec();
    match observer.snapshot(Scope::Watched, Stacks::None) {
        Ok(_) => programs.push(Attached { target: "tasks", by: "iter" }),
        Err(error) => {
            freezer.missing.push(missing("task iterator", &error, "tasks are read one by one from /proc"));
        }
    }
    if let Err(error) = observer.open_files().walk() {
        let lost = "before 6.15 it is not certain which FUSE server serves which mount";
        freezer.missing.push(missing("iterator over open files", &error, lost));
    }
    match observer.start_sampling(1) {
        Ok(()) => programs.push(Attached { target: "cpu-clock", by: "perf" }),
        Err(error) => {
            let lost = "what a running task does inside the kernel is not seen";
            freezer.missing.push(missing("timer samples", &error, lost));
        }
    }
    if let Err(error) = observer.symbols() {
        freezer.missing.push(missing(
            "kernel symbols",
            error,
            "what a running task does inside the kernel has no name; stacks of sleepers come from /proc/PID/stack",
        ));
    }
    freezer.programs = Some(programs);
    freezer
}

fn missing(what: &str, why: &impl ToString, lost: &str) -> Missing {
    Missing { what: what.to_owned(), why: why.to_string(), lost: lost.to_owned() }
}
