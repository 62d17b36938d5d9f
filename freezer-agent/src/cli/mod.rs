//! Parse and dispatch; one file per command, whose module docs are its manual.

pub mod args;
pub mod causes;
pub mod check;
pub mod doctor;
pub mod duration;
pub mod exit;
pub mod explain;
pub mod freeze;
pub mod output;
pub mod replay;
pub mod status;
pub mod suspend;
pub mod thaw;
mod verbose;
mod watched;

use clap::{Parser, Subcommand};

/// Freezes Linux cgroups and says which tasks block a freeze, why, and the way out.
///
/// A cgroup is named by an absolute path (/sys/fs/cgroup/freezer/0) or by its path below the root of a freezer
/// hierarchy (0, docker/3f2a...), v1 or v2, wherever it is mounted.
#[derive(Debug, Parser)]
#[command(name = "freezer-agent", version, about, long_about, after_long_help = AFTER_HELP, max_term_width = 100)]
struct Cli<C: Subcommand> {
    /// Says more on stderr about what is done
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    #[command(subcommand)]
    command: C,
}

/// What scripts call in a loop: to describe all the other commands to the parser takes longer than to freeze.
#[derive(Debug, Subcommand)]
enum Quick {
    Freeze(freeze::Args),
    Thaw(thaw::Args),
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Quick(Quick),
    Status(status::Args),
    Check(check::Args),
    Explain(explain::Args),
    Replay(replay::Args),
    Suspend(suspend::Args),
    Causes(causes::Args),
    Doctor(doctor::Args),
}

const AFTER_HELP: &str = "\
Examples:
  freezer-agent freeze --cgroup 0                  freeze, wait until every task is frozen
  freezer-agent freeze --cgroup 0 --timeout 500ms  give up sooner, and put back what was found
  freezer-agent freeze --cgroup 0 --explain        and say which tasks block, why, and the way out
  freezer-agent check --cgroup 0                   would it freeze, and whom would that hurt
  freezer-agent explain --cgroup docker/3f2a       why is a freeze that somebody else asked for not done
  freezer-agent thaw --cgroup 0
  freezer-agent causes fuse-request                what such a wait is, and how to end it
  freezer-agent doctor                             what this host allows, and what is lost without
  freezer-agent suspend watch                      why does this machine not suspend
  freezer-agent status                             every cgroup that is frozen or freezing

Exit codes:
  0  done
  1  unexpected failure
  2  wrong usage
  3  not frozen within the limit
  4  cannot be frozen (or thawed) as it is: a kernel thread in v2, an ancestor's state, the other hierarchy
  5  not permitted
  6  no such cgroup, or no freezer here
  7  refused for safety
  128+n  ended by signal n (130 Ctrl-C, 143 SIGTERM, 129 SIGHUP), after putting back what was found";

/// Runs the command line of this process; gives its exit code.
#[must_use]
pub fn main() -> u8 {
    // Another command, a call for help, a mistake: all that is for the whole command line to answer.
    let Cli { verbose, command } = match Cli::<Quick>::try_parse() {
        Ok(Cli { verbose, command }) => Cli { verbose, command: Command::Quick(command) },
        Err(_) => Cli::parse(),
    };
    let verbose = verbose > 0;
    if verbose {
        verbose::turn_on();
    }
    match command {
        Command::Quick(Quick::Freeze(args)) => freeze::run(&args, verbose),
        Command::Quick(Quick::Thaw(args)) => thaw::run(&args, verbose),
        Command::Status(args) => status::run(&args, verbose),
        Command::Check(args) => check::run(&args, verbose),
        Command::Explain(args) => explain::run(&args, verbose),
        Command::Replay(args) => replay::run(&args),
        Command::Suspend(args) => suspend::run(&args, verbose),
        Command::Causes(args) => causes::run(&args),
        Command::Doctor(args) => doctor::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::{Cli, Command, Quick};

    #[test]
    fn the_command_line_is_consistent() {
        Cli::<Command>::command().debug_assert();
        Cli::<Quick>::command().debug_assert();
    }
}
