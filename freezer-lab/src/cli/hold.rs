//! `freezer-lab hold NAME`: a stuck freeze to point any tool at.

use std::io::{IsTerminal as _, Stdin, Write as _};
use std::os::fd::AsFd as _;

use anyhow::Result;
use freezer_lab::Scene;
use freezer_lab::cases::{Expected, Hurt, Stage};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{SFlag, fstat};

use super::{Choice, take_down};

/// Sets it up and keeps it until a signal, or the end of a stdin that somebody may type at.
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
    let listened_to = if somebody_may_type(&stdin) { 2 } else { 1 };
    loop {
        let mut fds =
            [PollFd::new(signal.as_fd(), PollFlags::POLLIN), PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds[..listened_to], PollTimeout::NONE)?;
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

/// A terminal or a pipe. What a script leaves in the background has /dev/null, which ends at once and means nothing.
fn somebody_may_type(stdin: &Stdin) -> bool {
    let kind = fstat(stdin).map(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT);
    stdin.is_terminal() || kind == Ok(SFlag::S_IFIFO)
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
    for slow in &stage.slow {
        let Expected { tid, pid, cause, .. } = &slow.task;
        writeln!(out, "slow     {tid} (process {pid}): {cause}")?;
    }
    for Hurt { kind, pid, .. } in &stage.hurts {
        writeln!(out, "hurts    process {pid}: {kind}")?;
    }
    let name = stage.cgroup.name()?;
    writeln!(out, "try      freezer-agent freeze --cgroup {} --explain", name.display())?;
    if stage.trigger.is_some() {
        writeln!(out, "press    Enter, right before: it does not last")?;
    }
    writeln!(out, "ready    Ctrl-C takes everything down")?;
    Ok(out.flush()?)
}
