//! `cargo xtask bench`: the agent against what a user would do instead, and against its limits.
//!
//! The measuring is done by `freezer-lab/src/bin/freezer-bench`.

use std::process::ExitCode;

use anyhow::{Context, ensure};
use lexopt::{Arg, Parser};

use super::demo;
use crate::host::Rights;
use crate::step::Steps;

pub fn run(arguments: &mut Parser) -> anyhow::Result<ExitCode> {
    let mut no_fail = false;
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("no-fail") => no_fail = true,
            _ => return Err(argument.unexpected().into()),
        }
    }
    let rights = Rights::find();
    ensure!(rights != Rights::None, "the benchmark freezes cgroups: run it as root, or install sudo");
    let mut steps = Steps::new(1)?;
    if steps.run("build of the agent and of the benchmark (release)", demo::build).is_none() {
        return Ok(ExitCode::FAILURE);
    }
    let mut command = rights.command(demo::program("freezer-bench")?);
    command.arg(demo::program("freezer-agent")?).args(no_fail.then_some("--no-fail"));
    let status = command.status().context("could not start the benchmark")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
