//! What the tests of this folder share.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod containers;
pub mod others;

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use freezer_lab::agent::{self, Ended};
use freezer_lab::cases::{self, Place, Stage};
use freezer_lab::{Cgroup, Hierarchy, Scene, State, Turn, mounts, proc, wait};
use serde_json::Value;

/// How long anything may take that should happen at once, on a loaded machine.
pub const SOON: Duration = Duration::from_secs(10);

/// Waits for this test's turn. `None`, said loudly, where it cannot run; a failure where nothing may be skipped.
pub fn turn() -> Option<Turn> {
    if !nix::unistd::geteuid().is_root() {
        skip("freezing cgroups needs root");
        return None;
    }
    Some(Turn::wait().expect("a turn"))
}

/// The hierarchies of a list that this host has.
pub fn present(wanted: &[Hierarchy]) -> Vec<Hierarchy> {
    let (present, missing): (Vec<_>, Vec<_>) =
        wanted.iter().partition(|hierarchy| mounts::freezer(**hierarchy).is_ok());
    if present.is_empty() {
        skip(&format!("this host has no {missing:?} freezer"));
    }
    present
}

/// Says that a test does not run, also past the test runner, which hides what a passing test prints.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "no test may be skipped where CI is set: {why}");
    println!("skipped: {why}");
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    writeln!(std::io::stderr(), "SKIPPED: {name}: {why}").expect("stderr");
}

/// Runs a test's body in a scene of its own on each hierarchy, and checks that nothing of it is left.
pub fn on_each(wanted: &[Hierarchy], body: impl Fn(&mut Scene, Hierarchy)) {
    let Some(_turn) = turn() else { return };
    for hierarchy in present(wanted) {
        let mut scene = Scene::new();
        body(&mut scene, hierarchy);
        let left: Vec<_> = scene.take_down().iter().map(ToString::to_string).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// A case of the lab, set up.
pub fn stage(scene: &mut Scene, name: &str, hierarchy: Hierarchy) -> Stage {
    let all = cases::all();
    let case = all.iter().find(|case| case.name == name).expect("a case of the list");
    (case.set_up)(scene, &Place::new(hierarchy)).expect("the case can be set up")
}

/// The same with what is to be done right before the freeze.
pub fn stage_ready(scene: &mut Scene, name: &str, hierarchy: Hierarchy) -> Stage {
    let mut stage = stage(scene, name, hierarchy);
    if let Some(trigger) = stage.trigger.take() {
        trigger(scene).expect("the mechanism sets in");
    }
    stage
}

/// Runs the agent as root without the capabilities that BPF needs.
pub fn without_bpf(arguments: &[&str], stage: &Stage) -> (Option<i32>, Value) {
    /// `CAP_SYS_ADMIN`, `CAP_PERFMON`, `CAP_BPF` (include/uapi/linux/capability.h).
    const NEEDED: [libc::c_ulong; 3] = [21, 38, 39];
    let drop = || {
        // SAFETY: prctl with numbers. What leaves the bounding set is not given to root's programs by execve.
        let dropped =
            |&right: &libc::c_ulong| unsafe { libc::prctl(libc::PR_CAPBSET_DROP, right, 0, 0, 0) } == 0;
        if NEEDED.iter().all(dropped) { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    let mut command = Command::new(agent::path().expect("the agent is built"));
    command.args(arguments).arg("--cgroup").arg(stage.cgroup.path()).arg("--json");
    // SAFETY: system calls alone between fork and exec.
    let output = unsafe { command.pre_exec(drop) }.output().expect("the agent runs");
    (output.status.code(), serde_json::from_slice(&output.stdout).expect("one JSON object"))
}

/// What `freezer-agent replay` says of a record.
pub fn replay(record: &str) -> Value {
    let mut command = Command::new(agent::path().expect("the agent is built"));
    command.args(["replay", "--json", record]);
    agent::spawn(command).and_then(agent::Run::end).and_then(|ended| ended.json()).expect("one JSON object")
}

/// `freezer-agent freeze`, which must succeed and must be true.
pub fn freeze(cgroup: &Cgroup) {
    succeeds("freeze", cgroup);
    assert_eq!(cgroup.state().expect("a state"), State::Frozen);
}

/// `freezer-agent thaw`, which must succeed and must be true.
pub fn thaw(cgroup: &Cgroup) {
    succeeds("thaw", cgroup);
    assert_eq!(cgroup.state().expect("a state"), State::Thawed);
}

fn succeeds(command: &str, cgroup: &Cgroup) {
    let ended = agent(command, cgroup, &[]);
    assert_eq!(ended.code(), 0, "{command}: {}{}", ended.stdout, ended.stderr);
}

/// Any command of the agent.
pub fn agent(command: &str, cgroup: &Cgroup, arguments: &[&str]) -> Ended {
    agent::run(command, cgroup, arguments).expect("the agent ends")
}

/// The row that `freezer-agent status` has for a cgroup.
pub fn status(cgroup: &Cgroup) -> Value {
    let ended = agent("status", cgroup, &["--json"]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    ended.json().expect("JSON")["cgroups"][0].clone()
}

/// Waits until a cgroup itself, without its children, holds so many processes.
pub fn wait_for_processes(cgroup: &Cgroup, count: usize) {
    let pids = || cgroup.pids().map(|pids| pids.len());
    assert!(wait::until(SOON, || pids().is_ok_and(|found| found == count)), "{:?}, not {count}", pids());
}

/// Whether a busy loop makes headway.
pub fn runs(pid: i32) -> bool {
    let before = proc::user_ticks(pid);
    wait::until(SOON, || proc::user_ticks(pid) > before)
}

/// Whether a busy loop has come to stand still for a while: it is marked as frozen a moment before it leaves its CPU, and
/// what it ran until then is told only after that.
pub fn stands_still(pid: i32) -> bool {
    let stands = || {
        let before = proc::user_ticks(pid);
        !wait::until(Duration::from_millis(100), || proc::user_ticks(pid) > before)
    };
    (0..3).any(|_| stands())
}
