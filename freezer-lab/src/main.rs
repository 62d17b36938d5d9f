//! Real stuck and slow freezes to point any tool at.
//!
//! `list` names the cases, `hold NAME` sets one up and keeps it until Ctrl-C, `run NAME` freezes it with the
//! kernel's own files, shows what comes of it and takes it down. Whatever happens, all of it is undone.

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use freezer_lab::cases::{self, Case, Place, Stage};
use freezer_lab::{Hierarchy, Scene, State, proc};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Real stuck and slow freezes to point any tool at, each undone whatever happens
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The cases, one a line
    List,
    /// Set a case up and hold it until Ctrl-C or the end of stdin; a line on stdin begins what does not last
    Hold(Choice),
    /// Freeze a case with the kernel's own files and show what comes of it
    Run(Choice),
}

#[derive(clap::Args)]
struct Choice {
    /// Name of a case
    name: String,
    /// Freezer to build it for; the first one it can be built for if not given
    #[arg(long)]
    hierarchy: Option<Hierarchy>,
    /// Name of the cgroup below the root of the hierarchy; a new one if not given
    #[arg(long)]
    cgroup: Option<String>,
}

fn main() -> ExitCode {
    freezer_lab::run_as_worker_if_asked();
    let result = match Arguments::parse().command {
        Command::List => list(),
        Command::Hold(choice) => hold(&choice),
        Command::Run(choice) => run(&choice),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("freezer-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn list() -> Result<()> {
    let mut out = std::io::stdout().lock();
    for case in cases::all() {
        let on: Vec<_> = case.hierarchies.iter().map(ToString::to_string).collect();
        writeln!(out, "{:<28} {:<6} {}", case.name, on.join(","), case.about)?;
    }
    Ok(())
}

impl Choice {
    fn set_up(&self, scene: &mut Scene) -> Result<Stage> {
        let all = cases::all();
        let case = all.iter().find(|case| case.name == self.name);
        let case = case.with_context(|| format!("no case is named {}; `list` has them all", self.name))?;
        let hierarchy = self.hierarchy.map_or_else(|| first_possible(case), Ok)?;
        if !case.hierarchies.contains(&hierarchy) {
            bail!("{} cannot occur on {hierarchy}", case.name);
        }
        let place = Place { hierarchy, name: self.cgroup.clone() };
        (case.set_up)(scene, &place).with_context(|| format!("{} cannot be set up", case.name))
    }
}

/// v1 before v2, where the host has it.
fn first_possible(case: &Case) -> Result<Hierarchy> {
    let mut possible =
        case.hierarchies.iter().filter(|hierarchy| freezer_lab::mounts::freezer(**hierarchy).is_ok());
    possible
        .next()
        .copied()
        .with_context(|| format!("this host has no freezer that {} can occur on", case.name))
}

fn hold(choice: &Choice) -> Result<()> {
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
    finish(scene)
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

fn run(choice: &Choice) -> Result<()> {
    let mut scene = Scene::new();
    let mut stage = choice.set_up(&mut scene)?;
    if let Some(trigger) = stage.trigger.take() {
        trigger(&mut scene)?;
    }
    stage.cgroup.freeze()?;
    let frozen = stage.cgroup.wait_state(State::Frozen, stage.limit).is_ok();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} after {:?}, expected {:?}",
        if frozen { "FROZEN" } else { "FREEZING" },
        stage.limit,
        stage.outcome
    )?;
    for blocker in &stage.blockers {
        let letter = proc::state(blocker.tid).unwrap_or('-');
        writeln!(out, "{} {letter} {}: {}", blocker.tid, blocker.cause, proc::stack(blocker.tid).join(" "))?;
    }
    stage.cgroup.thaw()?;
    finish(scene)
}

fn finish(mut scene: Scene) -> Result<()> {
    let errors = scene.take_down();
    match errors.into_iter().next() {
        None => Ok(()),
        Some(error) => Err(error).context("not everything could be taken down"),
    }
}
