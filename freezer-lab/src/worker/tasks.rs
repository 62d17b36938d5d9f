//! Workers whose threads go, that are moved during a freeze or move others, and that wait for memory.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::{Pid, gettid};
use serde::{Deserialize, Serialize};

use super::asked::{Asked, wait_until_asked};
use super::job::{after_ready, sleep_for_ever};
use super::{ARGUMENT, aio, executable, fork, next_word, ready};
use crate::error::{Error, Result, Tried as _};

/// "Then" is after the lab's word.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// Touches so many bytes of memory.
    FillMemory(usize),
    /// Three threads; then the last one touches so many bytes of memory.
    FillMemoryInThread(usize),
    /// vfork(2) whose child prints its process id and calls stat(2) on a path.
    VforkStat(PathBuf),
    /// Waits until a cgroup is asked to freeze; then sends SIGSTOP to a process.
    StopWhenAsked {
        /// Directory of the cgroup that is asked.
        asked: PathBuf,
        /// The process.
        pid: i32,
    },
    /// Three threads: the main one, one that sleeps or calls stat(2) on a path, one that executes a program, after a
    /// second word, through a path.
    Exec {
        /// What the second thread calls stat(2) on; `None`: it sleeps.
        stat: Option<PathBuf>,
        /// A path that leads to the root directory; the program's path is added to it.
        root: PathBuf,
        /// The main thread executes, and the third sleeps.
        main: bool,
    },
    /// Two threads; then one dies of a signal that dumps core, in this directory.
    DumpCore(PathBuf),
    /// Traces one thread with `PTRACE_O_TRACEEXIT`; then never waits for it.
    TraceExit(i32),
    /// Waits until a cgroup is asked to freeze; then moves a process to it or to another.
    MoveWhenAsked {
        /// Directory of the cgroup that is asked.
        asked: PathBuf,
        /// Directory of the one to move to.
        to: PathBuf,
        /// The process.
        pid: i32,
    },
    /// Waits for a moment of the freeze; then writes text to a file.
    WriteWhen {
        /// The moment.
        asked: Asked,
        /// The file.
        file: PathBuf,
        /// What is written.
        text: String,
    },
    /// Waits in `D` for an fsync of this file that a kernel worker carries out.
    AwaitSync(PathBuf),
}

impl Job {
    pub(super) fn run(self) -> Result<()> {
        match self {
            Self::FillMemory(bytes) => after_ready(|| {
                fill(bytes);
                sleep_for_ever()
            }),
            Self::FillMemoryInThread(bytes) => {
                let (second, _asleep) = thread(|| ())?;
                let (third, sender) = thread(move || fill(bytes))?;
                ready(&[gettid().as_raw(), second, third])?;
                sender.send(()).map_err(|error| Error::new("start", "a thread", error))?;
                sleep_for_ever()
            }
            Self::VforkStat(path) => after_ready(|| fork::vfork_stat(&path)),
            Self::StopWhenAsked { asked, pid } => after_ready(|| {
                wait_until_asked(&asked);
                kill(Pid::from_raw(pid), Signal::SIGSTOP).tried("stop", pid)?;
                sleep_for_ever()
            }),
            Self::Exec { stat, root, main } => exec(stat, &root, main),
            Self::DumpCore(dir) => dump_core(&dir),
            Self::TraceExit(tid) => {
                let tid = Pid::from_raw(tid);
                ptrace::seize(tid, ptrace::Options::PTRACE_O_TRACEEXIT).tried("trace", tid)?;
                after_ready(|| sleep_for_ever())
            }
            Self::MoveWhenAsked { asked, to, pid } => after_ready(|| move_when_asked(&asked, &to, pid)),
            Self::WriteWhen { asked, file, text } => after_ready(|| {
                asked.wait();
                fs::write(&file, text).tried("write", file.display())?;
                sleep_for_ever()
            }),
            Self::AwaitSync(path) => aio::destroy_while_syncing(&path),
        }
    }
}

/// A thread with a job, and its id. It starts its job when the sender gives the word, and sleeps after it.
fn thread(job: impl FnOnce() + Send + 'static) -> Result<(i32, mpsc::Sender<()>)> {
    let (tid_sender, tid) = mpsc::channel();
    let (sender, word) = mpsc::channel::<()>();
    thread::spawn(move || {
        tid_sender.send(gettid().as_raw()).expect("the receiver lives until it has heard");
        if word.recv().is_ok() {
            job();
        }
        sleep_for_ever()
    });
    let tid = tid.recv().map_err(|error| Error::new("start", "a thread", error))?;
    Ok((tid, sender))
}

fn exec(stat: Option<PathBuf>, root: &Path, main: bool) -> Result<()> {
    let program = executable()?;
    let path = root.join(program.strip_prefix("/").unwrap_or(&program));
    let execute = move || {
        let error = Command::new(&path).arg(ARGUMENT).arg("\"Sleep\"").exec();
        eprintln!("freezer-lab worker: cannot execute {}: {error}", path.display());
    };
    let (second, begin_stat) = thread(move || {
        if let Some(path) = stat {
            // It never comes back while the server is silent.
            drop(fs::metadata(path));
        }
    })?;
    let (third, begin_exec) = if main {
        let (tid, _never) = thread(|| ())?;
        (tid, None)
    } else {
        let (tid, sender) = thread(execute.clone())?;
        (tid, Some(sender))
    };
    ready(&[gettid().as_raw(), second, third])?;
    let begin =
        |sender: &mpsc::Sender<()>| sender.send(()).map_err(|error| Error::new("start", "a thread", error));
    begin(&begin_stat)?;
    next_word()?;
    match &begin_exec {
        Some(sender) => begin(sender)?,
        None => execute(),
    }
    sleep_for_ever()
}

fn dump_core(dir: &Path) -> Result<()> {
    nix::sys::resource::setrlimit(
        nix::sys::resource::Resource::RLIMIT_CORE,
        nix::sys::resource::RLIM_INFINITY,
        nix::sys::resource::RLIM_INFINITY,
    )
    .tried("allow", "core dumps")?;
    let (second, _asleep) = thread(|| ())?;
    std::env::set_current_dir(dir).tried("go to", dir.display())?;
    ready(&[gettid().as_raw(), second])?;
    raise(Signal::SIGQUIT).tried("raise", "SIGQUIT")?;
    sleep_for_ever()
}

fn fill(bytes: usize) {
    let memory = vec![1_u8; bytes];
    std::hint::black_box(&memory);
}

fn move_when_asked(asked: &Path, to: &Path, pid: i32) -> Result<()> {
    wait_until_asked(asked);
    let file = to.join("cgroup.procs");
    fs::write(&file, pid.to_string()).tried("move a process to", file.display())?;
    println!("moved");
    sleep_for_ever()
}
