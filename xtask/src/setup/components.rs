//! rustfmt and clippy: part of rustup's default profile, missing from its minimal one.

use anyhow::Context;

use super::Need;
use crate::host;
use crate::setup::core_source::Compiler;
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
