//! The program under examination, run as a user runs it.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use crate::cgroup::Cgroup;
use crate::error::{Error, Result, Tried as _};
use crate::trial::is_emulated;
use crate::wait;

/// How long any command of the agent may take beyond its own limit.
const DEADLINE: Duration = Duration::from_secs(30);
/// The same where everything takes its time.
const DEADLINE_EMULATED: Duration = Duration::from_secs(120);

/// A run of the agent.
pub struct Run {
    child: Child,
    stdout: JoinHandle<Heard>,
    stderr: JoinHandle<Heard>,
}

/// What came out of a pipe.
#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    /// When the last of it came.
    last_ns: Option<u64>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Ended {
    /// Exit status.
    pub status: ExitStatus,
    /// What it printed, invalid UTF-8 replaced.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
    /// When the last of stdout came, `CLOCK_MONOTONIC`, ns; `None` where it printed nothing.
    pub printed_ns: Option<u64>,
}

/// Path of the agent: `FREEZER_AGENT`, or `freezer-agent` in the folder of this program or the one above.
pub fn path() -> Result<PathBuf> {
    if let Some(path) = env::var_os("FREEZER_AGENT") {
        return Ok(path.into());
    }
    let own = env::current_exe().tried("find", "this program")?;
    let found =
        own.ancestors().skip(1).take(2).map(|dir| dir.join("freezer-agent")).find(|path| path.is_file());
    found.ok_or_else(|| Error::new("find", "freezer-agent", "build it first: cargo build -p freezer-agent"))
}

/// Starts `freezer-agent COMMAND --cgroup PATH ...` for a cgroup.
pub fn start<S: AsRef<OsStr>>(command: &str, cgroup: &Cgroup, arguments: &[S]) -> Result<Run> {
    let mut whole = Command::new(path()?);
    whole.arg(command).arg("--cgroup").arg(cgroup.path()).args(arguments);
    spawn(whole)
}

/// Runs it to its end.
pub fn run<S: AsRef<OsStr>>(command: &str, cgroup: &Cgroup, arguments: &[S]) -> Result<Ended> {
    start(command, cgroup, arguments)?.end()
}

/// Starts a command line with its output collected: nothing it prints can block it.
pub fn spawn(mut command: Command) -> Result<Run> {
    let name = format!("{}", command.get_program().display());
    let mut child = command
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .tried("start", &name)?;
    let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
    Ok(Run { child, stdout, stderr })
}

impl Run {
    /// Process id.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Waits for it to end. One that does not is killed, and that is an error: the agent must never hang.
    pub fn end(self) -> Result<Ended> {
        let deadline = if is_emulated() { DEADLINE_EMULATED } else { DEADLINE };
        let hangs = || Error::new("see", "the agent end", format!("it runs for more than {deadline:?}"));
        self.end_within(deadline)?.ok_or_else(hangs)
    }

    /// Waits for it to end; one that does not within `limit` is killed, and `None`.
    pub fn end_within(mut self, limit: Duration) -> Result<Option<Ended>> {
        let mut status = None;
        let ended = wait::until(limit, || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        });
        if !ended {
            self.kill()?;
            return Ok(None);
        }
        let status = status.ok_or_else(|| Error::new("reap", "the agent", "it has no status"))?;
        let [stdout, stderr] = [self.stdout, self.stderr].map(|thread| thread.join().unwrap_or_default());
        let text = |heard: &Heard| String::from_utf8_lossy(&heard.bytes).into_owned();
        let (out, err) = (text(&stdout), text(&stderr));
        Ok(Some(Ended { status, stdout: out, stderr: err, printed_ns: stdout.last_ns }))
    }

    /// `SIGKILL`, and reaped: nothing it has set up for its own end can run.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().tried("kill", "the agent")?;
        self.child.wait().map(drop).tried("reap", "the agent")
    }
}

impl Ended {
    /// Exit code; -1 for one that a signal ended.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Its one JSON object.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).map_err(|error| Error::new("read as JSON", &self.stdout, error))
    }
}

fn collect(pipe: Option<impl std::io::Read + Send + 'static>) -> JoinHandle<Heard> {
    thread::spawn(move || {
        let mut heard = Heard::default();
        let Some(mut pipe) = pipe else { return heard };
        let mut piece = vec![0; 1 << 16];
        loop {
            match pipe.read(&mut piece) {
                Ok(0) => return heard,
                Ok(length) => {
                    heard.bytes.extend_from_slice(&piece[..length]);
                    heard.last_ns = monotonic_ns();
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    heard.bytes.extend(format!("\nthe rest cannot be read: {error}\n").into_bytes());
                    return heard;
                }
            }
        }
    })
}

/// The clock of the agent's own stamps.
fn monotonic_ns() -> Option<u64> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).ok()?;
    u64::try_from(Duration::from(now).as_nanos()).ok()
}
