//! `cargo xtask vm`: other kernels, in qemu.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use lexopt::{Arg, Parser, ValueExt};

use crate::setup::{self, packages};
use crate::step::Steps;
use crate::vm::guest::{Guest, quote};
use crate::vm::kernel::{Kernel, SERIES, Series};
use crate::vm::programs::{self, Program};
use crate::vm::{Layout, base};

const HELP: &str = "\
cargo xtask vm COMMAND

  list                                   the kernels, and which were fetched
  run KERNEL [OPTIONS] -- CMD [ARG...]   run a command in a guest; its output and exit status are ours
  shell KERNEL [OPTIONS]                 a shell in a guest; `exit` ends it

  --v2-only          without v1 hierarchies, which a guest has otherwise beside v2
  --timeout SECONDS  end a guest that takes longer (300)

In a guest: freezer-agent, freezer-lab, freezer-demo, freezer-bench, tests/kernel_selftests, busybox, mkfs.ext4.
";

pub fn run(arguments: &mut Parser) -> anyhow::Result<ExitCode> {
    let Some(Arg::Value(command)) = arguments.next()? else {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    };
    match command.to_str() {
        Some("help") => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Some("list") => {
            super::no_more(arguments)?;
            list()
        }
        Some("run") => run_one(&Choice::read(arguments, true)?),
        Some("shell") => shell(&Choice::read(arguments, false)?),
        _ => {
            eprint!("xtask: there is no command {}\n\n{HELP}", command.display());
            Ok(ExitCode::from(2))
        }
    }
}

/// One guest, as asked for.
struct Choice {
    series: &'static Series,
    layout: Layout,
    limit: Duration,
    command: Vec<OsString>,
}

impl Choice {
    fn read(arguments: &mut Parser, with_command: bool) -> anyhow::Result<Self> {
        let (mut series, mut layout, mut seconds) = (None, Layout::Hybrid, 300);
        let mut command = Vec::new();
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("v2-only") => layout = Layout::V2Only,
                Arg::Long("timeout") => seconds = arguments.value()?.parse()?,
                Arg::Value(name) if series.is_none() => series = Some(Series::named(&name.string()?)?),
                // With or without `--` before it: all behind it is the command's.
                Arg::Value(word) if with_command => {
                    command.push(word);
                    command.extend(arguments.raw_args()?);
                }
                _ => return Err(argument.unexpected().into()),
            }
        }
        let series = series.context("which kernel? `cargo xtask vm list` has them")?;
        ensure!(
            !with_command || !command.is_empty(),
            "what is to be run? `cargo xtask vm run {} -- freezer-agent doctor`",
            series.name
        );
        Ok(Choice { series, layout, limit: Duration::from_secs(seconds), command })
    }
}

fn list() -> anyhow::Result<ExitCode> {
    for series in SERIES {
        let release = series.kept()?.map(|kernel| kernel.release);
        let release = release.as_deref().unwrap_or("fetched when it is first used");
        println!("{:<6} {:<18} {release}", series.name, series.suite);
    }
    Ok(ExitCode::SUCCESS)
}

fn run_one(choice: &Choice) -> anyhow::Result<ExitCode> {
    let Some((kernel, programs)) = prepare(choice.series)? else { return Ok(ExitCode::FAILURE) };
    let words: Option<Vec<_>> = choice.command.iter().map(|word| word.to_str().map(quote)).collect();
    let script = words.context("the command is no UTF-8")?.join(" ");
    let mut failed = None;
    let status =
        guest(choice.series, &kernel, choice.layout, &programs).run(script, choice.limit, |line| {
            failed = failed.take().or_else(|| std::io::stdout().write_all(line).err());
        })?;
    match failed {
        None => Ok(ExitCode::from(status)),
        Some(error) => Err(error).context("could not print what the guest printed"),
    }
}

fn shell(choice: &Choice) -> anyhow::Result<ExitCode> {
    let Some((kernel, programs)) = prepare(choice.series)? else { return Ok(ExitCode::FAILURE) };
    guest(choice.series, &kernel, choice.layout, &programs).shell()?;
    Ok(ExitCode::SUCCESS)
}

/// Steps on stderr: stdout is the guest's.
fn prepare(series: &Series) -> anyhow::Result<Option<(Kernel, Vec<Program>)>> {
    let needs: Vec<_> = packages::missing_for_guests().into_iter().collect();
    let mut steps = Steps::on_stderr(needs.len() + 3)?;
    if !setup::install(needs, &mut steps) {
        return Ok(None);
    }
    let base = steps.run("base packages for guests", base::fetch);
    let kernel = steps.run(&fetching(series), |log| series.fetch(log));
    let programs = steps.run(BUILD, programs::build);
    Ok(base.and(kernel.zip(programs)))
}

fn fetching(series: &Series) -> String {
    format!("kernel {} of {}", series.name, series.suite)
}

const BUILD: &str = "build of the static programs";

fn guest<'a>(series: &Series, kernel: &'a Kernel, layout: Layout, programs: &'a [Program]) -> Guest<'a> {
    // Two at once must not write to the same files.
    let name = format!("{}-{}-{}", series.name, layout.name(), std::process::id());
    Guest { name, kernel, layout, programs }
}
