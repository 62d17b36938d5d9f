//! Workers that a freeze hurts, and workers that hurt others by being frozen.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use nix::sys::ptrace;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::job::{after_ready, sleep_for_ever};
use super::userfault;
use crate::error::{Result, Tried as _};

/// Memory to dump: most of a second of writing.
const TO_DUMP: usize = 400 << 20;

/// What it does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// Takes a copy of another process's descriptor, which shares the open file; then writes to it.
    WriteThrough {
        /// The process.
        pid: i32,
        /// Its descriptor.
        fd: i32,
    },
    /// Becomes the tracer of a process, which runs on; then waits for it to stop.
    TraceAndWait(i32),
    /// Then attaches to a process, and waits for it to stop.
    Attach(i32),
    /// Fills memory; then dumps core in this directory.
    DumpCore(PathBuf),
}

impl Job {
    pub(super) fn run(self) -> Result<()> {
        match self {
            Self::WriteThrough { pid, fd } => {
                let mut file = File::from(userfault::copy_of(pid, fd)?);
                after_ready(|| file.write_all(b"x").tried("write", "a shared file"))
            }
            Self::TraceAndWait(pid) => {
                ptrace::seize(Pid::from_raw(pid), ptrace::Options::empty()).tried("trace", pid)?;
                after_ready(|| stop_of(pid))
            }
            Self::Attach(pid) => after_ready(|| {
                ptrace::attach(Pid::from_raw(pid)).tried("attach to", pid)?;
                stop_of(pid)
            }),
            Self::DumpCore(dir) => {
                nix::unistd::chdir(&dir).tried("go to", dir.display())?;
                let all = libc::RLIM_INFINITY;
                setrlimit(Resource::RLIMIT_CORE, all, all).tried("allow", "a core dump")?;
                let memory = vec![1_u8; TO_DUMP];
                after_ready(|| {
                    std::hint::black_box(&memory);
                    std::process::abort()
                })
            }
        }
    }
}

fn stop_of(pid: i32) -> Result<()> {
    waitpid(Pid::from_raw(pid), Some(WaitPidFlag::__WALL)).tried("wait for the stop of", pid)?;
    sleep_for_ever()
}
