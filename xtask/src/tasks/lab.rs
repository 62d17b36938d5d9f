//! `cargo xtask lab`: real stuck and slow freezes to point any tool at, and the agent judged by all of them.
//!
//! The work is done by `freezer-lab` (`freezer-lab/src/main.rs`), which gets the arguments as they are; `cargo xtask lab
//! help` shows them. Whatever it makes it undoes, also when it is killed.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use lexopt::Parser;

use super::demo::{self, HeldBack};
use crate::host::Rights;
use crate::step::Steps;

pub fn run(arguments: &mut Parser) -> anyhow::Result<ExitCode> {
    let mut arguments: Vec<OsString> = arguments.raw_args()?.collect();
    if arguments.is_empty() {
        arguments.push("list".into());
    }
    let looks_only = ["list", "help", "--help", "-h"].iter().any(|word| arguments[0] == *word);
    let rights = if looks_only { Rights::Root } else { Rights::find() };
    ensure!(rights != Rights::None, "the lab makes cgroups and mounts: run it as root, or install sudo");
    if !build(arguments.iter().any(|argument| argument == "--json"))? {
        return Ok(ExitCode::FAILURE);
    }
    // Ctrl-C ends the lab, which takes everything down; we wait for that.
    let _held_back = HeldBack::new()?;
    let mut command = rights.command(demo::program("freezer-lab")?);
    let status = command.args(arguments).status().context("could not start the lab")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Whether it went well. On stdout a script expects the lab's words alone.
fn build(for_a_script: bool) -> anyhow::Result<bool> {
    if for_a_script {
        let status = demo::build_command().arg("--quiet").status().context("could not start cargo")?;
        return Ok(status.success());
    }
    Ok(Steps::new(1)?.run("build of the agent and of the lab (release)", demo::build).is_some())
}
