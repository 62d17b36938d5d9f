//! The lab itself: a scene makes what it says and leaves nothing behind, however it ends.

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use freezer_lab::{Hierarchy, Job, Scene, State, mounts, proc, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_stat_on_a_silent_fuse_mount_keeps_both_freezers_waiting() {
    let Some(_turn) = support::turn() else { return };
    for hierarchy in support::present(&Hierarchy::BOTH) {
        let mut scene = Scene::new();
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        scene.worker_in(&cgroup, &Job::Sleep).expect("a sleeper");
        let (dir, _server) = scene.silent_fuse(None).expect("a mount");
        let id = scene.worker_in(&cgroup, &Job::Stat(dir.join("hang"))).expect("a client");
        let pid = scene[id].pid();
        scene[id].wait_stuck(pid, 'S', "request_wait_answer", LIMIT).expect("it waits");
        cgroup.freeze().expect("asked");
        scene[id].wait_stuck(pid, 'D', "request_wait_answer", LIMIT).expect("it waits on");
        assert_eq!(cgroup.state().expect("a state"), State::Freezing);
        assert!(scene.take_down().is_empty());
        assert!(!cgroup.path().exists() && !dir.exists() && proc::state(pid).is_none());
    }
}

/// Set up in a process of its own, which is then ended: whatever made it end, nothing is left.
fn held_and_ended_by(signal: Signal) {
    let Some(_turn) = support::turn() else { return };
    for case in ["fuse-server-inside", "fs-frozen-mkdir", "frozen-elsewhere", "lock-directory"] {
        let mut holder = Command::new(env!("CARGO_BIN_EXE_freezer-lab"))
            .args(["hold", case])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the lab");
        let mut lines = BufReader::new(holder.stdout.take().expect("its stdout")).lines();
        let cgroup = lines.next().expect("a line").expect("text");
        let cgroup = Path::new(cgroup.strip_prefix("cgroup   ").expect("the cgroup first")).to_path_buf();
        assert!(lines.any(|line| line.is_ok_and(|line| line.starts_with("ready"))), "{case} is set up");
        let frozen = cgroup.join("freezer.state");
        let (file, text) =
            if frozen.exists() { (frozen, "FROZEN") } else { (cgroup.join("cgroup.freeze"), "1") };
        fs::write(file, text).expect("somebody freezes it");

        kill(Pid::from_raw(holder.id().cast_signed()), signal).expect("the holder is there");
        holder.wait().expect("the holder ends");
        let mark = format!("lab-{}-", holder.id());
        assert!(wait::until(LIMIT, || leftovers(&mark).is_empty()), "{case}: {:?}", leftovers(&mark));
    }
}

/// Cgroups, mounts and folders that carry a holder's mark.
fn leftovers(mark: &str) -> Vec<String> {
    let roots = Hierarchy::BOTH.iter().filter_map(|hierarchy| mounts::freezer(*hierarchy).ok());
    let folders =
        roots.chain([std::env::temp_dir()]).filter_map(|root| fs::read_dir(root).ok()).flatten().flatten();
    let names = folders.map(|entry| entry.path().display().to_string()).filter(|path| path.contains(mark));
    let mounted = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    names.chain(mounted.lines().filter(|line| line.contains(mark)).map(str::to_owned)).collect()
}

#[test]
fn ctrl_c_takes_everything_down() {
    held_and_ended_by(Signal::SIGINT);
}

#[test]
fn a_terminated_holder_leaves_nothing() {
    held_and_ended_by(Signal::SIGTERM);
}

#[test]
fn the_watchdog_takes_everything_down_for_a_holder_killed_outright() {
    held_and_ended_by(Signal::SIGKILL);
}

#[test]
fn what_the_lab_did_not_make_it_does_not_take() {
    let Some(_turn) = support::turn() else { return };
    for hierarchy in support::present(&Hierarchy::BOTH) {
        let mut first = Scene::new();
        let cgroup = first.cgroup(hierarchy).expect("a cgroup");
        let name = cgroup.name().expect("a name").display().to_string();
        let mut second = Scene::new();
        assert!(second.cgroup_named(hierarchy, &name).is_err());
        assert!(second.take_down().is_empty());
        assert!(cgroup.path().exists());
    }
}
