//! Freezes that other programs ask for.

use std::fs;
use std::path::Path;
use std::time::Instant;

use freezer_lab::agent::Run;
use freezer_lab::undo::Undo;
use freezer_lab::{Cgroup, Scene, State, proc, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{SOON, agent};

/// Counts in a file for as long as it runs; `$1` is the file.
pub const COUNTS: &str = r#"while :; do echo . >>"$1"; sleep 0.02; done"#;

/// Whether such a count goes on.
pub fn counts(file: &Path) -> bool {
    let before = length(file);
    wait::until(SOON, || length(file) > before)
}

/// The count.
pub fn length(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |data| data.len())
}

/// Waits until a process of the cgroup waits for the answer of a silent FUSE server: which one.
pub fn stuck_in(cgroup: &Cgroup) -> i32 {
    let waits = |pid: &i32| proc::stack(*pid).iter().any(|name| name.contains("request_wait_answer"));
    let mut found = None;
    let stuck = || {
        found = cgroup.pids().unwrap_or_default().into_iter().find(waits);
        found.is_some()
    };
    assert!(wait::until(SOON, stuck), "nobody of {:?} is stuck", cgroup.pids());
    found.expect("it was found")
}

/// What `freezer-agent explain` says.
pub fn explain(cgroup: &Cgroup) -> Value {
    let ended = agent("explain", cgroup, &["--json"]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    ended.json().expect("JSON")
}

/// A hanging freeze: `explain` blames one task alone, for the FUSE server it waits for, and leaves the freeze as it is.
pub fn is_explained(cgroup: &Cgroup, stuck: i32, server: i32) {
    let document = explain(cgroup);
    assert_eq!(
        (&document["outcome"], &document["state"]),
        (&"freezing".into(), &"FREEZING".into()),
        "{document:#}"
    );
    blames(&document, stuck, server);
    assert_eq!(cgroup.state().expect("a state"), State::Freezing, "nothing is changed");
}

/// It blames this task alone, for this FUSE server.
pub fn blames(document: &Value, stuck: i32, server: i32) {
    let blockers = document["blockers"].as_array().expect("a list");
    let blamed: Vec<_> = blockers.iter().map(|blocker| (&blocker["tid"], &blocker["cause"])).collect();
    assert_eq!(blamed, [(&stuck.into(), &"fuse-request".into())], "{document:#}");
    let holders = blockers[0]["waits_for"].as_array().expect("a list");
    let is_server =
        |holder: &Value| holder["kind"] == "task" && holder["pid"] == server && holder["frozen"] == false;
    assert!(holders.iter().any(is_server), "{document:#}");
}

/// Starts a program that freezes the cgroup, and stops it in the middle of that: one that asks, takes it back and asks
/// again, as runc does for a fifth of a second in all, is then at one point of it. Starts it again where it was too quick.
pub fn hold(scene: &mut Scene, cgroup: &Cgroup, start: impl Fn() -> Run) -> Run {
    let mut run = start();
    let held = || {
        let pid = run.pid();
        if proc::state(pid) == Some('Z') {
            std::mem::replace(&mut run, start()).end().expect("it has ended");
            return false;
        }
        if !is_freezing(cgroup) {
            return false;
        }
        signal(&run, Signal::SIGSTOP);
        assert!(wait::until(SOON, || is_stopped(pid)), "it stops");
        if !is_freezing(cgroup) {
            signal(&run, Signal::SIGCONT);
        }
        is_freezing(cgroup)
    };
    assert!(at_once(held), "it freezes {}", cgroup.path().display());
    let (pid, start) = (run.pid(), proc::start_time(run.pid()).expect("it is our child"));
    scene.will_undo(Undo::Kill { pid, start }).expect("noted");
    run
}

/// As [`wait::until`], without a pause: what is waited for is over in a moment.
fn at_once(mut condition: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < SOON {
        if condition() {
            return true;
        }
    }
    false
}

/// Whether it is asked to freeze, and does not.
pub fn is_freezing(cgroup: &Cgroup) -> bool {
    cgroup.state().is_ok_and(|state| state == State::Freezing)
}

/// Lets it go on.
pub fn go_on(run: &Run) {
    signal(run, Signal::SIGCONT);
}

fn signal(run: &Run, signal: Signal) {
    kill(Pid::from_raw(run.pid()), signal).expect("it is our child");
}

/// Every thread of it, or it has ended.
fn is_stopped(pid: i32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut tids = threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok());
    tids.all(|tid| matches!(proc::state(tid), Some('T' | 'Z') | None))
}
