//! Our programs as guests run them: static, for a guest has no libraries of ours.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use super::Layout;
use super::machine::Machine;
use crate::host;
use crate::setup::core_source::Compiler;
use crate::step::Log;

/// A profile of its own: emulated, an unoptimised agent is slow enough to miss what it looks for.
const PROFILE: &str = "guest";

/// Programs of the lab and the agent, as they are called in a guest.
const PROGRAMS: &[&str] = &["freezer-agent", "freezer-lab", "freezer-demo", "freezer-bench"];

/// A file of the lab's tests that is run on each kernel.
pub struct TestFile {
    /// Its name.
    pub file: &'static str,
    /// Part of the names of the tests that are about the kernel; empty: all are.
    pub which: &'static str,
    /// Where it is run: what tries both hierarchies by itself is not tried again where there is one.
    pub layouts: &'static [Layout],
}

/// All of them.
pub const TESTS: &[TestFile] = &[
    TestFile { file: "kernel_selftests", which: "", layouts: &Layout::ALL },
    TestFile { file: "kernel_suspend", which: "", layouts: &Layout::ALL },
    TestFile { file: "guest_suspend", which: "", layouts: &Layout::ALL },
    TestFile { file: "kernel_without_bpf", which: "", layouts: &[Layout::Hybrid] },
    TestFile { file: "kernel_requests", which: "who_asks", layouts: &Layout::ALL },
];
/// Those of other people's freezers ([`super::others`]).
const OTHERS: [&str; 2] = ["kernel_runtimes", "guest_others"];

/// Name below `/vm/bin`, and the file.
pub type Program = (String, PathBuf);

/// Builds them.
pub fn build(machine: Machine, log: &Log) -> anyhow::Result<Vec<Program>> {
    let cargo = |what: &str| command(machine, what);
    log.run(cargo("build")?.arg("--bins"))?;
    let folder = target(machine).join(machine.target()).join(PROFILE);
    let mut programs: Vec<_> = PROGRAMS.iter().map(|&name| (name.to_owned(), folder.join(name))).collect();

    let mut tests = cargo("test")?;
    let names = || TESTS.iter().map(|test| test.file).chain(OTHERS);
    tests.args(["--no-run", "--message-format=json"]).args(names().flat_map(|name| ["--test", name]));
    let output =
        tests.stdin(Stdio::null()).stderr(log.handle()?).output().context("could not start cargo")?;
    ensure!(output.status.success(), "the tests could not be built");
    let messages = String::from_utf8_lossy(&output.stdout);
    for name in names() {
        let file =
            executable(&messages, name).with_context(|| format!("cargo names no program for {name}"))?;
        programs.push((format!("tests/{name}"), file));
    }
    Ok(programs)
}

/// cargo, for static programs of a machine.
fn command(machine: Machine, what: &str) -> anyhow::Result<Command> {
    let mut command = host::cargo();
    let flags = "-C target-feature=+crt-static -C relocation-model=static";
    let variable = machine.target().to_uppercase().replace('-', "_");
    command
        .env(format!("CARGO_TARGET_{variable}_RUSTFLAGS"), flags)
        .env("CARGO_TARGET_DIR", target(machine))
        .args([what, "--locked", "--target", machine.target(), "--profile", PROFILE])
        .args(["-p", "freezer-agent", "-p", "freezer-lab"]);
    if machine == Machine::Aarch64 {
        command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc");
        if !Compiler::find()?.has_library(machine.target()) {
            // From the source that the eBPF target needs anyway: rustup's server may be out of reach.
            command.env("RUSTC_BOOTSTRAP", "1").args(["-Z", "build-std=std,panic_abort"]);
        }
    }
    Ok(command)
}

/// A folder of its own for another architecture: `RUSTC_BOOTSTRAP` would have cargo build all again at every turn.
fn target(machine: Machine) -> PathBuf {
    match machine {
        Machine::X86_64 => host::target(),
        Machine::Aarch64 => host::target().join("xtask/arm64"),
    }
}

/// The test program that cargo says it built: its name ends in a number of cargo's own. The few words wanted are read
/// without a JSON library, which this workshop would have to build first.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    const KEY: &str = "\"executable\":\"";
    let target = format!("\"name\":\"{name}\"");
    let line = messages.lines().find(|line| line.contains(&target) && line.contains(KEY))?;
    let (_, rest) = line.split_once(KEY)?;
    rest.split_once('"').map(|(path, _)| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_program_is_found_among_cargo_s_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"other"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["test"],"name":"kernel_x"},"executable":"/t/kernel_x-0a1","fresh":true}"#;
        assert_eq!(executable(messages, "kernel_x"), Some("/t/kernel_x-0a1".into()));
        assert_eq!(executable(messages, "kernel_y"), None);
    }
}
