//! The parts of README.md that are written by running things, and the check that all its commands work.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::host::{self, Rights};
use crate::step::Log;
use crate::tasks::{self, demo};

mod examples;
mod kernels;
mod parts;
mod transcript;

/// Writes the parts anew. The transcript needs rights to freeze.
pub fn write(rights: Rights, log: &Log) -> anyhow::Result<String> {
    ensure!(rights != Rights::None, "the transcript of the demo needs root or sudo");
    demo::build(log)?;
    let old = read()?;
    let mut text = parts::replace(&old, "commands", &fenced("text", &commands()?))?;
    text = parts::replace(&text, "tasks", &fenced("text", &tasks::list()))?;
    text = parts::replace(&text, "kernels", &kernels::table()?)?;
    text = parts::replace(&text, "demo", &fenced("console", &record(rights, log)?))?;
    if text == old {
        return Ok("nothing has changed".to_owned());
    }
    fs::write(path(), text).with_context(|| format!("could not write {}", path().display()))?;
    Ok("written".to_owned())
}

/// Writes the table of kernels alone, which needs neither rights nor a build.
pub fn write_kernels() -> anyhow::Result<()> {
    let text = parts::replace(&read()?, "kernels", &kernels::table()?)?;
    fs::write(path(), text).with_context(|| format!("could not write {}", path().display()))
}

/// Checks that the parts are what the commands print today, and that every command shown can be run.
pub fn check(rights: Rights, log: &Log) -> anyhow::Result<String> {
    demo::build(log)?;
    let text = read()?;
    same(&text, "commands", &fenced("text", &commands()?))?;
    same(&text, "tasks", &fenced("text", &tasks::list()))?;
    same(&text, "kernels", &kernels::table()?)?;
    let examples = examples::find(&text)?;
    if rights == Rights::None {
        ensure!(!host::in_ci(), "the README's commands freeze cgroups: they need root or sudo");
        return Ok("NOT RUN: the transcript and the commands, which need root or sudo".to_owned());
    }
    let fresh = fenced("console", &record(rights, log)?);
    transcript::compare(parts::get(&text, "demo")?, &fresh).context(STALE)?;
    examples::run(&examples, rights, log)?;
    Ok(format!("{} commands", examples.len()))
}

const STALE: &str =
    "README.md is not what the programs print: run `cargo xtask readme` and look at what has changed";

fn same(text: &str, part: &str, fresh: &str) -> anyhow::Result<()> {
    let written = parts::get(text, part)?;
    ensure!(written.trim() == fresh.trim(), "the part `{part}` differs. {STALE}\n{fresh}");
    Ok(())
}

fn path() -> PathBuf {
    host::root().join("README.md")
}

fn read() -> anyhow::Result<String> {
    fs::read_to_string(path()).with_context(|| format!("could not read {}", path().display()))
}

fn fenced(language: &str, text: &str) -> String {
    format!("```{language}\n{}\n```", text.trim_end())
}

/// The list of commands, as the agent's own help has it.
fn commands() -> anyhow::Result<String> {
    let help = host::output_of(Command::new(demo::program("freezer-agent")?).arg("-h"))?;
    let list: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.trim_start().starts_with("help "))
        .collect();
    ensure!(!list.is_empty(), "the agent's help lists no commands");
    Ok(list.join("\n"))
}

/// What the demo shows, without the lines of the workshop's own steps.
fn record(rights: Rights, log: &Log) -> anyhow::Result<String> {
    let scene = demo::Scene::set(rights, None, log)?;
    let output = demo::agent(rights, demo::COMMAND).and_then(|mut command| {
        command.env("NO_COLOR", "1").stderr(log.handle()?).output().context("could not start the agent")
    });
    scene.take_down()?;
    let output = output?;
    if output.status.code() != Some(demo::NOT_FROZEN_IN_TIME) {
        bail!("`freezer-agent {}` ended with {}", demo::COMMAND.join(" "), output.status);
    }
    let screen = String::from_utf8(output.stdout).context("the agent's screen is no UTF-8")?;
    Ok(format!("$ freezer-agent {}\n{screen}", demo::COMMAND.join(" ")))
}
