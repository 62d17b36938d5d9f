//! The agent under measurement, and the figures it prints of itself with its hidden `--timings`.

use std::io::Read;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use serde::Deserialize;

use crate::measure::{median, whole_process};

/// Exit status of a freeze that was not done in time.
const NOT_IN_TIME: i32 = 3;

/// The program.
pub struct Agent {
    program: PathBuf,
}

/// One line of JSON on stderr; times in nanoseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Timings {
    /// `CLOCK_MONOTONIC`
    #[serde(rename = "requested_at_ns")]
    requested_at: Option<f64>,
    #[serde(rename = "last_frozen_to_known_ns")]
    last_frozen_to_known: Option<f64>,
    #[serde(rename = "sched_switch_outside_ns")]
    sched_switch_outside: Option<f64>,
    #[serde(rename = "snapshot_ns")]
    snapshot: Option<f64>,
}

/// One freeze with `--explain`.
pub struct Explained {
    started_at: f64,
    printed_at: Option<f64>,
    limit: Option<f64>,
    timings: Timings,
    peak_bytes: f64,
}

/// What can be asked of it.
#[derive(Clone, Copy, Debug)]
pub enum Figure {
    /// From the start of its process to the request.
    StartToWrite,
    /// From the time limit until the whole verdict is printed.
    LimitToPrinted,
    /// From the last task frozen, by the kernel's clock, until it knows.
    FrozenToKnown,
    /// Mean run time of the `sched_switch` program for tasks outside.
    SwitchOutside,
    /// One walk over all tasks of the host, with stacks.
    Snapshot,
    /// Peak resident memory.
    PeakMemory,
}

impl Agent {
    /// The program at a path.
    pub fn new(program: PathBuf) -> Self {
        Self { program }
    }

    /// `freeze` as a whole process.
    pub fn freeze(&self, cgroup: &Path) -> anyhow::Result<f64> {
        whole_process(self.command(cgroup).stderr(Stdio::null()))
    }

    /// `freeze --explain --timings`.
    pub fn explain(&self, cgroup: &Path) -> anyhow::Result<Explained> {
        self.run_explained(cgroup, None)
    }

    /// The same on a cgroup that does not freeze within `limit`.
    pub fn explain_stuck(&self, cgroup: &Path, limit: Duration, form: &[&str]) -> anyhow::Result<Explained> {
        self.run_explained(cgroup, Some((limit, form)))
    }

    fn run_explained(&self, cgroup: &Path, stuck: Option<(Duration, &[&str])>) -> anyhow::Result<Explained> {
        let mut command = self.command(cgroup);
        command.args(["--explain", "--timings"]);
        if let Some((limit, form)) = stuck {
            command.args(["--timeout", &format!("{}ms", limit.as_millis())]).args(form);
        }
        let started_at = monotonic_ns()?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start {}", self.program.display()))?;
        // To the end of its words; then its complaints, which are few.
        let printed_at = child.stdout.take().map(last_byte).transpose()?.flatten();
        let mut said = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            stderr.read_to_string(&mut said).context("could not read the agent's words")?;
        }
        let (status, peak_bytes) = wait_with_memory(&child)?;
        let first = said.lines().next().unwrap_or("");
        let expected = if stuck.is_some() { NOT_IN_TIME } else { 0 };
        ensure!(status.code() == Some(expected), "the agent ended with {status}: {first}");
        let timings = said.lines().rev().find_map(|line| serde_json::from_str(line).ok());
        let timings = timings.context("the agent printed no timings")?;
        let limit = stuck.map(|(limit, _)| limit.as_secs_f64() * 1e9);
        Ok(Explained { started_at, printed_at, limit, timings, peak_bytes })
    }

    fn command(&self, cgroup: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["freeze", "--cgroup"]).arg(cgroup);
        command
    }
}

/// The median of a figure over runs; an error when any run has none.
pub fn median_of(runs: &[anyhow::Result<Explained>], figure: Figure) -> anyhow::Result<f64> {
    let mut values = Vec::new();
    for run in runs {
        let run = run.as_ref().map_err(|error| anyhow!("{error:#}"))?;
        values.push(run.get(figure).with_context(|| format!("the agent's timings lack {figure:?}"))?);
    }
    Ok(median(&mut values))
}

impl Explained {
    fn get(&self, figure: Figure) -> Option<f64> {
        match figure {
            Figure::StartToWrite => self.timings.requested_at.map(|at| at - self.started_at),
            Figure::LimitToPrinted => Some(self.printed_at? - self.timings.requested_at? - self.limit?),
            Figure::FrozenToKnown => self.timings.last_frozen_to_known,
            Figure::SwitchOutside => self.timings.sched_switch_outside,
            Figure::Snapshot => self.timings.snapshot,
            Figure::PeakMemory => Some(self.peak_bytes),
        }
    }
}

/// Reads to the end; when the last of it came.
fn last_byte(mut pipe: impl Read) -> anyhow::Result<Option<f64>> {
    let mut last = None;
    let mut piece = vec![0; 1 << 16];
    while pipe.read(&mut piece).context("could not read the agent's words")? > 0 {
        last = Some(monotonic_ns()?);
    }
    Ok(last)
}

/// The clock of the agent's own stamps.
fn monotonic_ns() -> anyhow::Result<f64> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)?;
    Ok(std::time::Duration::from(now).as_secs_f64() * 1e9)
}

/// Waits for the child's end; its status and its peak memory in bytes (`ru_maxrss` is in KiB, getrusage(2)).
fn wait_with_memory(child: &Child) -> anyhow::Result<(ExitStatus, f64)> {
    let pid = child.id().cast_signed();
    let mut status = 0;
    // SAFETY: rusage holds integers only, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of ours. The child is ours and nobody else waits for it: `Child` does
    // so only when asked.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    ensure!(waited == pid, "could not wait for the agent: {}", std::io::Error::last_os_error());
    let kib = u32::try_from(usage.ru_maxrss).context("the kernel gave no size of memory")?;
    Ok((ExitStatus::from_raw(status), f64::from(kib) * 1024.0))
}
