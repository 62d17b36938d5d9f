//! What a user would do without the agent.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use freezer_lab::{Cgroup, Hierarchy, State};

use crate::measure::{nanoseconds, whole_process};

/// Writes the request and reads until it is confirmed: builtins only, no process but the shell's own.
const SHELL_V1: &str = r#"echo FROZEN > "$1/freezer.state"
until read -r state < "$1/freezer.state" && [ "$state" = FROZEN ]; do :; done"#;
const SHELL_V2: &str = r#"echo 1 > "$1/cgroup.freeze"
until { read -r _ _; read -r _ frozen; } < "$1/cgroup.events" && [ "$frozen" = 1 ]; do :; done"#;

/// The shell's loop, once.
pub fn shell_freeze(cgroup: &Cgroup) -> anyhow::Result<f64> {
    let script = match cgroup.hierarchy() {
        Hierarchy::V1 => SHELL_V1,
        Hierarchy::V2 => SHELL_V2,
    };
    whole_process(Command::new("sh").args(["-c", script, "sh"]).arg(cgroup.path()))
}

/// Thaws and waits until the tasks are back where they slept, so that the next freeze finds them as the last one did.
pub fn thaw(cgroup: &Cgroup) -> anyhow::Result<()> {
    ensure!(cgroup.state()? == State::Frozen, "{} was not frozen", cgroup.path().display());
    cgroup.thaw()?;
    cgroup.wait_state(State::Thawed, Duration::from_secs(5))?;
    settle();
    Ok(())
}

/// Time for thawed tasks to fall asleep again; a thousand of them on two cores need a few milliseconds.
pub fn settle() {
    thread::sleep(Duration::from_millis(15));
}

/// Reads what a snapshot holds from the files that cannot hang: state and flags, cgroups, tracer and context switches,
/// time of the last run, and stack of each task.
pub fn proc_snapshot() -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut bytes = 0;
    for process in fs::read_dir("/proc").context("could not list /proc")?.flatten() {
        if !process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        // A process may end while it is looked at.
        for task in fs::read_dir(process.path().join("task")).into_iter().flatten().flatten() {
            for file in ["stat", "cgroup", "status", "sched", "stack"] {
                bytes += fs::read(task.path().join(file)).map_or(0, |text| text.len());
            }
        }
    }
    ensure!(bytes > 0, "/proc shows no task");
    Ok(nanoseconds(begun))
}
