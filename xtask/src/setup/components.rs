//! Parts of a Rust installation: rustfmt and clippy, which rustup's default profile has and its minimal one lacks, and the
//! standard library for other machines.

use anyhow::Context;

use super::Need;
use crate::host;
use crate::setup::core_source::Compiler;
use crate::vm::machine::Machine;
use std::process::Command;

/// Those of the two that this toolchain lacks.
pub fn missing() -> anyhow::Result<Option<Need>> {
    let folder = Compiler::find()?.sysroot.join("bin");
    // rustup puts stand-ins for both into PATH whether they are installed or not: the sysroot knows better.
    let absent: Vec<&str> = [("cargo-fmt", "rustfmt"), ("cargo-clippy", "clippy")]
        .into_iter()
        .filter(|(program, _)| !host::is_executable(&folder.join(program)))
        .map(|(_, component)| component)
        .collect();
    if absent.is_empty() {
        return Ok(None);
    }
    Ok(Some(Need {
        name: absent.join(" and "),
        install: Box::new(move |log| {
            log.run(Command::new("rustup").args(["component", "add"]).args(&absent)).with_context(|| {
                format!("this Rust lacks {}: install them the way you installed Rust", absent.join(" and "))
            })?;
            Ok("by rustup".into())
        }),
    }))
}

/// The precompiled standard library for a machine of guests. One that cannot be had is no error: it is built from its source
/// then (`vm::programs`), which takes minutes.
pub fn missing_library(machine: Machine) -> anyhow::Result<Option<Need>> {
    if Compiler::find()?.has_library(machine.target()) {
        return Ok(None);
    }
    Ok(Some(Need {
        name: format!("standard library for {}", machine.target()),
        install: Box::new(move |log| {
            match log.run(Command::new("rustup").args(["target", "add", machine.target()])) {
                Ok(()) => Ok("by rustup".into()),
                Err(error) => {
                    log.note(&format!("{error:#}"))?;
                    Ok("rustup has none: it is built from its source".into())
                }
            }
        }),
    }))
}
