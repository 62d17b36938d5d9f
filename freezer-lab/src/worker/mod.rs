//! Helper processes: this program started again with a job, so that no code runs between fork and exec.
//!
//! A worker prepares its job, prints one line of JSON with its thread ids, waits for a line on its stdin, and only
//! then does the thing that may get stuck. It dies with the thread that started it (`PR_SET_PDEATHSIG`).

mod aio;
pub mod asked;
pub mod chain;
mod cpu;
mod fork;
pub mod hurt;
mod job;
mod memory;
pub mod odd;
pub mod slow;
mod sockets;
pub mod storage;
pub mod supervised;
pub mod tasks;
mod userfault;

use std::env;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::Signal;

pub use asked::Asked;
pub(crate) use asked::is_asked;
pub(crate) use cpu::KeptOff;
pub use job::{Job, Share};
pub(crate) use job::{after_ready, stat};

use crate::cgroup::Cgroup;
use crate::error::{Error, Result, Tried as _};
use crate::{proc, wait, watchdog};

/// First argument that makes the program a worker; the second is its job as JSON.
const ARGUMENT: &str = "lab-worker";

/// How long a worker may take to prepare: some fill gigabytes of memory first.
const READY_LIMIT: Duration = Duration::from_secs(60);

static SELF_IS_WORKER: AtomicBool = AtomicBool::new(false);

/// Becomes a worker or the watchdog, and never returns, where the arguments say so. To be called first thing in
/// `main`: it also marks this very program as the one to start workers from.
pub fn run_as_worker_if_asked() {
    SELF_IS_WORKER.store(true, Ordering::Relaxed);
    let mut arguments = env::args().skip(1);
    let result = match arguments.next().as_deref() {
        Some(ARGUMENT) => run(&arguments.next().unwrap_or_default()),
        Some(watchdog::ARGUMENT) => watchdog::main(),
        _ => return,
    };
    if let Err(error) = &result {
        eprintln!("freezer-lab worker: {error}");
    }
    std::process::exit(i32::from(result.is_err()));
}

/// The program workers are started from: this one where it can be a worker, else `freezer-lab` beside it (test
/// binaries lie one directory deeper).
pub fn executable() -> Result<PathBuf> {
    let own = env::current_exe().tried("find", "this program")?;
    if SELF_IS_WORKER.load(Ordering::Relaxed) {
        return Ok(own);
    }
    let found =
        own.ancestors().skip(1).take(2).map(|dir| dir.join("freezer-lab")).find(|path| path.is_file());
    found.ok_or_else(|| Error::new("find", "the freezer-lab binary", format!("not near {}", own.display())))
}

fn run(job: &str) -> Result<()> {
    let parent = nix::unistd::getppid();
    prctl::set_pdeathsig(Signal::SIGKILL).tried("ask for", "a signal when the parent dies")?;
    if nix::unistd::getppid() != parent {
        return Ok(()); // it died before we asked
    }
    let job: Job = serde_json::from_str(job).map_err(|error| Error::new("read", "the job", error))?;
    job.run()
}

/// A worker's side of the start: says that it is prepared, and waits for the word to go on.
pub(crate) fn ready(tids: &[i32]) -> Result<()> {
    let line = serde_json::to_string(tids).map_err(|error| Error::new("write", "thread ids", error))?;
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).tried("tell", "the lab")?;
    next_word()
}

/// Waits for the lab's next line; the worker ends with the lab.
pub(crate) fn next_word() -> Result<()> {
    match io::stdin().read_line(&mut String::new()).tried("wait for", "the lab")? {
        0 => std::process::exit(0),
        _ => Ok(()),
    }
}

/// A helper process. The scene that started it kills and reaps it.
#[derive(Debug)]
pub struct Worker {
    pub(crate) child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    tids: Vec<i32>,
}

impl Worker {
    /// Starts it and waits until it is prepared.
    pub(crate) fn start(job: &Job) -> Result<Self> {
        let exe = executable()?;
        let text = serde_json::to_string(job).map_err(|error| Error::new("write", "the job", error))?;
        let mut child = Command::new(&exe)
            .arg(ARGUMENT)
            .arg(&text)
            // Out of reach of a terminal's Ctrl-C: it is the lab that takes workers down, in its order.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .tried("start", exe.display())?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let stdout = stdout.ok_or_else(|| Error::new("start", &text, "it has no stdout"))?;
        let mut worker = Self { child, stdin, stdout: BufReader::new(stdout), tids: Vec::new() };
        match worker.prepare(&text) {
            Ok(()) => Ok(worker),
            Err(error) => {
                // Nobody else knows of it yet.
                worker.child.kill().tried("kill", &text)?;
                worker.child.wait().tried("reap", &text)?;
                Err(error)
            }
        }
    }

    fn prepare(&mut self, job: &str) -> Result<()> {
        let line = self.line(READY_LIMIT)?;
        self.tids = serde_json::from_str(&line).map_err(|error| Error::new("start", job, error))?;
        Ok(())
    }

    /// Process id.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Thread ids, the main thread's first, then in the order the job made them.
    pub fn tids(&self) -> &[i32] {
        &self.tids
    }

    /// Moves it into a cgroup.
    pub fn put_in(&self, cgroup: &Cgroup) -> Result<()> {
        cgroup.add(self.pid())
    }

    /// Lets it do its job.
    pub fn go(&mut self) -> Result<()> {
        match &mut self.stdin {
            Some(stdin) => stdin.write_all(b"go\n").tried("start the job of", self.child.id()),
            None => Ok(()),
        }
    }

    /// Waits for a task of it to show a state letter while `function` is on its kernel stack (`""`: any).
    pub fn wait_stuck(&self, tid: i32, letter: char, function: &str, limit: Duration) -> Result<()> {
        let stuck = || {
            let on_stack = function.is_empty() || proc::stack(tid).iter().any(|name| name.contains(function));
            on_stack && proc::state(tid) == Some(letter)
        };
        if wait::until(limit, stuck) {
            return Ok(());
        }
        let seen = format!("it is {:?} in {:?} after {limit:?}", proc::state(tid), proc::stack(tid));
        Err(Error::new("see", format!("task {tid} in state {letter} in {function}"), seen))
    }

    /// The next line it prints, within a limit.
    pub fn line(&mut self, limit: Duration) -> Result<String> {
        let pid = self.child.id();
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        let buffered = !self.stdout.buffer().is_empty();
        let mut fds = [PollFd::new(self.stdout.get_ref().as_fd(), PollFlags::POLLIN)];
        if !buffered && poll(&mut fds, timeout).tried("wait for", format!("worker {pid}"))? == 0 {
            return Err(Error::new("hear from", format!("worker {pid}"), format!("silent for {limit:?}")));
        }
        let mut line = String::new();
        match self.stdout.read_line(&mut line).tried("hear from", format!("worker {pid}"))? {
            0 => Err(Error::new("hear from", format!("worker {pid}"), "it has gone")),
            _ => Ok(line),
        }
    }
}
