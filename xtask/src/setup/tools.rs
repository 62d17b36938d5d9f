//! Tools that cargo installs from their source, kept in the cache folder so that the user's own stay untouched.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::Context;

use super::Need;
use crate::host;
use crate::setup::core_source::Compiler;
use crate::step::Log;

/// A program from a crate.
pub struct Tool {
    /// Name of the crate and of its program.
    pub name: &'static str,
    version: &'static str,
    /// How long it takes to build on two cores, to tell the reader before he wonders.
    minutes: &'static str,
}

/// Links the eBPF object. This version goes with the LLVM of rustc 1.95.
pub const BPF_LINKER: Tool = Tool { name: "bpf-linker", version: "0.10.3", minutes: "2 minutes" };
/// Checks the dependencies.
pub const CARGO_DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2", minutes: "2 minutes" };

impl Tool {
    /// Where its program is, or will be.
    pub fn program(&self) -> anyhow::Result<PathBuf> {
        Ok(folder()?.join("bin").join(self.name))
    }

    fn is_installed(&self, compiler: &Compiler) -> anyhow::Result<bool> {
        let program = self.program()?;
        if !host::is_executable(&program) {
            return Ok(false);
        }
        // Asked, not believed: bpf-linker uses the LLVM library of the compiler it was built with, and no longer starts
        // once that compiler was replaced.
        let version =
            host::output_of(with_compiler_libraries(Command::new(program).arg("--version"), compiler));
        Ok(version.is_ok_and(|text| text.split_whitespace().any(|word| word == self.version)))
    }

    fn install(&self, log: &Log) -> anyhow::Result<()> {
        let folder = folder()?;
        fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
        // Checked out of the way of this checkout's settings, and built quickly: these tools run for seconds.
        log.run(
            host::cargo()
                .current_dir(&folder)
                .env_remove("CARGO_TARGET_DIR")
                .env("CARGO_PROFILE_RELEASE_LTO", "off")
                .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
                .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
                .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
                .args(["install", "--locked", "--force", "--root"])
                .arg(&folder)
                .args(["--version", self.version, self.name]),
        )
        .with_context(|| {
            format!(
                "{} {} could not be built; it comes from crates.io, which must be reachable once",
                self.name, self.version
            )
        })
    }
}

/// The tools that are not there in the version wanted.
pub fn missing() -> anyhow::Result<Vec<Need>> {
    let compiler = Compiler::find()?;
    let mut needs = Vec::new();
    for tool in [BPF_LINKER, CARGO_DENY] {
        if !tool.is_installed(&compiler)? {
            needs.push(Need {
                name: format!("{} {}, built once (about {})", tool.name, tool.version, tool.minutes),
                install: Box::new(move |log| tool.install(log).map(|()| String::new())),
            });
        }
    }
    Ok(needs)
}

/// `PATH` with the tools first.
pub fn path() -> anyhow::Result<OsString> {
    let old = env::var_os("PATH").unwrap_or_default();
    let tools = folder()?.join("bin");
    env::join_paths(std::iter::once(tools).chain(env::split_paths(&old))).context("PATH cannot be extended")
}

fn folder() -> anyhow::Result<PathBuf> {
    Ok(host::cache()?.join("tools"))
}

fn with_compiler_libraries<'a>(command: &'a mut Command, compiler: &Compiler) -> &'a mut Command {
    command.env("LD_LIBRARY_PATH", compiler.sysroot.join("lib"))
}
