//! The freeze of the whole system: it would stop everything else of a machine that is no guest of `cargo xtask vm`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use freezer_lab::agent::{self, Ended};
use freezer_lab::fuse::SILENT_NAME;
use freezer_lab::{Job, Scene, proc, wait};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, connect, listen, socket,
};
use nix::unistd::{ForkResult, Pid, fork};
use serde_json::Value;
use support::{SOON, runs};

const LIMIT: &str = "/sys/power/pm_freeze_timeout";
const SNAPSHOT: &str = "/dev/snapshot";

nix::ioctl_none!(
    /// Freezes every user task but the caller.
    snapshot_freeze, b'3', 1
);
nix::ioctl_none!(
    /// Thaws them.
    snapshot_unfreeze, b'3', 2
);

/// Only a guest has its job there, and only ours is called so.
fn is_guest() -> bool {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim() == "guest" && Path::new("/vm/job").exists()
}

fn suspend(arguments: &[&str]) -> Command {
    let mut command = Command::new(agent::path().expect("the agent"));
    command.arg("suspend").args(arguments);
    command
}

fn ended(command: Command) -> Ended {
    agent::spawn(command).and_then(agent::Run::end).expect("the agent ends")
}

fn json(arguments: &[&str]) -> (i32, Value) {
    let ended = ended(suspend(arguments));
    (ended.code(), ended.json().unwrap_or_else(|error| panic!("{error}: {}", ended.stderr)))
}

