//! What a worker can do.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, gettid};
use serde::{Deserialize, Serialize};

use super::{
    Asked, chain, cpu, fork, hurt, memory, next_word, odd, ready, slow, sockets, storage, supervised, tasks,
    userfault,
};
use crate::error::{Error, Result, Tried as _};
use crate::{fuse, nfs};

/// A job, handed to the worker as JSON. "Then" is after [`super::Worker::go`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// Sleeps for ever.
    Sleep,
    /// Sleeps so many milliseconds; then prints a line, and sleeps for ever.
    SleepThenSay(u64),
    /// Waits in poll(2) for ever.
    Poll,
    /// Computes in user space for ever.
    Spin,
    /// The same on one CPU only, with a share of it; until a moment, where given, then sleeps.
    SpinOn {
        /// CPU number.
        cpu: usize,
        /// Beside others there.
        share: Share,
        /// How long.
        until: Option<Asked>,
    },
    /// This many threads, the main one included, all asleep.
    Threads(usize),
    /// As [`Job::Threads`]; then the last one calls stat(2) on the path.
    ThreadsOneStat(usize, PathBuf),
    /// Mounts FUSE on a directory; then serves it.
    FuseServer(fuse::Server),
    /// stat(2) of a path, again and again.
    Stat(PathBuf),
    /// mkdir(2) of a path.
    Mkdir(PathBuf),
    /// Opens a file; then reads from it.
    Read(PathBuf),
    /// Opens a file; then the main thread reads from it, and after a second word another thread reads from the
    /// same open file.
    ReadTwice(PathBuf),
    /// Opens a file; then fsync(2).
    Fsync(PathBuf),
    /// Makes a file; then writes to it.
    Write(PathBuf),
    /// Makes and maps a file; then stores a byte into the mapping.
    StoreIntoMapping(PathBuf),
    /// Reserves terabytes of address space; then looks through it in one system call that takes seconds.
    LookThroughMuch,
    /// Maps memory many times over; then exits, which takes a second.
    ExitWithMuch,
    /// Opens hundreds of packet sockets; then exits, which takes seconds.
    ExitWithSockets,
    /// Opens a file; then exits with it open.
    ExitWithOpen(PathBuf),
    /// Registers memory with a userfaultfd that nobody reads; then writes it to a pipe. Before that it closes the
    /// userfaultfd if told to, for somebody else holds it.
    Userfault {
        /// Whether it closes its own descriptor first.
        close: bool,
    },
    /// Takes a copy of another process's descriptor; then sleeps.
    HoldDescriptor {
        /// The process.
        pid: i32,
        /// Its descriptor.
        fd: i32,
    },
    /// `SCHED_FIFO` on one CPU, busy but for a millisecond now and then, until a moment, then sleeps.
    FifoHog {
        /// CPU number.
        cpu: usize,
        /// How long.
        until: Asked,
    },
    /// vfork(2) whose child sleeps for ever.
    Vfork,
    /// Forks children that sleep a moment and exit, again and again, so many alive at once.
    ForkStorm(usize),
    /// Forks so many children that sleep for ever.
    Family(usize),
    /// Servers and clients of FUSE of more than one thread, process or namespace.
    Chain(chain::Job),
    /// Attaches to a process as its tracer and stops it (`PTRACE_SEIZE`, `PTRACE_INTERRUPT`); then sleeps.
    Trace(i32),
    /// What takes long and ends.
    Slow(slow::Job),
    /// What a freeze hurts.
    Hurt(hurt::Job),
    /// Needs another process's answer, or owes it.
    Supervised(supervised::Job),
    /// Has threads that go, or is moved, or waits for memory.
    Tasks(tasks::Job),
    /// Waits for a block device.
    Storage(storage::Job),
    /// Waits for an NFS server, or is one.
    Nfs(nfs::Job),
    /// What only a hostile or an unlucky program does.
    Odd(odd::Job),
}

