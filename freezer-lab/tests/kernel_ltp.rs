//! LTP's checklist for the freezer (testcases/kernel/controllers/freezer), driven through the agent: one test for
//! each of its cases, named after it. LTP wrote it for v1 in 2008; each is tried on v2 too where it has a meaning.

mod support;

use std::process::Command;
use std::thread;
use std::time::Duration;

use freezer_lab::{Hierarchy, Job, State, agent as program, proc, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{SOON, agent, freeze, on_each, runs, stands_still, status, thaw, wait_for_processes};

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("it is there");
}

/// A process stops running when its cgroup is frozen and goes on when it is thawed.
#[test]
fn freeze_thaw() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let task = scene.worker_in(&cgroup, &Job::Spin).expect("a busy loop");
        let pid = scene[task].pid();
        assert!(runs(pid));
        freeze(&cgroup);
        assert!(stands_still(pid));
        thaw(&cgroup);
        assert!(runs(pid));
    });
}

/// A sleep that ends while its process is frozen ends for the process when it is thawed, no sooner.
#[test]
fn freeze_sleep_thaw() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let task = scene.worker_in(&cgroup, &Job::SleepThenSay(50)).expect("a sleeper");
        freeze(&cgroup);
        assert!(scene[task].line(Duration::from_millis(300)).is_err(), "it says nothing while it is frozen");
        thaw(&cgroup);
        scene[task].line(SOON).expect("it has slept");
    });
}

/// A freeze under way, here one that a stuck task holds up, is cancelled by a thaw, and the others run on.
#[test]
fn freeze_cancel() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let (dir, _server) = scene.silent_fuse(None).expect("a mount");
        let stuck = scene.worker_in(&cgroup, &Job::Stat(dir.join("hang"))).expect("a client");
        scene[stuck].wait_stuck(scene[stuck].pid(), 'S', "request_wait_answer", SOON).expect("it waits");
        let other = scene.worker_in(&cgroup, &Job::Spin).expect("a busy loop");
        assert_eq!(agent("freeze", &cgroup, &["--timeout", "200ms", "--on-timeout", "leave"]).code(), 3);
        assert_eq!(status(&cgroup)["state"], "FREEZING");
        thaw(&cgroup);
        assert!(runs(scene[other].pid()));
    });
}

/// LTP has a process freeze its own cgroup and somebody else thaw it. The agent refuses to freeze itself (exit 7)
/// and changes nothing: nobody might be left to thaw it.
#[test]
fn freeze_self_thaw() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let mut from_within = Command::new("sh");
        from_within.args([
            "-c",
            r#"echo $$ > "$1/cgroup.procs" && exec "$2" freeze --cgroup "$1" --json"#,
            "sh",
        ]);
        from_within.arg(cgroup.path()).arg(program::path().expect("the agent"));
        let ended = program::spawn(from_within).and_then(program::Run::end).expect("it ends");
        assert_eq!(ended.code(), 7, "{}", ended.stderr);
        assert_eq!(ended.json().expect("JSON")["outcome"], "refused");
        assert_eq!(cgroup.state().expect("a state"), State::Thawed);
    });
}

/// A process killed while frozen: in v1 it is there until the thaw, in v2 it dies at once.
#[test]
fn freeze_kill_thaw() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let task = scene.worker_in(&cgroup, &Job::Spin).expect("a busy loop");
        freeze(&cgroup);
        signal(scene[task].pid(), Signal::SIGKILL);
        if hierarchy == Hierarchy::V1 {
            thread::sleep(Duration::from_millis(50));
            assert_eq!(cgroup.pids().expect("pids"), [scene[task].pid()]);
            thaw(&cgroup);
        }
        wait_for_processes(&cgroup, 0);
    });
}

/// LTP expects that a frozen process cannot be moved to a thawed cgroup. The kernel allows it now
/// (`kernel/cgroup/legacy_freezer.c`, `freezer_attach`): the process is moved and thawed.
#[test]
fn freeze_move_thaw() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let other = scene.cgroup(hierarchy).expect("another");
        let task = scene.worker_in(&cgroup, &Job::Spin).expect("a busy loop");
        freeze(&cgroup);
        scene[task].put_in(&other).expect("it can be moved");
        assert!(runs(scene[task].pid()));
        assert_eq!(status(&cgroup)["state"], "FROZEN");
    });
}

/// A process stopped, frozen and thawed is still stopped, and goes on when it is continued.
#[test]
fn stop_freeze_thaw_cont() {
    stop_freeze_wait_thaw_cont(Duration::ZERO);
}

/// The same with some time spent frozen.
#[test]
fn stop_freeze_sleep_thaw_cont() {
    stop_freeze_wait_thaw_cont(Duration::from_millis(200));
}

fn stop_freeze_wait_thaw_cont(pause: Duration) {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let task = scene.worker_in(&cgroup, &Job::Spin).expect("a busy loop");
        let pid = scene[task].pid();
        signal(pid, Signal::SIGSTOP);
        scene[task].wait_stuck(pid, 'T', "", SOON).expect("it stops");
        freeze(&cgroup);
        thread::sleep(pause);
        thaw(&cgroup);
        scene[task].wait_stuck(pid, 'T', "", SOON).expect("it is stopped");
        assert!(stands_still(pid));
        signal(pid, Signal::SIGCONT);
        assert!(runs(pid));
    });
}

/// A cgroup in which processes fork all the time can be frozen again and again.
#[test]
fn fork_freeze() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        scene.worker_in(&cgroup, &Job::ForkStorm(30)).expect("a storm");
        for _ in 0..5 {
            freeze(&cgroup);
            let frozen = cgroup.pids().expect("pids");
            thread::sleep(Duration::from_millis(20));
            assert_eq!(cgroup.pids().expect("pids"), frozen, "nobody comes or goes");
            thaw(&cgroup);
        }
    });
}

/// A parent that waits in D for its vfork child freezes; LTP has child and parent in the cgroup, as here.
#[test]
fn vfork_freeze() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let task = scene.worker_in(&cgroup, &Job::Vfork).expect("a parent");
        wait_for_processes(&cgroup, 2);
        scene[task].wait_stuck(scene[task].pid(), 'D', "", SOON).expect("it waits");
        freeze(&cgroup);
        thaw(&cgroup);
        assert!(wait::until(SOON, || proc::state(scene[task].pid()) == Some('D')), "it waits on");
    });
}

/// FREEZING cannot be written, neither to a thawed nor to a frozen cgroup, and changes nothing. LTP expects EIO; the
/// kernel says EINVAL.
#[test]
fn write_freezing() {
    on_each(&[Hierarchy::V1], |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let refused = || cgroup.write("freezer.state", "FREEZING").expect_err("no such request").errno();
        assert_eq!(refused(), Some(libc::EINVAL));
        assert_eq!(status(&cgroup)["state"], "THAWED");
    });
}

/// The same in a frozen cgroup.
#[test]
fn freeze_write_freezing() {
    on_each(&[Hierarchy::V1], |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        freeze(&cgroup);
        let refused = cgroup.write("freezer.state", "FREEZING").expect_err("no such request");
        assert_eq!(refused.errno(), Some(libc::EINVAL));
        assert_eq!(status(&cgroup)["state"], "FROZEN");
    });
}