fn in_a_guest(body: impl Fn(&mut Scene)) {
    if !is_guest() {
        return support::skip("this runs in a guest: cargo xtask vm test");
    }
    let limit = fs::read_to_string(LIMIT).expect("the kernel's limit");
    let mut scene = Scene::new();
    body(&mut scene);
    assert_eq!(fs::read_to_string(LIMIT).expect("the kernel's limit"), limit, "put back");
    let left: Vec<_> = scene.take_down().iter().map(ToString::to_string).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A task that no signal wakes from its wait for a silent server, and that server; both frozen or not by suspend alone.
fn fuse_waiter(scene: &mut Scene) -> (i32, i32) {
    let (dir, server) = scene.silent_fuse(None).expect("a mount");
    let client = scene.worker(&Job::Stat(dir.join(SILENT_NAME))).expect("a client");
    scene[client].go().expect("gone");
    let pid = scene[client].pid();
    scene[client].wait_stuck(pid, 'S', "request_wait_answer", SOON).expect("stuck");
    (pid, scene[server].pid())
}

fn busy(scene: &mut Scene) -> i32 {
    let busy = scene.worker(&Job::Spin).expect("a loop");
    scene[busy].go().expect("gone");
    scene[busy].pid()
}

fn blamed(document: &Value) -> Vec<i64> {
    let blockers = document["blockers"].as_array().expect("a list");
    let mut tids: Vec<i64> = blockers.iter().filter_map(|blocker| blocker["tid"].as_i64()).collect();
    tids.sort_unstable();
    tids
}

/// Thread ids that the kernel's log names as refusing, in its last such message.
fn kernel_blames() -> Vec<i64> {
    let mut log = vec![0; 1 << 20];
    // SAFETY: the buffer is as long as it is said to be (3: SYSLOG_ACTION_READ_ALL).
    let read = unsafe { libc::klogctl(3, log.as_mut_ptr().cast(), 1 << 20) };
    log.truncate(usize::try_from(read).expect("a log"));
    let log = String::from_utf8_lossy(&log).into_owned();
    let (_, said) = log.rsplit_once("refusing to freeze").expect("the kernel's message");
    let of_task = said.lines().filter(|line| line.contains("task:") && line.contains("state:"));
    let pid = |line: &str| {
        let (_, rest) = line.split_once(" pid:")?;
        rest.split_ascii_whitespace().next()?.parse().ok()
    };
    let mut tids: Vec<i64> = of_task.filter_map(pid).collect();
    tids.sort_unstable();
    tids
}

#[test]
fn a_system_in_which_nothing_is_stuck_freezes_and_runs_on() {
    in_a_guest(|scene| {
        let busy = busy(scene);
        let (code, document) = json(&["test", "--yes", "--json"]);
        assert_eq!((code, &document["outcome"]), (0, &"frozen".into()), "{document:#}");
        assert_eq!(document["state"], "THAWED");
        assert_eq!(document["cgroup"], Value::Null);
        assert!(document["latency"]["max_ns"].as_u64().is_some_and(|max| max > 0), "{document:#}");
        assert_eq!(blamed(&document), [0; 0]);
        let timed = document["tasks_detail"].as_array().expect("a list");
        assert!(timed.iter().any(|task| task["tid"] == busy), "{document:#}");
        assert!(runs(busy), "it is thawed");
    });
}

#[test]
fn who_refuses_is_named_long_before_the_kernel_s_own_limit_and_the_kernel_names_the_same() {
    in_a_guest(|scene| {
        let (client, server) = fuse_waiter(scene);
        let vfork = scene.worker(&Job::Vfork).expect("a parent");
        scene[vfork].go().expect("gone");
        scene[vfork].wait_stuck(scene[vfork].pid(), 'D', "", SOON).expect("stuck");
        let stopped = busy(scene);
        kill(Pid::from_raw(stopped), Signal::SIGSTOP).expect("stopped");
        let mount = scene.ext4().expect("a filesystem");
        let writer = scene.worker(&Job::Mkdir(mount.join("new"))).expect("a writer");
        scene.freeze_fs(&mount).expect("frozen");
        scene[writer].go().expect("gone");
        let writer = scene[writer].pid();
        assert!(wait::until(SOON, || proc::state(writer) == Some('D')), "stuck");

        let (code, document) = json(&["test", "--yes", "--timeout", "2s", "--json"]);
        // By the kernel's clock: an emulated guest on a busy machine is slow at everything else.
        let took = document["elapsed_ns"].as_u64().map(Duration::from_nanos);
        assert!(
            took.is_some_and(|took| took < Duration::from_secs(10)),
            "the kernel would take 20 s: {took:?}"
        );
        assert_eq!((code, &document["outcome"]), (3, &"timed_out".into()), "{document:#}");
        // Of the writer it depends on the kernel whether its wait is freezable.
        assert_eq!(blamed(&document), kernel_blames(), "{document:#}");
        let blockers = document["blockers"].as_array().expect("a list");
        let of = |tid: i32| blockers.iter().find(|blocker| blocker["tid"] == tid);
        let found = of(client).expect("the client");
        assert_eq!(found["cause"], "fuse-request", "{found:#}");
        assert_eq!(found["waits_for"][1]["pid"], server, "{found:#}");
        assert_eq!(found["waits_for"][1]["frozen"], true, "{found:#}");
        assert!(of(writer).is_none_or(|blocker| blocker["cause"] == "fs-frozen"), "{document:#}");
        assert!(of(stopped).is_none(), "a stopped task is frozen enough");
        assert_eq!(document["suspend"]["limit_ns"], 2_000_000_000_u64);
    });
}

#[test]
fn a_suspend_that_somebody_else_asks_for_is_told_after_it_failed() {
    in_a_guest(|scene| {
        let (client, _) = fuse_waiter(scene);
        scene.set(Path::new(LIMIT), "1500").expect("a limit");
        let (watch, _complaints) = watching();
        let refused = fs::write("/sys/power/state", "freeze").expect_err("it cannot freeze");
        assert_eq!(refused.raw_os_error(), Some(libc::EBUSY));
        let document = told(watch);
        assert_eq!(document["outcome"], "timed_out", "{document:#}");
        assert_eq!(blamed(&document), [i64::from(client)], "{document:#}");
        assert_eq!(document["suspend"]["by"]["pid"], std::process::id(), "{document:#}");
        scene.set(Path::new(LIMIT), "20000").expect("the usual limit");
    });
}

#[test]
fn the_program_that_froze_the_system_can_have_it_explained() {
    in_a_guest(|scene| {
        let busy = busy(scene);
        let device = fs::File::open(SNAPSHOT).expect("the device");
        // SAFETY: the ioctls take no argument; nothing between them can wait for a frozen task but the agent, which is
        // none.
        let said = unsafe {
            snapshot_freeze(device.as_raw_fd()).expect("frozen");
            let said = suspend(&["explain", "--json"]).stderr(Stdio::null()).output();
            snapshot_unfreeze(device.as_raw_fd()).expect("thawed");
            said.expect("the agent ends")
        };
        let document: Value = serde_json::from_slice(&said.stdout).expect("one object");
        assert_eq!(document["outcome"], "frozen", "{document:#}");
        assert_eq!(document["tasks"]["total"], document["tasks"]["frozen"], "{document:#}");
        assert!(runs(busy), "it is thawed");
    });
}

#[test]
fn when_nothing_is_freezing_it_is_told_who_would_refuse() {
    in_a_guest(|scene| {
        let (client, _) = fuse_waiter(scene);
        let (code, document) = json(&["explain", "--json"]);
        assert_eq!((code, &document["outcome"]), (0, &"thawed".into()), "{document:#}");
        let named = document["would_refuse"].as_array().expect("somebody");
        assert_eq!(
            named.iter().filter_map(|one| one["tid"].as_i64()).collect::<Vec<_>>(),
            [i64::from(client)]
        );
    });
}

#[test]
fn killed_in_the_middle_it_leaves_nothing_behind() {
    in_a_guest(|scene| {
        let (_, _) = fuse_waiter(scene);
        let busy = busy(scene);
        let before = fs::read_to_string(LIMIT).expect("the limit");
        let mut command = suspend(&["test", "--yes", "--timeout", "6s"]);
        let alarm = || {
            // SAFETY: it asks the kernel for a deadly signal, which comes in the middle of the freeze.
            unsafe { libc::alarm(4) };
            Ok(())
        };
        // SAFETY: one system call between fork and exec.
        unsafe { command.pre_exec(alarm) };
        let ended = ended(command);
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&ended.status),
            Some(libc::SIGALRM),
            "{}",
            ended.stderr
        );
        assert!(runs(busy), "it is thawed");
        let now = || fs::read_to_string(LIMIT).expect("the limit");
        assert!(wait::until(SOON, || now() == before), "{}", now());
    });
}

