//! `cargo xtask lint`: rustfmt and clippy, on what runs on the host and on what runs in the kernel.

use std::process::ExitCode;

use lexopt::Parser;

use crate::host;
use crate::setup::{self, tools};
use crate::step::{Log, Steps};

pub fn run(arguments: &mut Parser) -> anyhow::Result<ExitCode> {
    super::no_more(arguments)?;
    let needs = setup::missing()?;
    let mut steps = Steps::new(needs.len() + STEPS.len())?;
    if setup::install(needs, &mut steps) {
        for (name, work) in STEPS {
            steps.run(name, work);
        }
    }
    Ok(if steps.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a step does.
type Work = fn(&Log) -> anyhow::Result<()>;

/// The steps of this task, which are also the first of `test`.
pub const STEPS: &[(&str, Work)] =
    &[("rustfmt", rustfmt), ("clippy for the host", clippy_host), ("clippy for eBPF", clippy_ebpf)];

fn rustfmt(log: &Log) -> anyhow::Result<()> {
    log.run(host::cargo().args(["fmt", "--all", "--check", "--", "--color=never"]))
}

fn clippy_host(log: &Log) -> anyhow::Result<()> {
    log.run(host::cargo().args([
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

/// In a target folder of its own: `RUSTC_BOOTSTRAP` would make shared crates rebuild each time it comes and goes.
fn clippy_ebpf(log: &Log) -> anyhow::Result<()> {
    log.run(
        host::cargo()
            .env("RUSTC_BOOTSTRAP", "1")
            .env("PATH", tools::path()?)
            .args(["clippy", "--locked", "--package", "freezer-ebpf", "--features", "bpf"])
            .args(["--target", "bpfel-unknown-none", "-Zbuild-std=core", "--target-dir"])
            .arg(host::target().join("xtask/clippy-ebpf"))
            .args(["--", "-D", "warnings"]),
    )
}
