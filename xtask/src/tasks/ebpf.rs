//! `cargo xtask ebpf [--check]`: the committed eBPF object.

use std::process::ExitCode;

use lexopt::{Arg, Parser};

use crate::setup::{self, tools};
use crate::step::{Log, Steps};
use crate::{ebpf, host};

pub fn run(arguments: &mut Parser) -> anyhow::Result<ExitCode> {
    let (mut check, mut bare) = (false, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("check") => check = true,
            // How a step calls this task to have the compiler's output in its log.
            Arg::Long("bare") => bare = true,
            _ => return Err(argument.unexpected().into()),
        }
    }
    if bare {
        if check { ebpf::check(host::root()) } else { ebpf::build(host::root()) }?;
        return Ok(ExitCode::SUCCESS);
    }
    let needs = setup::missing()?;
    let mut steps = Steps::new(needs.len() + 1)?;
    let done = setup::install(needs, &mut steps)
        && if check {
            steps.run("eBPF object compared with a rebuild", compare).is_some()
        } else {
            steps.run("eBPF object", rebuild).is_some()
        };
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Rebuilds the object elsewhere and compares it byte for byte with the committed one.
pub fn compare(log: &Log) -> anyhow::Result<()> {
    bare(&["--check"], log)
}

fn rebuild(log: &Log) -> anyhow::Result<()> {
    bare(&[], log)
}

fn bare(options: &[&str], log: &Log) -> anyhow::Result<()> {
    log.run(host::cargo().env("PATH", tools::path()?).args(["xtask", "ebpf", "--bare"]).args(options))
}
