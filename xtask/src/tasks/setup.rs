//! `cargo xtask setup`.

use std::process::ExitCode;

use lexopt::Parser;

use crate::setup;
use crate::step::Steps;
use crate::vm::machine::Machine;

pub fn run(arguments: &mut Parser) -> anyhow::Result<ExitCode> {
    super::no_more(arguments)?;
    let mut needs = setup::missing()?;
    needs.extend(setup::missing_for_guests(&Machine::ALL)?);
    if needs.is_empty() {
        println!("nothing is missing: `cargo xtask test` can start");
        return Ok(ExitCode::SUCCESS);
    }
    let mut steps = Steps::new(needs.len())?;
    let done = setup::install(needs, &mut steps);
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
