//! `cargo xtask demo`: a real cgroup that cannot be frozen, and the one command that says why.
//!
//! The scene is held by a process of its own (`freezer-lab/src/bin/freezer-demo.rs`) until this one closes its input, so
//! nothing stays behind however this one ends.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, bail, ensure};
use lexopt::{Arg, Parser, ValueExt};
use nix::sys::signal::{SigSet, Signal};

use crate::host::{self, Rights};
use crate::step::{Log, Steps};

/// What the agent's exit status says of a freeze that was not done in time.
pub const NOT_FROZEN_IN_TIME: i32 = 3;

/// The command shown, as one types it.
pub const COMMAND: &[&str] = &["freeze", "--cgroup", "0", "--explain"];

pub fn run(arguments: &mut Parser) -> anyhow::Result<ExitCode> {
    let mut hierarchy = None;
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("hierarchy") => hierarchy = Some(arguments.value()?.parse()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let rights = Rights::find();
    ensure!(
        rights != Rights::None,
        "the demo makes a cgroup and a FUSE mount: run it as root, or install sudo"
    );

    let mut steps = Steps::new(3)?;
    if steps.run("build of the agent and of the scene (release)", build).is_none() {
        return Ok(ExitCode::FAILURE);
    }
    let _held_back = HeldBack::new()?;
    let Some(scene) =
        steps.run("a cgroup named 0 with a stuck process", |log| Scene::set(rights, hierarchy, log))
    else {
        return Ok(ExitCode::FAILURE);
    };
    println!("\n$ freezer-agent {}\n", COMMAND.join(" "));
    let status =
        agent(rights, COMMAND).and_then(|mut command| command.status().context("could not start it"));
    println!();
    let down = steps.run("everything taken down again", |_| scene.take_down());
    judge(status?, down.is_some())
}

fn judge(status: ExitStatus, down: bool) -> anyhow::Result<ExitCode> {
    match status.code() {
        Some(NOT_FROZEN_IN_TIME) if down => Ok(ExitCode::SUCCESS),
        Some(NOT_FROZEN_IN_TIME) => Ok(ExitCode::FAILURE),
        _ => bail!(
            "freezer-agent ended with {status}, where {NOT_FROZEN_IN_TIME} (not frozen in time) was expected"
        ),
    }
}

/// Builds what the demo, the lab and the benchmark run.
pub fn build(log: &Log) -> anyhow::Result<()> {
    log.run(&mut build_command())
}

/// The build as a command.
pub fn build_command() -> Command {
    let mut command = host::cargo();
    command.args(["build", "--locked", "--release", "-p", "freezer-agent", "-p", "freezer-lab"]);
    command
}

/// The agent as built for users, with the rights it needs.
pub fn agent(rights: Rights, arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = rights.command(program("freezer-agent")?);
    command.args(arguments);
    Ok(command)
}

/// A program that [`build`] built.
pub fn program(name: &str) -> anyhow::Result<OsString> {
    let path: PathBuf = host::target().join("release").join(name);
    ensure!(host::is_executable(&path), "{} was not built", path.display());
    Ok(path.into())
}

/// While it lives, Ctrl-C ends the agent (children start with no signal blocked) and waits for us to take the scene down.
pub struct HeldBack(SigSet);

impl HeldBack {
    /// From now on.
    pub fn new() -> anyhow::Result<Self> {
        let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
        signals.thread_block().context("could not hold signals back")?;
        Ok(HeldBack(signals))
    }
}

impl Drop for HeldBack {
    fn drop(&mut self) {
        // Cannot fail for a set of valid signals; were it to, we end in a moment anyway.
        self.0.thread_unblock().unwrap_or_default();
    }
}

/// The held scene.
pub struct Scene {
    holder: Child,
    /// Kept open: the holder's own last words must have somewhere to go.
    _words: BufReader<ChildStdout>,
    said: String,
}

impl crate::step::Outcome for Scene {
    fn note(&self) -> String {
        format!("\n      {}", self.said)
    }
}

impl Scene {
    /// Starts the holder and waits until the scene is set.
    pub fn set(rights: Rights, hierarchy: Option<OsString>, log: &Log) -> anyhow::Result<Self> {
        let mut command = rights.command(program("freezer-demo")?);
        command.args(hierarchy.map(|which| [OsString::from("--hierarchy"), which]).into_iter().flatten());
        let mut holder = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.handle()?)
            .spawn()
            .context("could not start the scene")?;
        let mut words = BufReader::new(holder.stdout.take().context("the scene has no output")?);
        let mut said = String::new();
        words.read_line(&mut said).context("could not listen to the scene")?;
        if said.is_empty() {
            let status = holder.wait()?;
            bail!("the scene could not be set ({status})");
        }
        Ok(Scene { holder, _words: words, said: said.trim_end().to_owned() })
    }

    /// Takes it down and waits for that.
    pub fn take_down(mut self) -> anyhow::Result<()> {
        drop(self.holder.stdin.take());
        let status = self.holder.wait().context("could not wait for the scene")?;
        ensure!(
            status.success(),
            "the scene could not be taken down ({status}); its words are in the log of the scene"
        );
        Ok(())
    }
}
