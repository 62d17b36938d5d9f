//! The workshop: build, test, demonstrate and measure freezer-agent. `cargo xtask` lists the tasks.

use std::process::ExitCode;

mod counts;
mod ebpf;
mod host;
mod interrupt;
mod readme;
mod setup;
mod step;
mod tasks;
mod vm;

fn main() -> ExitCode {
    let mut arguments = lexopt::Parser::from_env();
    match interrupt::heed_the_keyboard().and_then(|()| tasks::dispatch(&mut arguments)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
