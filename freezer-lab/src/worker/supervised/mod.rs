//! Workers that need another process's answer, and the processes that owe it.

mod automount;
mod fanotify;
mod keys;
mod seccomp;

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::job::after_ready;
use crate::error::{Error, Result, Tried as _};

pub use fanotify::{Listener, Mark, Place};

/// One who asks, or one who owes the answer. "Then" is after [`crate::Worker::go`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// Puts a seccomp filter on itself that hands mkdirat(2) to a supervisor, through a descriptor of its own that
    /// others may copy; then closes that and calls mkdirat(2), again and again.
    Mkdir {
        /// The path it asks for; nothing is ever made there.
        path: PathBuf,
        /// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`
        killable: bool,
    },
    /// Copies another process's seccomp descriptor; then takes what it is asked, printing a line for each, and keeps
    /// silent, or answers "no such file" after so many milliseconds.
    SeccompSupervisor {
        /// The process.
        pid: i32,
        /// Its descriptor.
        fd: i32,
        /// How long it takes to answer, where it does.
        answer_after_ms: Option<u64>,
    },
    /// Marks files; then takes the questions, printing a line for each, and keeps silent or answers late.
    FanotifyListener(Listener),
    /// Then opens a file, again and again.
    Open(PathBuf),
    /// Then becomes a program.
    Exec(PathBuf),
    /// Mounts autofs on a directory and leads the process group that answers for it; then takes the questions,
    /// printing a line for each, and keeps silent.
    AutomountDaemon {
        /// Mount point.
        dir: PathBuf,
        /// The mount point itself is what gets mounted (a "direct" map), not what lies below.
        direct: bool,
    },
    /// Then asks the kernel for a `user` key of this description, which a helper is to make.
    RequestKey(String),
}

impl Job {
    pub(super) fn run(self) -> Result<()> {
        match self {
            Self::Mkdir { path, killable } => seccomp::mkdir(&path, killable),
            Self::SeccompSupervisor { pid, fd, answer_after_ms } => {
                seccomp::supervise(pid, fd, answer_after_ms)
            }
            Self::FanotifyListener(listener) => fanotify::listen(&listener),
            Self::Open(path) => after_ready(|| {
                loop {
                    File::open(&path).tried("open", path.display())?;
                }
            }),
            Self::Exec(path) => after_ready(|| Err(Command::new(&path).exec()).tried("run", path.display())),
            Self::AutomountDaemon { dir, direct } => automount::serve(&dir, direct),
            Self::RequestKey(description) => keys::request(&description),
        }
    }
}

/// Tells the lab that a question has come in.
fn asked() {
    println!("asked");
}

/// Whether to answer, after having taken the time for it.
fn takes_time(answer_after_ms: Option<u64>) -> bool {
    answer_after_ms.map(|ms| thread::sleep(Duration::from_millis(ms))).is_some()
}

/// A path as the kernel takes it.
fn c_path(path: &std::path::Path) -> Result<std::ffi::CString> {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::CString::new(path.as_os_str().as_bytes())
        .map_err(|error| Error::new("use the path", path.display(), error))
}
