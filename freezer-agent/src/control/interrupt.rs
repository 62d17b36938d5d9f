//! SIGINT, SIGTERM and SIGHUP as values, so that a freeze can be rolled back before the agent ends.
//!
//! The signals are blocked and read from a descriptor: that costs two system calls, can be asked at any moment, and
//! leaves no gap in which a signal could kill the agent with the request still standing. A signal that was ignored
//! when the agent started (`nohup`) stays ignored.

use std::io;
use std::os::fd::AsFd as _;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::ControlError;

/// Signals held back while this lives; when dropped they act again as they did before.
///
/// A program started meanwhile would inherit the block: give it [`Interrupts::before`] as its mask.
#[derive(Debug)]
pub struct Interrupts {
    fd: SignalFd,
    before: SigSet,
}

impl Interrupts {
    /// Holds the signals back.
    pub fn block() -> Result<Self, ControlError> {
        let set: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
            .into_iter()
            .filter(|&signal| !is_ignored(signal))
            .collect();
        let failed = |errno: nix::Error| ControlError::Signals(errno.into());
        let fd =
            SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(failed)?;
        let before = set.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK).map_err(failed)?;
        Ok(Self { fd, before })
    }

    /// The signal mask found before.
    pub fn before(&self) -> &SigSet {
        &self.before
    }

    /// A signal that has arrived, without waiting.
    pub fn arrived(&self) -> Option<Signal> {
        let info = self.fd.read_signal().ok()??;
        i32::try_from(info.ssi_signo).ok()?.try_into().ok()
    }

    /// Waits for a signal; for ever where none comes.
    pub async fn wait(&self) -> io::Result<Signal> {
        // SAFETY: the borrowed descriptor stays open and the same for as long as `ready` lives: `self` owns it.
        let ready = unsafe { AsyncFd::register_with_interest(self.fd.as_fd(), Interest::READABLE) }?;
        loop {
            let mut guard = ready.readable().await?;
            if let Some(signal) = self.arrived() {
                return Ok(signal);
            }
            guard.clear_ready();
        }
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        if let Err(errno) = self.before.thread_set_mask() {
            eprintln!("freezer-agent: could not unblock signals: {errno}");
        }
    }
}

fn is_ignored(signal: Signal) -> bool {
    // SAFETY: all zeroes is a valid sigaction.
    let mut old: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: a null new action only asks; `old` is a valid place for the answer.
    let result = unsafe { libc::sigaction(signal as libc::c_int, std::ptr::null(), &raw mut old) };
    result == 0 && old.sa_sigaction == libc::SIG_IGN
}
