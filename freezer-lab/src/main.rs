//! Real stuck and slow freezes to point any tool at.
//!
//! `list` names the cases, `run NAME` freezes one through the agent and shows whether its verdict is the expected one,
//! `hold NAME` sets one up and keeps it until Ctrl-C, `all` runs every case and counts what is right. Whatever happens,
//! all of it is undone.

mod cli;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use cli::{Choice, all, hold, list, run};

/// Real stuck and slow freezes to point any tool at, each undone whatever happens
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The cases under their causes, one a line, and what is missing here
    List,
    /// Freeze a case through the agent, show its screen, and say whether the verdict is the expected one
    Run {
        #[command(flatten)]
        choice: Choice,
        /// Without the agent: through the kernel's own files
        #[arg(long)]
        raw: bool,
    },
    /// Set a case up and hold it until Ctrl-C or the end of a terminal or pipe on stdin; a line there begins what does not last
    Hold(Choice),
    /// Every case on every freezer it can occur on, through the agent; fails unless all is right
    All(all::Options),
}

fn main() -> ExitCode {
    freezer_lab::run_as_worker_if_asked();
    match dispatch(&Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("freezer-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is right.
fn dispatch(command: &Command) -> Result<bool> {
    match command {
        Command::List => list::list()?,
        Command::Run { choice, raw: false } => run::through_the_agent(choice)?,
        Command::Run { choice, raw: true } => run::through_the_kernel(choice)?,
        Command::Hold(choice) => hold::hold(choice)?,
        Command::All(options) => return all::all(options),
    }
    Ok(true)
}