#[test]
fn a_signal_in_the_middle_is_heeded_when_the_kernel_has_given_up() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        in_a_guest(|scene| {
            let (client, _) = fuse_waiter(scene);
            let busy = busy(scene);
            let interrupted = |(tries, limit)| {
                let command = suspend(&["test", "--yes", "--timeout", limit, "--json"]);
                let run = agent::spawn(command).expect("the agent");
                // While it freezes the system, nobody else runs who could send it.
                let _later = SentByTheKernel::to(run.pid(), signal, tries);
                let ended = run.end_within(Duration::from_secs(90)).expect("its output").expect("it ends");
                assert_eq!(ended.code(), 128 + signal as i32, "{}", ended.stderr);
                // One that had not begun yet has frozen nothing and says nothing.
                Some(ended).filter(|ended| !ended.stdout.is_empty())
            };
            // After 7 s; where the machine is slow after 15, or 31.
            let ended = [(2, "8s"), (3, "8s"), (4, "16s")].into_iter().find_map(interrupted);
            let document = ended.expect("it was in the middle").json().expect("one object");
            assert_eq!(document["outcome"], "timed_out", "it was in the middle: {document:#}");
            assert_eq!(blamed(&document), [i64::from(client)], "{document:#}");
            assert!(runs(busy), "it is thawed");
        });
    }
}

/// Chooses the signal of `O_ASYNC` (include/uapi/asm-generic/fcntl.h), the same on all machines of guests.
const F_SETSIG: libc::c_int = 10;

/// A signal that the kernel itself sends some seconds later: the error of a connection attempt that nobody answers
/// (`F_SETSIG`, fcntl(2)).
struct SentByTheKernel {
    _listener: TcpListener,
    _accepted: TcpStream,
    _trying: OwnedFd,
}

impl SentByTheKernel {
    /// Asked for again after 1 s, 3 s, 7 s, ..., so many times, and given up as long after that (`tcp_write_timeout`, `net/ipv4/tcp_timer.c`).
    fn to(pid: i32, signal: Signal, tries: libc::c_int) -> Self {
        let listener =
            socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).expect("a socket");
        bind(listener.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).expect("an address");
        listen(&listener, Backlog::new(0).expect("a number")).expect("a listener");
        let listener = TcpListener::from(listener);
        let address = listener.local_addr().expect("an address");
        // The one that has room in its queue; what comes after it is dropped.
        let accepted = TcpStream::connect(address).expect("connected");
        let trying =
            socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_NONBLOCK, None).expect("a socket");
        let fd = trying.as_raw_fd();
        // SAFETY: an option of the size of an int; the other calls take numbers.
        let set = unsafe {
            libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_SYNCNT, (&raw const tries).cast(), 4)
                | libc::fcntl(fd, F_SETSIG, signal as libc::c_int)
                | libc::fcntl(fd, libc::F_SETOWN, pid)
                | libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK | libc::O_ASYNC)
        };
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
        let begun = connect(fd, &SockaddrIn::new(127, 0, 0, 1, address.port()));
        assert_eq!(begun, Err(nix::errno::Errno::EINPROGRESS));
        Self { _listener: listener, _accepted: accepted, _trying: trying }
    }
}

#[test]
fn without_programs_who_has_not_moved_all_through_it_is_named() {
    in_a_guest(|scene| {
        let (client, _) = fuse_waiter(scene);
        let busy = busy(scene);
        let test = || {
            let mut command = suspend(&["test", "--yes", "--timeout", "2s", "--json"]);
            command.env("FREEZER_AGENT_WITHOUT", "bpf");
            let ended = ended(command);
            let document = ended.json().unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
            assert_eq!((ended.code(), &document["outcome"]), (3, &"timed_out".into()), "{document:#}");
            assert_eq!(document["observer"]["mode"], "proc", "{document:#}");
            assert!(
                document["observer"]["missing"].to_string().contains("no latency per task"),
                "{document:#}"
            );
            document
        };
        // The freeze itself has it sleep uninterruptibly, so that before it nothing told.
        let document = test();
        assert!(blamed(&document).is_empty() || blamed(&document) == [i64::from(client)], "{document:#}");
        let document = test();
        assert_eq!(blamed(&document), [i64::from(client)], "{document:#}");
        assert_eq!(document["blockers"][0]["cause"], "fuse-request", "{document:#}");
        assert!(runs(busy), "it is thawed");
    });
}

