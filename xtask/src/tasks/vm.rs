//! `cargo xtask vm`: other kernels, in qemu.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use lexopt::{Arg, Parser, ValueExt};

use crate::counts::Counts;
use crate::host;
use crate::interrupt::Interrupt;
use crate::readme;
use crate::setup;
use crate::step::{Log, Outcome, Steps};
use crate::vm::extent::Extent;
use crate::vm::guest::{Guest, Limit, quote};
use crate::vm::kernel::{Kernel, SERIES, Series};
use crate::vm::machine::Machine;
use crate::vm::matrix::{self, Candidate, Examined, Matrix};
use crate::vm::others;
use crate::vm::programs::{self, Program};
use crate::vm::{Layout, base, recorded};

const HELP: &str = "\
cargo xtask vm COMMAND

  list                                   the kernels, and which were fetched
  run KERNEL [OPTIONS] -- CMD [ARG...]   run a command in a guest; its output and exit status are ours
  test [KERNEL...] [OPTIONS]             doctor, chosen cases of the lab and the freezer selftest in guests of both layouts,
                                         compared with what is expected (xtask/src/vm/expected.txt, recorded.txt)
  others [NAME...]                       runc, crun, criu, lxc, systemd freeze in guests, and the agent explains and thaws
  shell KERNEL [OPTIONS]                 a shell in a guest; `exit` ends it

  --v2-only          without v1 hierarchies, which a guest of run and shell has otherwise beside v2
  --hybrid           test: only guests that have both
  --all              test: every case of the lab, on each hierarchy, twice (about five times as long)
  --record           test: write what was found to recorded.txt, and the table of kernels in README.md from it
  --append WORDS     run, shell: more words for the kernel, as lockdown=confidentiality
  --timeout SECONDS  run: end a guest that takes longer (300)
  --jobs N           test: run so many guests at once (2)

qemu and xz are installed if they are missing (packages qemu-system-x86, qemu-system-arm and xz-utils), and so is what builds
programs for 64-bit Arm (gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, and Rust's standard library by rustup); kernels come from the Debian mirror that
apt uses here, signature and checksums checked by apt, and stay in ~/.cache/freezer-agent ($FREEZER_AGENT_CACHE).

In a guest: freezer-agent, freezer-lab, freezer-demo, freezer-bench, tests/kernel_*, busybox, mkfs.ext4.
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
        Some("others") => others(arguments),
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
    words: String,
    command: Vec<OsString>,
}

impl Choice {
    fn read(arguments: &mut Parser, with_command: bool) -> anyhow::Result<Self> {
        let (mut series, mut layout, mut seconds) = (None, Layout::Hybrid, 300);
        let (mut command, mut words) = (Vec::new(), String::new());
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("v2-only") => layout = Layout::V2Only,
                Arg::Long("append") => words = arguments.value()?.string()?,
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
        Ok(Choice { series, layout, limit: Duration::from_secs(seconds), words, command })
    }
}

fn list() -> anyhow::Result<ExitCode> {
    for series in SERIES {
        let release = series.kept()?.map(|kernel| kernel.release);
        let release = release.as_deref().unwrap_or("fetched when it is first used");
        println!("{:<11} {:<18} {release}", series.name, series.suite);
    }
    Ok(ExitCode::SUCCESS)
}

