//! `cargo xtask test`: everything that must hold before a change lands.
//!
//! Test files whose name begins with `kernel` (`freezer-agent/tests/kernel_freeze.rs`) freeze real cgroups: they run as
//! root, one test at a time. A test that finds it cannot run here prints a line `skipped: REASON`.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use lexopt::Parser;

use super::{deny, ebpf, lint, vm};
use crate::counts::Counts;
use crate::host::{self, Rights};
use crate::interrupt::Interrupt;
use crate::readme;
use crate::setup;
use crate::step::{Log, Steps};

pub fn run(arguments: &mut Parser) -> anyhow::Result<ExitCode> {
    super::no_more(arguments)?;
    let rights = Rights::find();
    let files = TestFiles::find()?;
    let needs = setup::missing()?;
    let mut steps = Steps::new(needs.len() + lint::STEPS.len() + 7)?;
    if !setup::install(needs, &mut steps) {
        println!("\n{}", Counts { failed: 1, ..Counts::default() });
        return Ok(ExitCode::FAILURE);
    }

    let mut counts = Counts::default();
    for (name, work) in lint::STEPS {
        steps.run(name, work);
    }
    steps.run(deny::NAME, deny::check);
    steps.run("unit and replay tests", |log| plain_tests(log, &files, &mut counts));
    steps.run("eBPF object compared with a rebuild", ebpf::compare);
    steps.run("real-kernel tests", |log| kernel_tests(log, &files, rights, &mut counts));
    // Ctrl-C would leave guests behind for a moment, and their files for good.
    let interrupt = Interrupt::watch()?;
    steps.run(vm::IN_TEST, |log| vm::in_test(log, &interrupt, &mut counts));
    ensure!(!interrupt.seen(), "interrupted");
    drop(interrupt);
    steps.run("documentation", documentation);
    steps.run("README: its parts and commands, in a release build", |log| readme::check(rights, log));

    // A step without tests has none that failed; the closing line must not read as if all were well.
    counts.failed = counts.failed.max(steps.failed());
    println!("\n{counts}");
    Ok(if steps.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Names of the workspace's files of integration tests, as `cargo test --test` takes them.
struct TestFiles {
    plain: Vec<String>,
    kernel: Vec<String>,
}

impl TestFiles {
    fn find() -> anyhow::Result<Self> {
        let mut names = Vec::new();
        for member in entries(host::root())? {
            let tests = member.join("tests");
            if member.join("Cargo.toml").is_file() && tests.is_dir() {
                let is_target = |path: &std::path::PathBuf| {
                    path.extension().is_some_and(|ending| ending == "rs") || path.join("main.rs").is_file()
                };
                let targets = entries(&tests)?.into_iter().filter(is_target);
                names.extend(targets.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())));
            }
        }
        names.sort();
        let (kernel, plain) = names.into_iter().partition(|name| name.starts_with("kernel"));
        Ok(TestFiles { plain, kernel })
    }
}

fn entries(folder: &std::path::Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|found| found.path())).collect())
        .with_context(|| format!("could not list {}", folder.display()))
}

/// Without root: unit tests, the test files that do not begin with `kernel`, and the examples in the documentation.
fn plain_tests(log: &Log, files: &TestFiles, counts: &mut Counts) -> anyhow::Result<Counts> {
    // The programs that test files start, the lab's among them.
    log.run(host::cargo().args(["build", "--locked", "--workspace"]))?;
    let mut command = host::cargo();
    command.args(["test", "--locked", "--workspace", "--no-fail-fast", "--lib", "--bins"]);
    command.args(files.plain.iter().flat_map(|name| ["--test", name]));
    let ran = log.run(command.args(["--", "--show-output"]));
    let examples =
        log.run(host::cargo().args(["test", "--locked", "--workspace", "--no-fail-fast", "--doc"]));
    count(log, counts, ran.and(examples))
}

fn kernel_tests(log: &Log, files: &TestFiles, rights: Rights, counts: &mut Counts) -> anyhow::Result<Counts> {
    ensure!(!files.kernel.is_empty(), "there are no test files whose name begins with `kernel`");
    if rights == Rights::None {
        ensure!(
            !host::in_ci(),
            "the real-kernel tests need root or sudo, and none may be skipped where CI is set"
        );
        let skipped = Counts { skipped: files.kernel.len(), ..Counts::default() };
        counts.add(skipped);
        eprintln!("NOT RUN: {}: they freeze real cgroups, which needs root or sudo", files.kernel.join(", "));
        return Ok(skipped);
    }
    let mut command = host::cargo();
    if rights == Rights::Sudo {
        // Cargo itself stays the user's, so that the target folder does too.
        command.env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", "sudo -E --");
    }
    command.args(["test", "--locked", "--workspace", "--no-fail-fast"]);
    command.args(files.kernel.iter().flat_map(|name| ["--test", name]));
    let ran = log.run(command.args(["--", "--test-threads=1", "--show-output"]));
    let own = count(log, counts, ran)?;
    if own.skipped > 0 && host::in_ci() {
        bail!("{} tests were skipped, and none may be where CI is set", own.skipped);
    }
    Ok(own)
}

/// Adds what this step's log tells, also when the step failed.
fn count(log: &Log, counts: &mut Counts, ran: anyhow::Result<()>) -> anyhow::Result<Counts> {
    let own = Counts::read(&log.text()?);
    counts.add(own);
    ran.map(|()| own)
}

fn documentation(log: &Log) -> anyhow::Result<()> {
    log.run(host::cargo().env("RUSTDOCFLAGS", "-D warnings").args([
        "doc",
        "--locked",
        "--workspace",
        "--no-deps",
    ]))
}
