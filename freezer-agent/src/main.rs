//! The command: parse, dispatch, exit code.
#![cfg_attr(all(quick_start, not(test)), no_main)]

#[cfg(all(quick_start, not(test)))]
mod start;

#[cfg(not(all(quick_start, not(test))))]
fn main() -> std::process::ExitCode {
    freezer_agent::cli::main().into()
}
