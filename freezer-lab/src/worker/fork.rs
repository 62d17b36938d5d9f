//! Workers with children.

use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use super::job::sleep_for_ever;
use crate::error::{Result, Tried as _};

/// A parent that waits in `wait_for_vfork_done` (kernel/fork.c) for a child that never lets it go.
pub(super) fn vfork() -> Result<()> {
    vfork_then(orphan_safe)
}

/// The same for a child that says its process id and gets stuck.
pub(super) fn vfork_stat(path: &Path) -> Result<()> {
    vfork_then(|| {
        die_with_parent()?;
        println!("{}", nix::unistd::getpid());
        // It never comes back while the server is silent.
        drop(std::fs::metadata(path));
        sleep_for_ever()
    })
}

fn vfork_then(child: impl FnOnce() -> Result<()>) -> Result<()> {
    let flags = libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: without CLONE_VM the child has memory and a stack of its own, as after fork; this worker has one thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    nix::errno::Errno::result(pid).tried("call", "clone(CLONE_VFORK)")?;
    if pid == 0 { child() } else { sleep_for_ever() }
}

/// Keeps `alive` short-lived children around until it is killed.
pub(super) fn storm(alive: usize) -> Result<()> {
    let mut now = 0;
    loop {
        if now < alive {
            // SAFETY: this worker has one thread.
            match unsafe { fork() }.tried("fork", "a child")? {
                ForkResult::Child => {
                    thread::sleep(Duration::from_millis(5));
                    std::process::exit(0);
                }
                ForkResult::Parent { .. } => now += 1,
            }
        }
        let flags = if now < alive { WaitPidFlag::WNOHANG } else { WaitPidFlag::empty() };
        if waitpid(Pid::from_raw(-1), Some(flags)).tried("reap", "a child")? != WaitStatus::StillAlive {
            now -= 1;
        }
    }
}

/// Children that sleep for ever.
pub(super) fn family(children: usize) -> Result<()> {
    for _ in 0..children {
        // SAFETY: this worker has one thread.
        if let ForkResult::Child = unsafe { fork() }.tried("fork", "a child")? {
            return orphan_safe();
        }
    }
    sleep_for_ever()
}

/// Sleeps, and does not outlive its parent.
fn orphan_safe() -> Result<()> {
    die_with_parent()?;
    sleep_for_ever()
}

/// A child does not inherit the parent's death signal: asks for its own.
fn die_with_parent() -> Result<()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)
        .tried("ask for", "a signal when the parent dies")
}
