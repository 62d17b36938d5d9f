//! Ctrl-C while others work for us: seen, told on, and everything taken down in order.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use nix::sys::signal::{SigHandler, SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// A shell without job control has what runs in its background ignore Ctrl-C and Ctrl-\; the programs under test would
/// inherit that, and they are tested with these very signals.
pub fn heed_the_keyboard() -> anyhow::Result<()> {
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: the default action runs no code of ours.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }
            .with_context(|| format!("could not heed {signal}"))?;
    }
    Ok(())
}

/// While it lives, signals that ask us to end do not: [`Interrupt::seen`] tells of them. Threads started meanwhile
/// inherit that; programs started do not.
pub struct Interrupt {
    signals: SigSet,
    descriptor: SignalFd,
    seen: AtomicBool,
}

impl Interrupt {
    /// From now on.
    pub fn watch() -> anyhow::Result<Self> {
        let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let descriptor = SignalFd::with_flags(&signals, flags).context("could not listen for signals")?;
        signals.thread_block().context("could not hold signals back")?;
        Ok(Interrupt { signals, descriptor, seen: AtomicBool::new(false) })
    }

    /// Whether one has come.
    pub fn seen(&self) -> bool {
        if self.descriptor.read_signal().is_ok_and(|signal| signal.is_some()) {
            self.seen.store(true, Ordering::Relaxed);
        }
        self.seen.load(Ordering::Relaxed)
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        // Cannot fail for a set of valid signals; were it to, we end in a moment anyway.
        self.signals.thread_unblock().unwrap_or_default();
    }
}
