//! The agent against what it looks at: names of any bytes, thousands of blockers, other namespaces, and processes whose
//! files in /proc hang.

mod support;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use freezer_lab::fuse::{MIXED_FILE, SILENT_FILE};
use freezer_lab::worker::odd;
use freezer_lab::{Cgroup, Hierarchy, Job, Scene, State, agent, mounts, proc, wait};
use serde_json::Value;
use support::{SOON, on_each};

/// Clears the screen, begins a line, turns text around, and is no UTF-8.
const HOSTILE: &[u8] = b"\x1b[2J\n\xe2\x80\xae)(\xff";
/// The same for names that go through JSON here.
const HOSTILE_TEXT: &str = "\u{1b}[2J\n\u{202e}\t\"\\ ";

fn run(arguments: &[&OsStr]) -> Output {
    let mut command = Command::new(agent::path().expect("the agent is built"));
    command.args(arguments).stdin(Stdio::null()).output().expect("the agent runs")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Only printable text and line ends reach a terminal.
#[track_caller]
fn is_clean(output: &Output) {
    for bytes in [&output.stdout, &output.stderr] {
        let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let evil = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!text.contains(evil), "{text:?}");
    }
}

/// JSON on stdout may hold anything, escaped; its bytes are plain text too.
#[track_caller]
fn is_clean_json(output: &Output) -> Value {
    let text = std::str::from_utf8(&output.stdout).expect("JSON is UTF-8");
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    json(output)
}

fn blockers(document: &Value) -> &Vec<Value> {
    document["blockers"].as_array().unwrap_or_else(|| panic!("{document:#}"))
}

#[test]
fn names_of_any_bytes_never_reach_the_terminal_and_json_stays_json() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let parent = scene.cgroup(hierarchy).expect("a cgroup");
        // A cgroup's name may hold all but newlines (`cgroup_mkdir`); it goes with its parent.
        let hostile: Vec<u8> = HOSTILE.iter().copied().filter(|&b| b != b'\n').collect();
        let cgroup = parent.path().join(OsString::from_vec(hostile));
        fs::create_dir(&cgroup).expect("a cgroup");
        let dir = scene.directory_called(HOSTILE_TEXT).expect("a directory");
        let (dir, _server) = scene.silent_fuse_on(dir, None).expect("a mount");
        let mut path = dir.join("hang").into_os_string().into_vec();
        path.extend(HOSTILE);
        let job = odd::Job::Named { comm: HOSTILE.to_vec(), path };
        let task = scene.worker(&Job::Odd(job)).expect("a worker");
        let pid = scene[task].pid();
        fs::write(cgroup.join("cgroup.procs"), pid.to_string()).expect("moved in");
        scene[task].go().expect("it goes");
        scene[task].wait_stuck(pid, 'S', "request_wait_answer", SOON).expect("it is stuck");

        let name = cgroup.as_os_str();
        let flags = |more: &[&'static str]| -> Vec<OsString> {
            more.iter().map(OsString::from).chain(["--cgroup".into(), name.to_owned()]).collect()
        };
        let stuck = ["freeze", "--explain", "--timeout", "300ms"];
        let commands: [&[&str]; 6] =
            [&["check"], &stuck, &["freeze", "--timeout", "50ms"], &["status"], &["thaw"], &["explain"]];
        for command in commands {
            let arguments = flags(command);
            let arguments: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).collect();
            is_clean(&run(&arguments));
            let mut arguments = arguments;
            arguments.push(OsStr::new("--json"));
            let output = run(&arguments);
            let document = is_clean_json(&output);
            if command == stuck {
                let blocker = &blockers(&document)[0];
                assert_eq!(
                    (&blocker["tid"], &blocker["cause"]),
                    (&pid.into(), &"fuse-request".into()),
                    "{document:#}"
                );
                // A reader of the JSON gets the control characters back, and stray bytes as text.
                assert_eq!(blocker["comm"], "\u{1b}[2J\n\u{202e})(\\xff", "{document:#}");
                assert_eq!(blocker["waits_for"][0]["path"], dir.to_str().expect("UTF-8"), "{document:#}");
            }
        }
    });
}

