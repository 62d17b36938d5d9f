//! `cargo xtask deny`: licences, bans and sources always; known vulnerabilities where their database can be fetched.

use std::process::{Command, ExitCode};

use lexopt::Parser;

use crate::host;
use crate::setup::{self, tools};
use crate::step::{Log, Steps};

pub fn run(arguments: &mut Parser) -> anyhow::Result<ExitCode> {
    super::no_more(arguments)?;
    let needs = setup::missing()?;
    let mut steps = Steps::new(needs.len() + 1)?;
    let done = setup::install(needs, &mut steps) && steps.run(NAME, check).is_some();
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Name of the step.
pub const NAME: &str = "licences and sources of dependencies";

/// The step.
pub fn check(log: &Log) -> anyhow::Result<String> {
    log.run(cargo_deny()?.args(["check", "licenses", "bans", "sources"]))?;
    if log.run(cargo_deny()?.args(["fetch", "db"])).is_err() {
        return Ok("(known vulnerabilities not looked up: their database cannot be fetched here)".into());
    }
    log.run(cargo_deny()?.args(["check", "advisories"]))?;
    Ok(String::new())
}

fn cargo_deny() -> anyhow::Result<Command> {
    let mut command = Command::new(tools::CARGO_DENY.program()?);
    command.current_dir(host::root());
    Ok(command)
}