/// How long a worker may keep a CPU at most: nobody may ever ask for the freeze.
const HOG_LIMIT: Duration = Duration::from_secs(60);

/// What an ordinary task gets of a CPU that others want too.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Share {
    /// `SCHED_IDLE`: three thousandths of the usual.
    Least,
    /// Nice -10: ten times the usual.
    Much,
}

impl Job {
    pub(super) fn run(self) -> Result<()> {
        match self {
            Self::Sleep => after_ready(|| sleep_for_ever()),
            Self::SleepThenSay(ms) => after_ready(|| {
                thread::sleep(Duration::from_millis(ms));
                println!("slept");
                sleep_for_ever()
            }),
            Self::Poll => after_ready(poll_for_ever),
            Self::Spin => after_ready(|| spin_for_ever()),
            Self::SpinOn { cpu, share, until } => {
                let end = until.map(|until| until.flag(HOG_LIMIT));
                after_ready(|| {
                    // In this order: with the least share it may never come to a second step.
                    cpu::pin(cpu)?;
                    cpu::take(share)?;
                    spin_until(|| end.as_ref().is_some_and(|end| end.load(Ordering::Relaxed)));
                    sleep_for_ever()
                })
            }
            Self::Threads(count) => threads(count, || sleep_for_ever()),
            Self::ThreadsOneStat(count, path) => threads(count, move || stat(&path)),
            Self::FuseServer(server) => {
                let mount = server.mount()?;
                after_ready(|| mount.serve())
            }
            Self::Stat(path) => after_ready(|| stat(&path)),
            Self::Mkdir(path) => after_ready(|| {
                // Whatever the server of a slow case says in the end.
                fs::create_dir(&path).ok();
                Ok(())
            }),
            Self::Read(path) => with_open(&path, read),
            Self::ReadTwice(path) => read_twice(&path),
            Self::Fsync(path) => with_open(&path, File::sync_all),
            Self::Write(path) => {
                with_new(&path, |mut file| file.write_all(b"x").tried("write", path.display()))
            }
            Self::StoreIntoMapping(path) => with_new(&path, memory::store_into_mapping),
            Self::LookThroughMuch => memory::look_through_much(),
            Self::ExitWithMuch => memory::exit_with_much(),
            Self::ExitWithSockets => sockets::exit_with_sockets(),
            Self::ExitWithOpen(path) => with_open(&path, |_| std::process::exit(0)),
            Self::Userfault { close } => userfault::run(close),
            Self::HoldDescriptor { pid, fd } => userfault::hold(pid, fd),
            Self::FifoHog { cpu, until } => {
                let end = until.flag(HOG_LIMIT);
                after_ready(|| {
                    // In this order: pinned first, it would wait for the CPU it is to take.
                    cpu::fifo()?;
                    cpu::pin(cpu)?;
                    hog(&end)
                })
            }
            Self::Vfork => after_ready(fork::vfork),
            Self::ForkStorm(alive) => after_ready(|| fork::storm(alive)),
            Self::Family(children) => after_ready(|| fork::family(children)),
            Self::Chain(job) => job.run(),
            Self::Trace(pid) => trace(Pid::from_raw(pid)),
            Self::Slow(job) => slow::run(job),
            Self::Hurt(job) => job.run(),
            Self::Supervised(job) => job.run(),
            Self::Tasks(job) => job.run(),
            Self::Storage(job) => job.run(),
            Self::Nfs(job) => job.run(),
            Self::Odd(job) => job.run(),
        }
    }
}

/// For jobs of one thread that need no preparation.
pub(crate) fn after_ready(job: impl FnOnce() -> Result<()>) -> Result<()> {
    ready(&[gettid().as_raw()])?;
    job()
}

pub(super) fn sleep_for_ever() -> ! {
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}

fn poll_for_ever() -> Result<()> {
    loop {
        // EINTR is what a freeze may cause: just wait again.
        match nix::poll::poll(&mut [], nix::poll::PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno).tried("poll", "nothing"),
        }
    }
}