/// 2000 threads wait for one server: each is blamed in JSON, the screen is a screen, and it does not take long.
#[test]
fn thousands_of_blockers_are_one_screen_and_all_in_json() {
    const THREADS: usize = 2000;
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let (dir, _server) = scene.silent_fuse(None).expect("a mount");
        let job = odd::Job::ReadByMany(THREADS, dir.join(SILENT_FILE));
        let task = scene.worker_in(&cgroup, &Job::Odd(job)).expect("a worker");
        let tids = scene[task].tids().to_vec();
        let stuck = |tid: &i32| proc::stack(*tid).iter().any(|name| name == "request_wait_answer");
        assert!(wait::until(SOON, || tids.iter().all(stuck)), "all wait");

        for command in ["freeze", "check"] {
            let more: &[&str] = if command == "freeze" { &["--explain", "--timeout", "500ms"] } else { &[] };
            let begun = Instant::now();
            let text = support::agent(command, &cgroup, more);
            assert!(begun.elapsed() < Duration::from_secs(8), "{command} took {:?}", begun.elapsed());
            assert_eq!(text.code(), 3, "{}", text.stderr);
            let lines = text.stdout.lines().count();
            assert!((20..=50).contains(&lines), "{lines} lines:\n{}", text.stdout);

            let document =
                support::agent(command, &cgroup, &[more, &["--json"]].concat()).json().expect("JSON");
            let list = if command == "freeze" { "blockers" } else { "findings" };
            let all = document[list].as_array().expect("a list").iter();
            let found: Vec<_> = all.filter(|task| task["cause"] == "fuse-request").collect();
            assert_eq!(found.len(), THREADS, "{command}");
        }
    });
}

/// A client in pid, mount and cgroup namespaces of its own: named by the host's ids, the mount by its own name for it.
#[test]
fn a_task_in_other_namespaces_is_named_with_its_own_mounts() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let (dir, server) = scene.silent_fuse(None).expect("a mount");
        let bound = scene.directory().expect("a directory");
        let job = odd::Job::Unshared { from: dir, to: bound.clone(), path: bound.join("hang") };
        let task = scene.worker(&Job::Odd(job)).expect("a worker");
        let parent = scene[task].pid();
        let child = child_of(parent).expect("its child");
        cgroup.add(child).expect("moved in");
        scene[task].go().expect("it goes");
        let stuck = || proc::stack(child).iter().any(|name| name == "request_wait_answer");
        assert!(wait::until(SOON, stuck), "{:?}", proc::stack(child));

        let arguments = ["--explain", "--json", "--timeout", "400ms"];
        let document = support::agent("freeze", &cgroup, &arguments).json().expect("JSON");
        let blocker = &blockers(&document)[0];
        assert_eq!(
            (&blocker["tid"], &blocker["cause"]),
            (&child.into(), &"fuse-request".into()),
            "{document:#}"
        );
        let mut steps = blocker["waits_for"].as_array().expect("a list").iter();
        assert!(steps.any(|step| step["path"] == bound.to_str().expect("text")), "{document:#}");
        assert!(steps.any(|step| step["pid"] == scene[server].pid()), "{document:#}");
    });
}

fn child_of(pid: i32) -> Option<i32> {
    let children = || fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    assert!(wait::until(SOON, || !children().is_empty()));
    children().split_ascii_whitespace().next()?.parse().ok()
}

/// Runs a shell in new namespaces that puts a stat(2) of a silent mount into the cgroup and has the agent freeze it.
fn frozen_from_inside(scene: &mut Scene, cgroup: &Cgroup, unshare: &[&str]) -> (Value, i32) {
    let (dir, _server) = scene.silent_fuse(None).expect("a mount");
    let out = scene.directory().expect("a directory");
    let script = format!(
        "stat {hang} & echo $! > {procs}; echo $! > {out}/pid; sleep 0.3; \
         {agent} freeze --explain --json --timeout 400ms --cgroup {cgroup} > {out}/json 2> {out}/err; \
         touch {out}/done",
        hang = dir.join("hang").display(),
        procs = cgroup.path().join("cgroup.procs").display(),
        out = out.display(),
        agent = agent::path().expect("the agent is built").display(),
        cgroup = cgroup.path().display(),
    );
    let mut shell = Command::new("unshare")
        .args(unshare)
        .args(["sh", "-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("unshare (util-linux) runs");
    let done = wait::until(SOON, || out.join("done").exists());
    let read = |file: &str| fs::read(out.join(file)).unwrap_or_default();
    let (text, complaint, pid) = (read("json"), read("err"), read("pid"));
    // Its stat, and with it the namespace, ends with the mount.
    let left = scene.take_down();
    shell.wait().expect("the shell ends");
    assert!(done && left.is_empty(), "{left:?} {}", String::from_utf8_lossy(&complaint));
    let pid = String::from_utf8_lossy(&pid).trim().parse().expect("a pid");
    (serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{error}: {complaint:?}")), pid)
}

/// There the kernel side's ids mean other processes: the agent works by /proc, with the ids of its own namespace, and
/// says so.
#[test]
fn in_a_pid_namespace_the_ids_are_those_of_the_namespace_and_the_loss_is_said() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let (document, pid) = frozen_from_inside(scene, &cgroup, &["-p", "-f", "--mount-proc"]);
        assert_eq!(document["outcome"], "timed_out", "{document:#}");
        assert_eq!(document["observer"]["mode"], "proc", "{document:#}");
        let missing = document["observer"]["missing"].to_string();
        assert!(missing.contains("pid namespace"), "{missing}");
        let blocker = &blockers(&document)[0];
        assert_eq!(
            (&blocker["tid"], &blocker["cause"]),
            (&pid.into(), &"fuse-request".into()),
            "{document:#}"
        );
    });
}