const PM_TEST: &str = "/sys/power/pm_test";

#[test]
fn a_test_suspend_freezes_kernel_threads_too_where_the_kernel_has_one() {
    in_a_guest(|scene| {
        if !Path::new(PM_TEST).exists() {
            let ended = ended(suspend(&["test", "--yes", "--by", "pm-test"]));
            assert_eq!(ended.code(), 6, "{}", ended.stderr);
            assert!(ended.stderr.contains("CONFIG_PM_SLEEP_DEBUG"), "{}", ended.stderr);
            return;
        }
        let before = fs::read_to_string(PM_TEST).expect("how far it goes");
        let busy = busy(scene);
        let (code, document) = json(&["test", "--yes", "--by", "pm-test", "--json"]);
        assert_eq!((code, &document["outcome"]), (0, &"frozen".into()), "{document:#}");
        assert_eq!(document["suspend"]["through"], PM_TEST, "{document:#}");
        assert_eq!(document["suspend"]["kernel_threads"], true, "{document:#}");
        let timed = document["tasks_detail"].as_array().expect("a list");
        assert!(timed.iter().any(|task| task["tid"] == busy), "{document:#}");
        assert_eq!(fs::read_to_string(PM_TEST).expect("how far it goes"), before, "put back");

        let (client, _) = fuse_waiter(scene);
        let (code, document) = json(&["test", "--yes", "--by", "pm-test", "--timeout", "2s", "--json"]);
        assert_eq!((code, blamed(&document)), (3, vec![i64::from(client)]), "{document:#}");
        assert_eq!(fs::read_to_string(PM_TEST).expect("how far it goes"), before, "put back");
    });
}

#[test]
fn a_suspend_of_somebody_else_that_succeeds_is_told_when_the_machine_is_awake_again() {
    in_a_guest(|scene| {
        if !Path::new(PM_TEST).exists() {
            return; // A real one would end the guest; the test of one that fails is for every kernel.
        }
        let busy = busy(scene);
        scene.set_until(Path::new(PM_TEST), "freezer", "none").expect("turned round once all is frozen");
        let (watch, _complaints) = watching();
        fs::write("/sys/power/state", "mem").expect("suspended, and awake again");
        let document = told(watch);
        assert_eq!(document["outcome"], "frozen", "{document:#}");
        assert_eq!(document["suspend"]["by"]["pid"], std::process::id(), "{document:#}");
        assert_eq!(document["suspend"]["kernel_threads"], true, "{document:#}");
        assert_eq!(blamed(&document), [0; 0]);
        let timed = document["tasks_detail"].as_array().expect("a list");
        assert!(timed.iter().any(|task| task["tid"] == busy), "{document:#}");
    });
}

/// `suspend watch`, which waits; its complaints are to be kept as long as it lives.
fn watching() -> (Child, BufReader<ChildStderr>) {
    let mut watch = suspend(&["watch", "--once", "--json"]);
    let mut watch = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the agent");
    let mut ready = String::new();
    let mut complaints = BufReader::new(watch.stderr.take().expect("a pipe"));
    complaints.read_line(&mut ready).expect("a line");
    assert!(ready.contains("waiting"), "{ready}");
    (watch, complaints)
}

/// What it tells at its end.
fn told(mut watch: Child) -> Value {
    let mut said = String::new();
    watch.stdout.take().expect("a pipe").read_to_string(&mut said).expect("UTF-8");
    assert!(watch.wait().expect("it ends").success());
    serde_json::from_str(&said).expect("one object")
}

#[test]
fn the_kernel_thaws_what_a_killed_program_has_frozen() {
    in_a_guest(|scene| {
        let busy = busy(scene);
        // SAFETY: the child makes system calls only.
        match unsafe { fork() }.expect("a child") {
            ForkResult::Child => {
                // SAFETY: as above; the path ends in a zero byte.
                unsafe {
                    let device = libc::open(c"/dev/snapshot".as_ptr(), libc::O_RDONLY);
                    snapshot_freeze(device).ok();
                    libc::kill(libc::getpid(), libc::SIGKILL);
                    libc::_exit(1)
                }
            }
            ForkResult::Parent { child } => {
                nix::sys::wait::waitpid(child, None).expect("it ends");
            }
        }
        assert!(runs(busy), "it is thawed");
    });
}