fn spin_for_ever() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

/// Lets go for a moment every now and then, for the kernel's own threads: a machine whose RCU or work queues stand
/// still on one CPU soon stands still altogether.
fn hog(end: &AtomicBool) -> ! {
    while !end.load(Ordering::Relaxed) {
        let turn = Instant::now() + Duration::from_millis(100);
        spin_until(|| Instant::now() >= turn || end.load(Ordering::Relaxed));
        thread::sleep(Duration::from_millis(1));
    }
    sleep_for_ever()
}

fn spin_until(end: impl Fn() -> bool) {
    while !end() {
        std::hint::spin_loop();
    }
}

/// Goes on after an answer, so that there is always a request under way when a slow server freezes.
pub(crate) fn stat(path: &Path) -> Result<()> {
    loop {
        match fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => other.map(drop).tried("stat", path.display())?,
        }
    }
}

fn with_open(path: &Path, job: impl FnOnce(&File) -> std::io::Result<()>) -> Result<()> {
    let file = File::open(path).tried("open", path.display())?;
    after_ready(|| job(&file).tried("use", path.display()))
}

fn with_new(path: &Path, job: impl FnOnce(&File) -> Result<()>) -> Result<()> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).open(path).tried("make", path.display())?;
    file.set_len(1 << 16).tried("grow", path.display())?;
    after_ready(|| job(&file))
}

fn read(mut file: &File) -> std::io::Result<()> {
    file.read(&mut [0; 512]).map(drop)
}

/// With a shared descriptor table read(2) takes the file's position lock (fs/file.c, `fdget_pos`): the second
/// reader waits for that mutex while the first waits for the file.
fn read_twice(path: &Path) -> Result<()> {
    let file = File::open(path).tried("open", path.display())?;
    let (sender, receiver) = mpsc::channel();
    let started = Barrier::new(2); // stdin is the main thread's until it has its word
    thread::scope(|scope| {
        let second = scope.spawn(|| {
            sender.send(gettid().as_raw()).expect("the receiver lives until it has heard");
            started.wait();
            next_word()?;
            read(&file).tried("read", path.display())
        });
        let tid = receiver.recv().map_err(|error| Error::new("start", "a thread", error))?;
        ready(&[gettid().as_raw(), tid])?;
        started.wait();
        read(&file).tried("read", path.display())?;
        second.join().unwrap_or(Ok(()))
    })
}

/// The last of `count` threads does `last`, the others sleep.
fn threads(count: usize, last: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    let (tid_sender, tid_of_new) = mpsc::channel();
    let (go_sender, go) = mpsc::channel::<()>();
    let mut last = Some((last, go));
    let mut tids = vec![gettid().as_raw()];
    for number in 1..count {
        let sender = tid_sender.clone();
        let special = (number == count - 1).then(|| last.take()).flatten();
        thread::spawn(move || {
            sender.send(gettid().as_raw()).expect("the receiver lives until every thread has sent");
            if let Some((job, go)) = special
                && go.recv().is_ok()
                && let Err(error) = job()
            {
                eprintln!("freezer-lab worker: {error}");
            }
            sleep_for_ever()
        });
        tids.push(tid_of_new.recv().map_err(|error| Error::new("start", "a thread", error))?);
    }
    ready(&tids)?;
    if count > 1 {
        go_sender.send(()).map_err(|error| Error::new("start", "the last thread", error))?;
    }
    sleep_for_ever()
}

fn trace(pid: Pid) -> Result<()> {
    ptrace::seize(pid, ptrace::Options::empty()).tried("trace", pid)?;
    ptrace::interrupt(pid).tried("interrupt", pid)?;
    waitpid(pid, Some(WaitPidFlag::__WALL)).tried("wait for the stop of", pid)?;
    after_ready(|| sleep_for_ever())
}
