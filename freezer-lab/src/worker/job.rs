//! What a worker can do.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::unistd::gettid;
use serde::{Deserialize, Serialize};

use super::ready;
use crate::error::{Error, Result, Tried as _};
use crate::fuse;

/// A job, handed to the worker as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// Sleeps for ever.
    Sleep,
    /// Waits in poll(2) for ever.
    Poll,
    /// Computes in user space for ever.
    Spin,
    /// This many threads, the main one included, all asleep.
    Threads(usize),
    /// Mounts FUSE on a directory and serves it.
    FuseServer(fuse::Server),
    /// stat(2) of a path.
    Stat(PathBuf),
    /// mkdir(2) of a path.
    Mkdir(PathBuf),
}

impl Job {
    pub(super) fn run(self) -> Result<()> {
        match self {
            Self::Sleep => after_ready(sleep_for_ever),
            Self::Poll => after_ready(poll_for_ever),
            Self::Spin => after_ready(spin),
            Self::Threads(count) => threads(count),
            Self::FuseServer(server) => {
                let mount = server.mount()?;
                after_ready(|| mount.serve())
            }
            Self::Stat(path) => after_ready(|| stat(&path)),
            Self::Mkdir(path) => {
                after_ready(|| fs::create_dir(&path).tried("make the directory", path.display()))
            }
        }
    }
}

/// For jobs of one thread that need no preparation.
fn after_ready(job: impl FnOnce() -> Result<()>) -> Result<()> {
    ready(&[gettid().as_raw()])?;
    job()
}

fn sleep_for_ever() -> Result<()> {
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}

fn poll_for_ever() -> Result<()> {
    loop {
        // EINTR is what a freeze may cause: just wait again.
        match nix::poll::poll(&mut [], nix::poll::PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno).tried("poll", "nothing"),
        }
    }
}

fn spin() -> Result<()> {
    loop {
        std::hint::spin_loop();
    }
}

fn stat(path: &Path) -> Result<()> {
    fs::metadata(path).map(drop).tried("stat", path.display())
}

fn threads(count: usize) -> Result<()> {
    let (sender, receiver) = mpsc::channel();
    for _ in 1..count {
        let sender = sender.clone();
        thread::spawn(move || {
            sender.send(gettid().as_raw()).expect("the receiver lives until every thread has sent");
            sleep_for_ever()
        });
    }
    let mut tids = vec![gettid().as_raw()];
    for _ in 1..count {
        tids.push(receiver.recv().map_err(|error| Error::new("start", "a thread", error))?);
    }
    ready(&tids)?;
    sleep_for_ever()
}