#[test]
fn in_a_cgroup_namespace_nothing_is_lost() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let (document, pid) = frozen_from_inside(scene, &cgroup, &["-C"]);
        assert_eq!(
            (&document["outcome"], &document["observer"]["mode"]),
            (&"timed_out".into(), &"bpf".into())
        );
        let blocker = &blockers(&document)[0];
        assert_eq!(
            (&blocker["tid"], &blocker["cause"]),
            (&pid.into(), &"fuse-request".into()),
            "{document:#}"
        );
    });
}

/// Reading `cmdline`, or memory, of this process hangs: its memory map is locked for as long as the server is silent.
#[test]
fn a_process_whose_proc_files_hang_holds_nobody_up() {
    on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let (dir, _server) = scene.silent_fuse(None).expect("a mount");
        let (other, _server) = scene.silent_fuse(None).expect("another mount");
        let job = odd::Job::MapUnderRead { file: dir.join(MIXED_FILE), path: other.join("hang") };
        let task = scene.worker_in(&cgroup, &Job::Odd(job)).expect("a worker");
        let [main, reader, caller] = scene[task].tids() else { panic!("three threads") };
        let (main, reader, caller) = (*main, *reader, *caller);
        for tid in [reader, caller] {
            scene[task].wait_stuck(tid, 'S', "request_wait_answer", SOON).expect("it is stuck");
        }
        scene[task].go().expect("it goes on");
        scene[task].wait_stuck(main, 'D', "fuse_file_mmap", SOON).expect("it maps");
        assert!(hangs(&PathBuf::from(format!("/proc/{main}/cmdline"))), "the scene is what it says");

        for command in ["freeze", "check"] {
            let more: &[&str] = if command == "freeze" { &["--explain", "--timeout", "400ms"] } else { &[] };
            let begun = Instant::now();
            let ended = support::agent(command, &cgroup, &[more, &["--json"]].concat());
            assert!(begun.elapsed() < Duration::from_secs(4), "{command} took {:?}", begun.elapsed());
            let document = ended.json().expect("JSON");
            assert_eq!(ended.code(), 3, "{document:#}");
            let list = if command == "freeze" { "blockers" } else { "findings" };
            let tasks = document[list].as_array().expect("a list").iter();
            let blamed: Vec<_> = tasks.filter_map(|task| task["tid"].as_i64()).collect();
            for tid in [main, reader, caller] {
                assert!(blamed.contains(&i64::from(tid)), "{tid}: {document:#}");
            }
        }
        assert_eq!(cgroup.state().expect("a state"), State::Thawed);
    });
}

/// Whether a read does not come back, tried by a process that may be left behind until the scene is taken down.
fn hangs(path: &Path) -> bool {
    let mut cat =
        Command::new("cat").arg(path).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("cat");
    let ended = wait::until(Duration::from_millis(300), || matches!(cat.try_wait(), Ok(Some(_))));
    // The wait for the lock is killable (`mmap_read_lock_killable`).
    cat.kill().expect("it is ours");
    cat.wait().expect("it ends");
    !ended
}

/// Names that pose as another line of the files they are shown in.
#[test]
fn a_name_cannot_pose_as_a_field_of_proc() {
    on_each(&[Hierarchy::V2], |scene, hierarchy| {
        if mounts::freezer(hierarchy).is_err() {
            return;
        }
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let job = odd::Job::Named { comm: b"x) D 1\nTgid: 1".to_vec(), path: b"/".to_vec() };
        let task = scene.worker(&Job::Odd(job)).expect("a worker");
        scene[task].put_in(&cgroup).expect("moved in");
        let output = Command::new("setpriv")
            .arg("--bounding-set=-bpf,-perfmon,-sys_admin")
            .arg(agent::path().expect("the agent is built"))
            .args(["freeze", "--explain", "--json", "--cgroup"])
            .arg(cgroup.path())
            .output()
            .expect("setpriv (util-linux) runs");
        let document = is_clean_json(&output);
        assert_eq!(document["outcome"], "frozen", "{document:#}");
        let detail = &document["tasks_detail"][0];
        assert_eq!((&detail["tid"], &detail["tgid"]), (&scene[task].pid().into(), &scene[task].pid().into()));
        assert_eq!(detail["comm"].as_str().map(str::as_bytes), Some(&b"x) D 1\nTgid: 1"[..]));
    });
}
