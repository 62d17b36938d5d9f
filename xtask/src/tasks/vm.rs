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
use crate::vm::{Layout, base, matrix};

const HELP: &str = "\
cargo xtask vm COMMAND

  list                                   the kernels, and which were fetched
  run KERNEL [OPTIONS] -- CMD [ARG...]   run a command in a guest; its output and exit status are ours
  test [--all] [KERNEL...] [OPTIONS]     doctor, the lab and the freezer selftest in guests, compared with what is expected
                                         (xtask/src/vm/expected.txt): hybrid, with --all also v2 only
  shell KERNEL [OPTIONS]                 a shell in a guest; `exit` ends it

  --v2-only          without v1 hierarchies, which a guest has otherwise beside v2
  --timeout SECONDS  run: end a guest that takes longer (300)
  --jobs N           test: run so many guests at once (2)

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
        Some("test") => test(arguments),
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
    let Some((kernel, programs)) = prepare_one(choice.series)? else { return Ok(ExitCode::FAILURE) };
    let words: Option<Vec<_>> = choice.command.iter().map(|word| word.to_str().map(quote)).collect();
    let script = words.context("the command is no UTF-8")?.join(" ");
    let mut failed = None;
    let guest = guest(choice.series, &kernel, choice.layout, &programs);
    let status = guest.run(script, choice.limit, |line| {
        failed = failed.take().or_else(|| std::io::stdout().write_all(line).err());
    })?;
    guest.forget()?;
    match failed {
        None => Ok(ExitCode::from(status)),
        Some(error) => Err(error).context("could not print what the guest printed"),
    }
}

fn shell(choice: &Choice) -> anyhow::Result<ExitCode> {
    let Some((kernel, programs)) = prepare_one(choice.series)? else { return Ok(ExitCode::FAILURE) };
    let guest = guest(choice.series, &kernel, choice.layout, &programs);
    guest.shell()?;
    guest.forget()?;
    Ok(ExitCode::SUCCESS)
}

fn test(arguments: &mut Parser) -> anyhow::Result<ExitCode> {
    let (mut chosen, mut layouts, mut at_once) = (Vec::new(), &[Layout::Hybrid][..], matrix::AT_ONCE);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("all") => layouts = &Layout::ALL,
            Arg::Long("v2-only") => layouts = &[Layout::V2Only],
            Arg::Long("jobs") => at_once = arguments.value()?.parse()?,
            Arg::Value(name) => chosen.push(Series::named(&name.string()?)?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    if chosen.is_empty() {
        chosen.extend(SERIES);
    }
    let Some((kernels, programs)) = prepare(&chosen, Steps::new)? else { return Ok(ExitCode::FAILURE) };
    let pairs = chosen.iter().zip(&kernels);
    let guests =
        pairs.flat_map(|(series, kernel)| layouts.iter().map(move |layout| (series, kernel, *layout)));
    let guests = guests.map(|(series, kernel, layout)| {
        let name = format!("{}-{}", series.name, layout.name());
        (series.name, Guest { name, kernel, layout, programs: &programs })
    });
    println!("\n{}", matrix::heading());
    let examined = matrix::run(guests.collect(), at_once, |one| println!("{}", one.row()))?;
    println!();
    for one in &examined {
        print!("{}", one.complaint());
    }
    let right = examined.iter().filter(|one| one.is_right()).count();
    println!("{right} of {} guests as expected", examined.len());
    Ok(if right == examined.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Installs, fetches and builds what guests need.
fn prepare(
    chosen: &[&Series],
    steps: impl FnOnce(usize) -> anyhow::Result<Steps>,
) -> anyhow::Result<Option<(Vec<Kernel>, Vec<Program>)>> {
    let needs: Vec<_> = packages::missing_for_guests().into_iter().collect();
    let mut steps = steps(needs.len() + chosen.len() + 2)?;
    if !setup::install(needs, &mut steps) || steps.run("base packages for guests", base::fetch).is_none() {
        return Ok(None);
    }
    let mut kernels = Vec::new();
    for series in chosen {
        let name = format!("kernel {} of {}", series.name, series.suite);
        let Some(kernel) = steps.run(&name, |log| series.fetch(log)) else { return Ok(None) };
        kernels.push(kernel);
    }
    Ok(Some(kernels).zip(steps.run("build of the static programs", programs::build)))
}

/// For one guest, with the steps on stderr: stdout is the guest's.
fn prepare_one(series: &Series) -> anyhow::Result<Option<(Kernel, Vec<Program>)>> {
    let prepared = prepare(&[series], Steps::on_stderr)?;
    Ok(prepared.and_then(|(mut kernels, programs)| kernels.pop().zip(Some(programs))))
}

fn guest<'a>(series: &Series, kernel: &'a Kernel, layout: Layout, programs: &'a [Program]) -> Guest<'a> {
    // Two at once must not write to the same files.
    let name = format!("{}-{}-{}", series.name, layout.name(), std::process::id());
    Guest { name, kernel, layout, programs }
}
