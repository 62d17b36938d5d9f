//! Real cgroups and processes for the tests, taken down again whatever happens, also on a panic.

#![allow(dead_code, reason = "each test file uses a part")]

pub mod helper;

use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use freezer_agent::cgroupfs::Mounts;
use freezer_agent::model::Hierarchy;
use nix::sys::signal::{SigHandler, Signal, kill};
use nix::unistd::Pid;

pub use helper::Helper;

/// The freezer hierarchies that can be tested here; none without root. A skip is loud, and a failure in CI.
pub fn hierarchies() -> Vec<Hierarchy> {
    if !nix::unistd::geteuid().is_root() {
        skip("needs root");
        return Vec::new();
    }
    let mounts = Mounts::read().expect("mountinfo");
    let found: Vec<_> = [Hierarchy::V1, Hierarchy::V2]
        .into_iter()
        .filter(|&hierarchy| mounts.of(Some(hierarchy)).next().is_some())
        .collect();
    if found.is_empty() {
        skip("no freezer hierarchy is mounted");
    }
    found
}

/// The hierarchy, where it can be tested here.
pub fn available(hierarchy: Hierarchy) -> bool {
    let there = hierarchies().contains(&hierarchy);
    if !there {
        skip(&format!("no {hierarchy} freezer hierarchy here"));
    }
    there
}

fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "not skipped in CI: {why}");
    println!("skipped: {why}");
    eprintln!("SKIPPED: {why}");
}

/// A cgroup of this test. Dropped, it thaws its whole subtree, kills what is inside, and removes it.
#[derive(Debug)]
pub struct TestCgroup {
    pub hierarchy: Hierarchy,
    pub dir: PathBuf,
    pub name: String,
}

impl TestCgroup {
    pub fn new(hierarchy: Hierarchy) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self::named(hierarchy, &format!("freezer-test-{}-{number}", std::process::id()))
    }

    pub fn named(hierarchy: Hierarchy, name: &str) -> Self {
        let mounts = Mounts::read().expect("mountinfo");
        let dir = mounts.of(Some(hierarchy)).next().expect("a mount").point.join(name);
        fs::create_dir(&dir).expect("a new cgroup");
        Self { hierarchy, dir, name: name.to_owned() }
    }

    /// A cgroup below, removed with this one.
    pub fn child(&self, name: &str) -> PathBuf {
        let dir = self.dir.join(name);
        fs::create_dir(&dir).expect("a new cgroup");
        dir
    }

    pub fn path(&self) -> &str {
        self.dir.to_str().expect("a path in text")
    }

    pub fn add(&self, pid: u32) {
        add_to(&self.dir, pid);
    }

    /// Writes the request by hand, as somebody else would.
    pub fn request(&self, freeze: bool) {
        request_by_hand(self.hierarchy, &self.dir, freeze).expect("a request");
    }

    /// `freezer.state`, or the `frozen` line of `cgroup.events`, as the kernel says it now.
    pub fn is_frozen(&self) -> bool {
        match self.hierarchy {
            Hierarchy::V1 => self.read("freezer.state") == "FROZEN\n",
            Hierarchy::V2 => self.read("cgroup.events").contains("frozen 1"),
        }
    }

    /// The cgroup's own request, as the kernel says it now.
    pub fn is_requested(&self) -> bool {
        match self.hierarchy {
            Hierarchy::V1 => self.read("freezer.self_freezing") == "1\n",
            Hierarchy::V2 => self.read("cgroup.freeze") == "1\n",
        }
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.dir.join(file)).expect("a cgroup file")
    }
}

impl Drop for TestCgroup {
    fn drop(&mut self) {
        if self.dir.exists() {
            tear_down(self.hierarchy, &self.dir);
        }
    }
}

pub fn add_to(dir: &Path, pid: u32) {
    fs::write(dir.join("cgroup.procs"), pid.to_string()).expect("a process moved in");
}

pub fn request_by_hand(hierarchy: Hierarchy, dir: &Path, freeze: bool) -> io::Result<()> {
    let (file, word) = match (hierarchy, freeze) {
        (Hierarchy::V1, true) => ("freezer.state", "FROZEN"),
        (Hierarchy::V1, false) => ("freezer.state", "THAWED"),
        (Hierarchy::V2, true) => ("cgroup.freeze", "1"),
        (Hierarchy::V2, false) => ("cgroup.freeze", "0"),
    };
    fs::write(dir.join(file), word)
}

/// Thaws from the top down, kills and removes from the bottom up.
fn tear_down(hierarchy: Hierarchy, dir: &Path) {
    request_by_hand(hierarchy, dir, false).ok();
    let below = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        tear_down(hierarchy, &entry.path());
    }
    let file = if hierarchy == Hierarchy::V1 { "tasks" } else { "cgroup.threads" };
    let deadline = Instant::now() + Duration::from_secs(5);
    while fs::remove_dir(dir).is_err() && dir.exists() {
        for tid in fs::read_to_string(dir.join(file)).unwrap_or_default().lines() {
            // Thread ids will do: the signal goes to the whole process.
            kill(Pid::from_raw(tid.parse().expect("a thread id")), Signal::SIGKILL).ok();
        }
        if Instant::now() > deadline {
            eprintln!("could not remove {}", dir.display());
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a finished agent left.
#[derive(Debug)]
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let code = output.status.code().unwrap_or_else(|| -output.status.signal().unwrap_or(0));
        let text = |bytes| String::from_utf8(bytes).expect("output is text");
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

pub fn agent_command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_freezer-agent"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the agent to its end.
pub fn agent(args: &[&str]) -> Finished {
    agent_command(args).output().expect("the agent runs").into()
}

/// Starts the agent and comes back when its request stands.
pub fn agent_that_waits(cgroup: &TestCgroup, args: &[&str]) -> Child {
    let mut command = agent_command(args);
    // SAFETY: setting the default action is safe after a fork.
    unsafe { command.pre_exec(heed_signals) };
    let child = command.spawn().expect("the agent runs");
    until("the request", || cgroup.is_requested());
    child
}

/// Under nohup, or in the background of a script, those that tests send would be ignored, and the agent inherits that.
fn heed_signals() -> io::Result<()> {
    for sent in [Signal::SIGINT, Signal::SIGHUP] {
        // SAFETY: the default action runs no code of ours.
        unsafe { nix::sys::signal::signal(sent, SigHandler::SigDfl) }?;
    }
    Ok(())
}

pub fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a pid")), signal).expect("a signal sent");
}

/// Waits for something that must happen soon.
pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !happened() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
