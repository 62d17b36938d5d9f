//! Cgroups and tasks of the kernel tests: made under the test's own pid, taken down even when a test fails.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::{
    cell::RefCell,
    ffi::{CStr, CString},
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use freezer_agent::{
    model::Hierarchy,
    source::{Observer, ObserverOptions, Watch},
};

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid},
};

/// A cgroup for one test; `None`, loudly, where it cannot be made. In CI that is a failure.
pub fn ready(hierarchy: Hierarchy, name: &str) -> Option<Cgroup> {
    let made = if nix::unistd::geteuid().is_root() {
        mount(hierarchy).ok_or_else(|| format!("no {hierarchy} freezer is mounted"))
    } else {
        Err("not root".to_owned())
    };
    match made.and_then(|mount| Cgroup::make(hierarchy, &mount, name)) {
        Ok(cgroup) => Some(cgroup),
        Err(why) => {
            println!("skipped: {name}: {why}");
            eprintln!("SKIPPED: {name}: {why}");
            assert!(std::env::var_os("CI").is_none(), "a kernel test was skipped in CI: {why}");
            None
        }
    }
}

fn mount(hierarchy: Hierarchy) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let (fstype, options) = (right.next()?, right.nth(1)?);
        let fits = match hierarchy {
            Hierarchy::V1 => fstype == "cgroup" && options.split(',').any(|option| option == "freezer"),
            Hierarchy::V2 => fstype == "cgroup2",
        };
        fits.then(|| PathBuf::from(left.split(' ').nth(4).unwrap_or("/")))
    })
}

pub struct Cgroup {
    hierarchy: Hierarchy,
    path: PathBuf,
}

