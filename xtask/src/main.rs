//! The workshop: build, test, demonstrate and measure freezer-agent. `cargo xtask` lists the tasks.

use std::process::ExitCode;

mod counts;
mod ebpf {
    //! Place of the eBPF build.
    pub fn build(_: &std::path::Path) -> anyhow::Result<()> {
        anyhow::bail!("the eBPF programs are not in this tree")
    }
    pub fn check(root: &std::path::Path) -> anyhow::Result<()> {
        build(root)
    }
}
mod host;
mod setup;
mod step;
mod tasks;

fn main() -> ExitCode {
    let mut arguments = lexopt::Parser::from_env();
    match tasks::dispatch(&mut arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
