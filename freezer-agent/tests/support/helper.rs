//! Processes that behave in a chosen way: this test program itself, started again with a word in its environment.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::TestCgroup;

const VARIABLE: &str = "FREEZER_TEST_HELPER";

/// A helper process; killed and reaped when dropped.
#[derive(Debug)]
pub struct Helper {
    child: Option<Child>,
}

impl Helper {
    /// Starts one and moves it into the cgroup before it gets going.
    pub fn start(what: &str, cgroup: &TestCgroup) -> Self {
        let helper = Self::outside(what);
        cgroup.add(helper.pid());
        helper
    }

    /// Starts one and leaves it where it is. It is ready when this returns.
    pub fn outside(what: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "support::helper::a_helper_does_what_it_is_asked", "--nocapture", "--quiet"])
            .env(VARIABLE, what)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("a helper");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let ready = lines.any(|line| line.expect("a line").ends_with("helper ready"));
        assert!(ready, "the helper '{what}' ended early");
        let helper = Self { child: Some(child) };
        if what == "stuck" {
            // It said so just before it got stuck; frozen in between it would not block.
            super::until("the fault", || helper.wchans().any(|wchan| wchan == "handle_userfault"));
        }
        helper
    }

    /// Kernel functions its threads sleep in.
    fn wchans(&self) -> impl Iterator<Item = String> {
        let files = self.threads().into_iter().map(|tid| format!("/proc/{tid}/wchan"));
        files.map(|file| std::fs::read_to_string(file).expect("its wchan"))
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a child until it is dropped").id()
    }

    /// Thread ids.
    pub fn threads(&self) -> Vec<u32> {
        let dir = std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("its threads");
        dir.map(|entry| entry.expect("a thread").file_name().to_str().expect("text").parse().expect("an id"))
            .collect()
    }

    /// State letter of the process.
    pub fn state(&self) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("its stat");
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).expect("a state")
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // A task that v1 holds frozen dies only once its cgroup is thawed, perhaps later: reap it on the side.
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            std::thread::spawn(move || child.wait());
        }
    }
}

/// Where helpers begin; a test of one otherwise.
#[test]
fn a_helper_does_what_it_is_asked() {
    let Ok(what) = std::env::var(VARIABLE) else {
        let helper = Helper::outside("threads 3");
        // The test runner adds one that only waits for its tests.
        assert!(helper.threads().len() >= 3, "{:?}", helper.threads());
        return;
    };
    // The child of vfork and the loop of forks must not outlive a test that was killed.
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).expect("a death signal");
    match what.split_once(' ').unwrap_or((&what, "")) {
        ("threads", number) => {
            for _ in 1..number.parse().expect("a number") {
                std::thread::Builder::new().stack_size(16 << 10).spawn(sleep_for_ever).expect("a thread");
            }
        }
        ("spin", _) => {
            ready();
            loop {
                std::hint::spin_loop();
            }
        }
        ("fork", _) => {
            ready();
            loop {
                Command::new("/bin/true").status().expect("a child");
            }
        }
        ("stuck", _) => wait_for_a_page_that_never_comes(),
        ("vfork", _) => wait_for_a_vfork_child(),
        _ => {}
    }
    ready();
    sleep_for_ever();
}

fn sleep_for_ever() {
    loop {
        std::thread::sleep(Duration::from_secs(1000));
    }
}

fn ready() {
    nix::unistd::write(std::io::stdout(), b"helper ready\n").expect("a line");
}

/// A parent held in the kernel until its child execs or exits, which it never does. Without `CLONE_VM` the two do
/// not share memory, so that this is safe to do from Rust.
fn wait_for_a_vfork_child() {
    ready();
    let flags = libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: like fork: null stack and no other pointers; the child only pauses.
    if unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) } == 0 {
        loop {
            // SAFETY: takes nothing, touches nothing.
            unsafe { libc::pause() };
        }
    }
}

/// A fault inside the kernel on a userfaultfd range that nobody serves: signals, and so freezes, do not end it
/// (`arch/x86/mm/fault.c`, `do_user_addr_fault` retries; only SIGKILL does).
fn wait_for_a_page_that_never_comes() {
    const UFFDIO_API: libc::c_ulong = 0xc018_aa3f;
    const UFFDIO_REGISTER: libc::c_ulong = 0xc020_aa00;
    const PAGE: usize = 4096;
    // SAFETY: takes flags only.
    let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) };
    let fd = i32::try_from(fd).expect("a descriptor");
    assert!(fd >= 0, "userfaultfd: {}", std::io::Error::last_os_error());
    let mut api = [0xaa_u64, 0, 0];
    // SAFETY: `api` is a struct uffdio_api.
    assert_eq!(unsafe { libc::ioctl(fd, UFFDIO_API, api.as_mut_ptr()) }, 0);
    let (rights, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a fresh anonymous mapping.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, rights, flags, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    let mut register = [page as u64, PAGE as u64, 1, 0];
    // SAFETY: `register` is a struct uffdio_register; mode 1: missing pages.
    assert_eq!(unsafe { libc::ioctl(fd, UFFDIO_REGISTER, register.as_mut_ptr()) }, 0);
    let zero = std::fs::File::open("/dev/zero").expect("/dev/zero");
    ready();
    // SAFETY: the page is ours, and large enough.
    unsafe { libc::read(std::os::fd::AsRawFd::as_raw_fd(&zero), page, 8) };
}
