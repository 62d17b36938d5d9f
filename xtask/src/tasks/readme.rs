//! `cargo xtask readme [--check]`: the transcript and the lists in README.md.

use std::process::ExitCode;

use lexopt::{Arg, Parser};

use crate::host::Rights;
use crate::readme;
use crate::step::Steps;

pub fn run(arguments: &mut Parser) -> anyhow::Result<ExitCode> {
    let mut check = false;
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("check") => check = true,
            _ => return Err(argument.unexpected().into()),
        }
    }
    let rights = Rights::find();
    let mut steps = Steps::new(1)?;
    let done = if check {
        steps.run("README: its parts and commands", |log| readme::check(rights, log))
    } else {
        steps.run("README: its parts", |log| readme::write(rights, log))
    };
    Ok(if done.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