fn run_one(choice: &Choice) -> anyhow::Result<ExitCode> {
    let Some((kernel, programs)) = prepare_one(choice.series)? else { return Ok(ExitCode::FAILURE) };
    let words: Option<Vec<_>> = choice.command.iter().map(|word| word.to_str().map(quote)).collect();
    let script = words.context("the command is no UTF-8")?.join(" ");
    let mut failed = None;
    let guest = guest(choice, &kernel, &programs);
    let interrupt = Interrupt::watch()?;
    let limit = Limit { whole: choice.limit, silent: choice.limit };
    let ran = guest.run(script, limit, &interrupt, |line| {
        failed = failed.take().or_else(|| std::io::stdout().write_all(line).err());
    });
    if interrupt.seen() {
        guest.forget()?;
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let status = ran?;
    guest.forget()?;
    match failed {
        None => Ok(ExitCode::from(status)),
        Some(error) => Err(error).context("could not print what the guest printed"),
    }
}

fn shell(choice: &Choice) -> anyhow::Result<ExitCode> {
    let Some((kernel, programs)) = prepare_one(choice.series)? else { return Ok(ExitCode::FAILURE) };
    let guest = guest(choice, &kernel, &programs);
    guest.shell()?;
    guest.forget()?;
    Ok(ExitCode::SUCCESS)
}

fn test(arguments: &mut Parser) -> anyhow::Result<ExitCode> {
    let (mut chosen, mut layouts, mut at_once) = (Vec::new(), &Layout::ALL[..], matrix::AT_ONCE);
    let (mut extent, mut record) = (Extent::Chosen, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("all") => extent = Extent::Every,
            Arg::Long("hybrid") => layouts = &[Layout::Hybrid],
            Arg::Long("v2-only") => layouts = &[Layout::V2Only],
            Arg::Long("record") => record = true,
            Arg::Long("jobs") => at_once = arguments.value()?.parse()?,
            Arg::Value(name) => chosen.push(Series::named(&name.string()?)?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    ensure!(at_once > 0, "--jobs 0 would run nothing");
    ensure!(!(record && extent == Extent::Every), "recorded are the chosen cases: --record without --all");
    if chosen.is_empty() {
        chosen.extend(SERIES);
    }
    let Some((kernels, programs)) = prepare(&chosen, Steps::new)? else { return Ok(ExitCode::FAILURE) };
    let interrupt = Interrupt::watch()?;
    let recorded = if record { None } else { Some(recorded::read()?) };
    let matrix = Matrix { extent, at_once, recorded, interrupt: &interrupt };
    println!("\n{}", matrix::heading());
    let candidates = candidates(&chosen, &kernels, layouts, &programs);
    let number = candidates.len();
    let examined = matrix.run(candidates, |one| println!("{}", one.row()))?;
    println!();
    for one in &examined {
        print!("{}", one.complaint());
    }
    if interrupt.seen() {
        println!("interrupted: every guest was ended");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let right: Vec<_> = examined.into_iter().filter(Examined::is_right).collect();
    let all = right.len() == number;
    println!("{} of {number} guests as expected", right.len());
    if record && !right.is_empty() {
        recorded::write(
            right.into_iter().filter_map(|one| Some((one.name, one.result.ok()?.record))).collect(),
        )?;
        readme::write_kernels()?;
        println!("these are recorded, and README.md has its table of kernels from them");
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn others(arguments: &mut Parser) -> anyhow::Result<ExitCode> {
    let mut chosen = Vec::new();
    while let Some(argument) = arguments.next()? {
        let Arg::Value(name) = argument else { return Err(argument.unexpected().into()) };
        let found = others::SUBJECTS.iter().find(|subject| name == subject.name);
        chosen.push(found.with_context(|| {
            let names: Vec<_> = others::SUBJECTS.iter().map(|subject| subject.name).collect();
            format!("there is no {} here, only {}", name.display(), names.join(", "))
        })?);
    }
    if chosen.is_empty() {
        chosen.extend(others::SUBJECTS);
    }
    let Some((kernels, programs)) = prepare(&[Series::named(others::KERNEL)?], Steps::new)? else {
        return Ok(ExitCode::FAILURE);
    };
    let mut steps = Steps::new(1)?;
    if steps.run("the programs that freeze", others::packages::fetch).is_none() {
        return Ok(ExitCode::FAILURE);
    }
    let interrupt = Interrupt::watch()?;
    let kernel = kernels.first().context("no kernel")?;
    let tried = others::run(&chosen, kernel, programs.of(kernel.machine), &interrupt)?;
    for one in &tried {
        println!("{}", one.row());
    }
    for one in &tried {
        print!("{}", one.complaint());
    }
    Ok(if tried.iter().all(others::Tried::is_right) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// As a shell says it of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn candidates<'a>(
    chosen: &[&'static Series],
    kernels: &'a [Kernel],
    layouts: &[Layout],
    programs: &'a Programs,
) -> Vec<Candidate<'a>> {
    let pairs = chosen.iter().zip(kernels);
    let all = pairs.flat_map(|(series, kernel)| {
        let wanted = series.layouts.iter().filter(|layout| layouts.contains(layout));
        wanted.map(move |layout| (*series, kernel, *layout))
    });
    let candidate = |(series, kernel, layout): (&'static Series, &'a Kernel, Layout)| Candidate {
        series,
        guest: Guest {
            name: format!("{}-{}", series.name, layout.name()),
            kernel,
            layout,
            words: String::new(),
            programs: programs.of(kernel.machine),
            extra: &[],
        },
    };
    all.map(candidate).collect()
}

/// The name of its step in `cargo xtask test`.
pub const IN_TEST: &str = "the same on other kernels, in guests";

/// Every kernel in both layouts, as a part of `cargo xtask test`: what is missing is fetched and built within this one step.
///
/// Where qemu or the kernels cannot be had, nothing runs, and that is said aloud; where CI is set it is an error.
pub fn in_test(log: &Log, interrupt: &Interrupt, counts: &mut Counts) -> anyhow::Result<Counts> {
    let fetched = (|| {
        for need in setup::missing_for_guests(&Machine::ALL)? {
            (need.install)(log)?;
        }
        Machine::ALL.into_iter().try_for_each(|machine| base::fetch(machine, log))?;
        others::packages::fetch(log)?;
        SERIES.iter().map(|series| series.fetch(log)).collect::<anyhow::Result<Vec<_>>>()
    })();
    let kernels = match fetched {
        Ok(kernels) => kernels,
        Err(error) if host::in_ci() => {
            return Err(error).context("no guest can run, and none may be skipped");
        }
        Err(error) => {
            let skipped = Counts {
                skipped: SERIES.iter().map(|series| series.layouts.len()).sum(),
                ..Counts::default()
            };
            counts.add(skipped);
            eprintln!("NOT RUN: no guest can run here: {error:#}");
            return Ok(skipped);
        }
    };
    let programs = built(&Machine::ALL, log)?;
    let recorded = Some(recorded::read()?);
    let matrix = Matrix { extent: Extent::Chosen, at_once: matrix::AT_ONCE, recorded, interrupt };
    log.note(&matrix::heading())?;
    let chosen: Vec<_> = SERIES.iter().collect();
    let candidates = candidates(&chosen, &kernels, &Layout::ALL, &programs);
    // What a note cannot be written of is told at the end all the same.
    let examined = matrix.run(candidates, |one| log.note(&one.row()).unwrap_or_default())?;
    let mut own = Counts::default();
    for one in &examined {
        own.add(one.counts());
        log.note(&one.complaint())?;
    }
    let kernel = SERIES.iter().zip(&kernels).find(|(series, _)| series.name == others::KERNEL);
    let (_, kernel) = kernel.context("the kernel for other people's freezers is not among those tried")?;
    let subjects: Vec<_> = others::SUBJECTS.iter().collect();
    let others = others::run(&subjects, kernel, programs.of(kernel.machine), interrupt)?;
    for one in &others {
        own.add(one.counts());
        log.note(&one.row())?;
        log.note(&one.complaint())?;
    }
    counts.add(own);
    ensure!(!interrupt.seen(), "interrupted: every guest was ended");
    let wrong: Vec<_> = examined.iter().filter(|one| !one.is_right()).map(|one| one.name.as_str()).collect();
    ensure!(wrong.is_empty(), "not as expected: {}", wrong.join(", "));
    ensure!(others.iter().all(others::Tried::is_right), "not as expected with other people's freezers");
    Ok(own)
}

/// Our programs for each machine.
struct Programs(Vec<(Machine, Vec<Program>)>);

impl Programs {
    fn of(&self, machine: Machine) -> &[Program] {
        self.0.iter().find(|(built, _)| *built == machine).map_or(&[], |(_, programs)| programs)
    }
}

impl Outcome for Programs {
    fn note(&self) -> String {
        String::new()
    }
}

fn built(machines: &[Machine], log: &Log) -> anyhow::Result<Programs> {
    let build = |machine: &Machine| Ok((*machine, programs::build(*machine, log)?));
    machines.iter().map(build).collect::<anyhow::Result<_>>().map(Programs)
}

/// Installs, fetches and builds what guests need.
fn prepare(
    chosen: &[&Series],
    steps: impl FnOnce(usize) -> anyhow::Result<Steps>,
) -> anyhow::Result<Option<(Vec<Kernel>, Programs)>> {
    let of = |machine: &Machine| chosen.iter().any(|series| series.machine == *machine);
    let machines: Vec<_> = Machine::ALL.into_iter().filter(of).collect();
    let needs = setup::missing_for_guests(&machines)?;
    let mut steps = steps(needs.len() + chosen.len() + 2)?;
    let packages = |log: &Log| machines.iter().try_for_each(|machine| base::fetch(*machine, log));
    if !setup::install(needs, &mut steps) || steps.run("base packages for guests", packages).is_none() {
        return Ok(None);
    }
    let mut kernels = Vec::new();
    for series in chosen {
        let name = format!("kernel {} of {}", series.name, series.suite);
        let Some(kernel) = steps.run(&name, |log| series.fetch(log)) else { return Ok(None) };
        kernels.push(kernel);
    }
    Ok(Some(kernels).zip(steps.run("build of the static programs", |log| built(&machines, log))))
}

/// For one guest, with the steps on stderr: stdout is the guest's.
fn prepare_one(series: &Series) -> anyhow::Result<Option<(Kernel, Programs)>> {
    let prepared = prepare(&[series], Steps::on_stderr)?;
    Ok(prepared.and_then(|(mut kernels, programs)| kernels.pop().zip(Some(programs))))
}

fn guest<'a>(choice: &Choice, kernel: &'a Kernel, programs: &'a Programs) -> Guest<'a> {
    // Two at once must not write to the same files.
    let name = format!("{}-{}-{}", choice.series.name, choice.layout.name(), std::process::id());
    let programs = programs.of(kernel.machine);
    Guest { name, kernel, layout: choice.layout, words: choice.words.clone(), programs, extra: &[] }
}
