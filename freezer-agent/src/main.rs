//! The command: parse, dispatch, exit code.
#![cfg_attr(quick_start, no_main)]

#[cfg(quick_start)]
mod start;

#[cfg(not(quick_start))]
fn main() -> std::process::ExitCode {
    freezer_agent::cli::main().into()
}