impl Cgroup {
    fn make(hierarchy: Hierarchy, mount: &Path, name: &str) -> Result<Self, String> {
        let path = mount.join(format!("freezer-test-{}-{name}-{hierarchy}", std::process::id()));
        fs::create_dir(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        Ok(Self { hierarchy, path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn id(&self) -> u64 {
        fs::metadata(&self.path).expect("the cgroup is there").ino()
    }

    pub fn watch(&self) -> Watch {
        Watch { hierarchy: self.hierarchy, cgroup_id: self.id() }
    }

    fn request(&self, v1: &str, v2: &str) -> std::io::Result<()> {
        match self.hierarchy {
            Hierarchy::V1 => fs::write(self.path.join("freezer.state"), v1),
            Hierarchy::V2 => fs::write(self.path.join("cgroup.freeze"), v2),
        }
    }

    pub fn freeze(&self) {
        self.request("FROZEN", "1").expect("a freeze can be asked for");
    }

    pub fn frozen(&self) -> bool {
        match self.hierarchy {
            Hierarchy::V1 => read(&self.path.join("freezer.state")).trim() == "FROZEN",
            Hierarchy::V2 => read(&self.path.join("cgroup.events")).contains("frozen 1"),
        }
    }

    fn procs(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let thawed = self.request("THAWED", "0");
        for pid in read(&self.procs()).lines().filter_map(|line| line.parse().ok()) {
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        }
        let end = Instant::now() + Duration::from_secs(5);
        while fs::remove_dir(&self.path).is_err() && self.path.exists() && Instant::now() < end {
            thread::sleep(Duration::from_millis(10));
        }
        if self.path.exists() {
            eprintln!("left behind: {} ({thawed:?})", self.path.display());
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A process of a test; killed and reaped on drop.
pub struct Sleeper {
    pid: Pid,
    family: RefCell<Vec<i32>>,
}

const FORKING: &str = "while :; do sleep 0.01; done";

impl Sleeper {
    /// A shell that moves itself into the cgroup, then becomes `script`.
    #[expect(clippy::zombie_processes, reason = "it is reaped by its pid on drop")]
    fn shell(cgroup: Option<&Cgroup>, script: &str) -> Self {
        let enter =
            cgroup.map_or(String::new(), |cgroup| format!("echo $$ > '{}' && ", cgroup.procs().display()));
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{enter}{script}")]).stdin(Stdio::null());
        let child = command.spawn().expect("a shell starts");
        let sleeper = Self::of(Pid::from_raw(i32::try_from(child.id()).expect("a pid")));
        if let Some(cgroup) = cgroup {
            let line = sleeper.tid().to_string();
            settle(|| read(&cgroup.procs()).lines().any(|pid| pid == line));
        }
        sleeper
    }

    fn of(pid: Pid) -> Self {
        Self { pid, family: RefCell::new(vec![pid.as_raw()]) }
    }

    pub fn start(cgroup: &Cgroup) -> Self {
        let sleeper = Self::shell(Some(cgroup), "exec sleep 1000");
        settle(|| read(&sleeper.proc("wchan")).contains("nanosleep"));
        sleeper
    }

    pub fn start_forking(cgroup: &Cgroup) -> Self {
        Self::shell(Some(cgroup), FORKING)
    }

    pub fn start_outside_forking() -> Self {
        Self::shell(None, FORKING)
    }

    pub fn start_spinning(cgroup: &Cgroup) -> Self {
        Self::shell(Some(cgroup), "while :; do :; done")
    }

    /// A task that creates a file, and may get stuck over it.
    pub fn start_creating(cgroup: &Cgroup, file: &Path) -> Self {
        Self::shell(Some(cgroup), &format!("echo > '{}'", file.display()))
    }

    /// A task that waits, in D, for its vfork child, which waits for somebody to open the other end of a FIFO.
    pub fn start_vfork_parent(cgroup: &Cgroup) -> Self {
        let fifo = std::env::temp_dir().join(format!("freezer-test-{}.fifo", std::process::id()));
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
        let path = CString::new(fifo.as_os_str().as_encoded_bytes()).expect("no zero byte");
        // SAFETY: the child calls nothing but what is safe after a fork of a process with threads.
        let pid = match unsafe { nix::unistd::fork() }.expect("a process") {
            ForkResult::Child => vfork_and_wait(&path),
            ForkResult::Parent { child } => child,
        };
        let sleeper = Self::of(pid);
        settle(|| read(&sleeper.proc("wchan")).contains("clone"));
        fs::write(cgroup.procs(), sleeper.tid().to_string()).expect("it can be moved");
        fs::remove_file(fifo).expect("the FIFO is there");
        sleeper
    }

    pub fn tid(&self) -> i32 {
        self.pid.as_raw()
    }

    pub fn owns(&self, tid: i32) -> bool {
        self.family.borrow().contains(&tid)
    }

    pub fn note(&self, tid: i32) -> bool {
        self.family.borrow_mut().push(tid);
        true
    }

    fn proc(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.tid().to_string()).join(file)
    }
}

/// Waits for a vfork child that opens a FIFO, and dies with its parent.
fn vfork_and_wait(fifo: &CStr) -> ! {
    // SAFETY: the child of vfork calls nothing but system calls and never returns; all pointers outlive it.
    unsafe {
        if libc::syscall(libc::SYS_vfork) == 0 {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::open(fifo.as_ptr(), libc::O_RDONLY);
            libc::_exit(0);
        }
        libc::_exit(0);
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        kill(self.pid, Signal::SIGKILL).ok();
        // A v1-frozen task dies when its cgroup thaws, which that one's drop does: do not wait for it here.
        let end = Instant::now() + Duration::from_millis(500);
        while waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) == Ok(WaitStatus::StillAlive)
            && Instant::now() < end
        {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

pub fn observer(cgroup: &Cgroup) -> Observer {
    Observer::load(&cgroup.watch(), &ObserverOptions::default()).expect("the kernel takes the programs")
}

/// Waits until `condition` holds; a test fails when it does not within five seconds.
pub fn settle(mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !condition() {
        assert!(Instant::now() < end, "did not settle within five seconds");
        thread::sleep(Duration::from_millis(2));
    }
}
