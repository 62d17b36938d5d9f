//! `freezer-lab hold NAME`: a stuck freeze to point any tool at.

use std::io::Write as _;
use std::os::fd::AsFd as _;

use anyhow::Result;
use freezer_lab::Scene;
use freezer_lab::cases::Stage;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::{Choice, take_down};

/// Sets it up and keeps it until a signal or the end of stdin.
pub fn hold(choice: &Choice) -> Result<()> {
    // Before anything is made: a signal in between must not skip the undoing.
    let mut signals = SigSet::empty();
    for ending in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(ending);
    }
    signals.thread_block()?;
    let signal = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?;

    let mut scene = Scene::new();
    let mut stage = choice.set_up(&mut scene)?;
    describe(&stage)?;
    let stdin = std::io::stdin();
    loop {
        let mut fds =
            [PollFd::new(signal.as_fd(), PollFlags::POLLIN), PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::NONE)?;
        let signalled = fds[0].any().unwrap_or(true);
        if signalled || stdin.read_line(&mut String::new())? == 0 {
            break;
        }
        if let Some(trigger) = stage.trigger.take() {
            trigger(&mut scene)?;
        }
    }
    take_down(scene)
}

fn describe(stage: &Stage) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "cgroup   {}", stage.cgroup.path().display())?;
    writeln!(out, "expected {:?}", stage.outcome)?;
    for blocker in &stage.blockers {
        writeln!(out, "blocker  {} (process {}): {}", blocker.tid, blocker.pid, blocker.cause)?;
        for holder in &blocker.waits_for {
            writeln!(out, "         waits for {holder:?}")?;
        }
    }
    let name = stage.cgroup.name()?;
    writeln!(out, "try      freezer-agent freeze --cgroup {} --explain", name.display())?;
    if stage.trigger.is_some() {
        writeln!(out, "press    Enter, right before: it does not last")?;
    }
    writeln!(out, "ready    Ctrl-C takes everything down")?;
    Ok(out.flush()?)
}
