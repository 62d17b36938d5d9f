//! The commands shown in `console` blocks: each is run, or belongs to a task that exists.

use std::process::Stdio;

use anyhow::{Context, bail, ensure};

use crate::host::Rights;
use crate::step::Log;
use crate::tasks::{self, demo};

/// A command of the README.
#[derive(Debug, PartialEq, Eq)]
pub enum Example {
    /// Arguments of the agent; run on the demo's scene.
    Agent(Vec<String>),
    /// A task of this workshop, which CI runs or which has its own step.
    Task(String),
    /// `cargo build --release`: the build that comes before this check.
    Build,
}

/// All of them, without the demo's own transcript.
pub fn find(readme: &str) -> anyhow::Result<Vec<Example>> {
    let mut inside = false;
    let mut examples = Vec::new();
    for line in readme.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            examples.push(read(command)?);
        }
    }
    Ok(examples)
}

fn read(command: &str) -> anyhow::Result<Example> {
    let words: Vec<&str> = command.split_whitespace().collect();
    match words.as_slice() {
        ["freezer-agent", arguments @ ..] => {
            Ok(Example::Agent(arguments.iter().map(|&word| word.to_owned()).collect()))
        }
        ["cargo", "xtask", task, ..] => {
            ensure!(
                tasks::TASKS.iter().any(|known| known.name == *task),
                "the README shows `{command}`: no such task"
            );
            Ok(Example::Task((*task).to_owned()))
        }
        ["cargo", "build", "--release"] => Ok(Example::Build),
        _ => bail!("the README shows `{command}`, which no test runs"),
    }
}

/// Runs those of the agent, in their order, on a scene of the demo. A freeze that does not come about is an answer.
pub fn run(examples: &[Example], rights: Rights, log: &Log) -> anyhow::Result<()> {
    let scene = demo::Scene::set(rights, None, log)?;
    let result = examples.iter().try_for_each(|example| match example {
        Example::Agent(arguments) => run_agent(arguments, rights, log),
        Example::Task(_) | Example::Build => Ok(()),
    });
    scene.take_down()?;
    result
}

fn run_agent(arguments: &[String], rights: Rights, log: &Log) -> anyhow::Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // The transcript has just been made by running this one.
    if words == demo::COMMAND {
        return Ok(());
    }
    log.note(&format!("$ freezer-agent {}", words.join(" ")))?;
    let mut command = demo::agent(rights, &words)?;
    let status = command
        .stdin(Stdio::null())
        .stdout(log.handle()?)
        .stderr(log.handle()?)
        .status()
        .context("could not start the agent")?;
    ensure!(
        matches!(status.code(), Some(0 | demo::NOT_FROZEN_IN_TIME)),
        "the README's `freezer-agent {}` ended with {status}",
        words.join(" ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commands_in_console_blocks_are_examples() {
        let text = "$ no\n```text\n$ no\n```\n```console\n$ freezer-agent status\nprinted\n$ cargo xtask test\n```\n";
        let wanted = [Example::Agent(vec!["status".into()]), Example::Task("test".into())];
        assert_eq!(find(text).expect("known commands"), wanted);
    }

    #[test]
    fn a_command_that_nothing_runs_is_refused() {
        assert!(find("```console\n$ make install\n```\n").is_err());
        assert!(find("```console\n$ cargo xtask fly\n```\n").is_err());
    }
}
