//! Measures the agent against what a user would do instead, in one run on one machine, and against its limits.
//!
//! Started by `cargo xtask bench`. Medians; rivals take turns, so that what else the machine does falls on all alike.

mod agent;
mod crowd;
mod measure;
mod rivals;
mod runc;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use freezer_lab::{Cgroup, Hierarchy, Job, Scene, mounts};

use agent::{Agent, Explained, Figure};
use measure::{median, rounds};
use table::{Limit, Quantity, Row};

/// Enough for a median that stands still.
const MANY: usize = 101;
/// For what takes tens of milliseconds each.
const SOME: usize = 11;

#[derive(Parser)]
struct Options {
    /// The program to measure
    agent: PathBuf,
    /// Succeed also when a limit is exceeded
    #[arg(long)]
    no_fail: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    freezer_lab::run_as_worker_if_asked();
    let options = Options::parse();
    let agent = Agent::new(options.agent);
    let mut rows = Vec::new();
    for hierarchy in Hierarchy::BOTH.into_iter().filter(|one| mounts::freezer(*one).is_ok()) {
        rows.push(plain_freeze(&agent, hierarchy)?);
    }
    rows.extend(against_runc(&agent)?);
    for hierarchy in Hierarchy::BOTH.into_iter().filter(|one| mounts::freezer(*one).is_ok()) {
        rows.extend(explained(&agent, hierarchy)?);
        rows.extend(crowd::diagnosis(&agent, hierarchy)?);
    }
    print!("{}", table::show(&rows));
    let within = rows.iter().all(Row::holds);
    Ok(if within || options.no_fail { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `freeze` as a whole process on one task, against a shell that writes the request and reads until it is confirmed.
fn plain_freeze(agent: &Agent, hierarchy: Hierarchy) -> anyhow::Result<Row> {
    measuring(&format!("freeze without --explain against a shell, {hierarchy}"));
    let mut scene = Scene::new();
    let cgroup = tasks(&mut scene, hierarchy, 1)?;
    let mut shell = || rivals::shell_freeze(&cgroup);
    let mut ours = || agent.freeze(cgroup.path());
    let [shell, ours] = rounds(MANY, [&mut shell, &mut ours], || rivals::thaw(&cgroup))?;
    Ok(Row::new(
        format!("freeze, one task, {hierarchy}: whole process"),
        Ok(Quantity::Time(ours)),
        Limit::AtMost(
            Quantity::Time(shell * 1.5),
            format!("1.5 x {} of a shell's loop", Quantity::Time(shell)),
        ),
    ))
}

/// The same against `runc pause` of a container, where runc is installed.
fn against_runc(agent: &Agent) -> anyhow::Result<Option<Row>> {
    measuring("freeze without --explain against runc pause");
    let mut scene = Scene::new();
    let Some(container) = runc::Runc::start(&mut scene)? else {
        eprintln!("  runc is not installed: not compared with it");
        return Ok(None);
    };
    let mut pause = || container.pause();
    let mut ours = || agent.freeze(container.cgroup());
    let [pause, ours] = rounds(MANY, [&mut pause, &mut ours], || container.resume())?;
    Ok(Some(Row::new(
        "freeze of a runc container: whole process".to_owned(),
        Ok(Quantity::Time(ours)),
        Limit::AtMost(Quantity::Time(pause), "runc pause".to_owned()),
    )))
}

/// What `--explain` costs and how soon it knows, from the agent's own figures.
fn explained(agent: &Agent, hierarchy: Hierarchy) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for count in [1, 100, 1000] {
        measuring(&format!("freeze --explain, tasks: {count}, {hierarchy}"));
        let mut scene = Scene::new();
        let cgroup = tasks(&mut scene, hierarchy, count)?;
        let runs = explained_runs(agent, &cgroup)?;
        let of = |figure: Figure| agent::median_of(&runs, figure);
        if count == 1 {
            rows.push(Row::new(
                format!("freeze --explain, {hierarchy}: start to the write of the request"),
                of(Figure::StartToWrite).map(Quantity::Time),
                Limit::AtMost(Quantity::Time(80e6), "on an idle 2-core guest".to_owned()),
            ));
            rows.push(Row::new(
                format!("sched_switch program, task outside the cgroup, {hierarchy}"),
                of(Figure::SwitchOutside).map(Quantity::Time),
                Limit::AtMost(Quantity::Time(150.0), "by the kernel's run-time statistics".to_owned()),
            ));
        }
        rows.push(Row::new(
            format!("freeze --explain, {hierarchy}, tasks: {count}: last one frozen to known"),
            of(Figure::FrozenToKnown).map(Quantity::Time),
            Limit::AtMost(Quantity::Time(200e3), "kernel clock".to_owned()),
        ));
        if count == 1000 {
            rows.push(Row::new(
                format!("freeze --explain, {hierarchy}, tasks: {count}: peak memory"),
                of(Figure::PeakMemory).map(Quantity::Bytes),
                Limit::AtMost(Quantity::Bytes(40e6), "resident".to_owned()),
            ));
            measuring("a snapshot of all tasks against /proc");
            rows.push(snapshot(of(Figure::Snapshot))?);
        }
    }
    Ok(rows)
}

/// Stops at the first run that fails: the others would too.
fn explained_runs(agent: &Agent, cgroup: &Cgroup) -> anyhow::Result<Vec<anyhow::Result<Explained>>> {
    let mut runs = Vec::new();
    for _ in 0..SOME {
        let run = agent.explain(cgroup.path());
        let failed = run.is_err();
        runs.push(run);
        if failed {
            cgroup.thaw()?;
            break;
        }
        rivals::thaw(cgroup)?;
    }
    Ok(runs)
}

fn snapshot(ours: anyhow::Result<f64>) -> anyhow::Result<Row> {
    let mut times = Vec::new();
    for _ in 0..SOME {
        times.push(rivals::proc_snapshot()?);
    }
    let proc = median(&mut times);
    Ok(Row::new(
        "snapshot of the host with stacks: times faster than /proc".to_owned(),
        ours.map(|ours| Quantity::Times(proc / ours)),
        Limit::AtLeast(Quantity::Times(10.0), format!("/proc takes {}", Quantity::Time(proc))),
    ))
}

/// A cgroup with so many sleeping tasks.
fn tasks(scene: &mut Scene, hierarchy: Hierarchy, count: usize) -> anyhow::Result<Cgroup> {
    const PER_PROCESS: usize = 100;
    let cgroup = scene.cgroup(hierarchy)?;
    let mut left = count;
    while left > 0 {
        let threads = left.min(PER_PROCESS);
        scene.worker_in(&cgroup, &Job::Threads(threads))?;
        left -= threads;
    }
    Ok(cgroup)
}

fn measuring(what: &str) {
    eprintln!("measuring: {what}");
}
