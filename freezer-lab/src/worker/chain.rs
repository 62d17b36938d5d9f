//! FUSE servers of several threads, processes and namespaces, and clients that reach them in roundabout ways.

use std::fs::File;
use std::io::{IoSlice, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Barrier, mpsc};
use std::thread;

use nix::fcntl::{AtFlags, OFlag};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{ForkResult, chdir, chroot, fork, gettid};
use serde::{Deserialize, Serialize};

use super::job::{after_ready, sleep_for_ever, stat};
use super::{next_word, ready};
use crate::error::{Error, Result, Tried as _};
use crate::fuse::Server;

/// Room for one descriptor in a message.
const NOTHING: &[u8] = b"-";

/// A job of this file; see [`super::Job`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// Mounts FUSE; then serves it with so many threads.
    Server(Server, usize),
    /// Mounts FUSE and forks a child that keeps the device and sleeps, and outlives it; then serves. Its thread ids are
    /// its own and the child's.
    ServerAndHeir(Server),
    /// Mounts FUSE and forks a child that serves it from the start, in a pid namespace of its own. Thread ids: its own,
    /// the child's.
    ServerInPidNamespace(Server),
    /// As [`super::Job::FuseServer`], with the mount in a mount namespace of its own.
    ServerInMountNamespace(Server),
    /// Mounts FUSE and sends the device in a message that nobody takes; then sleeps.
    NoServer(Server),
    /// Enters the mount namespace of a process; then stat(2).
    StatInNamespaceOf(i32, PathBuf),
    /// Changes its directory; then stat(2) of a relative path.
    StatFrom(PathBuf, PathBuf),
    /// Opens a directory; then fstatat(2) from it.
    StatAt(PathBuf, PathBuf),
    /// Changes its root; then stat(2).
    StatInRoot(PathBuf, PathBuf),
    /// Opens a file that is there; then write(2).
    Write(PathBuf),
    /// Opens a file that is there; then the main thread writes, and after a second word another thread writes to the
    /// same open file.
    WriteTwice(PathBuf),
}

impl Job {
    pub(super) fn run(self) -> Result<()> {
        match self {
            Self::Server(server, threads) => serve(server, threads),
            Self::ServerAndHeir(server) => serve_with_heir(server),
            Self::ServerInPidNamespace(server) => serve_in_pid_namespace(server),
            Self::ServerInMountNamespace(server) => serve_in_mount_namespace(server),
            Self::NoServer(server) => lose(server),
            Self::StatInNamespaceOf(pid, path) => {
                let file = format!("/proc/{pid}/ns/mnt");
                let namespace = File::open(&file).tried("open", &file)?;
                setns(namespace, CloneFlags::CLONE_NEWNS).tried("enter", &file)?;
                after_ready(|| stat(&path))
            }
            Self::StatFrom(dir, path) => {
                chdir(&dir).tried("change to", dir.display())?;
                after_ready(|| stat(&path))
            }
            Self::StatAt(dir, path) => stat_at(&dir, &path),
            Self::StatInRoot(dir, path) => {
                chroot(&dir).tried("change the root to", dir.display())?;
                chdir("/").tried("change to", "the new root")?;
                after_ready(|| stat(&path))
            }
            Self::Write(path) => {
                let file = open(&path)?;
                after_ready(|| write(&file))
            }
            Self::WriteTwice(path) => write_twice(&path),
        }
    }
}

fn serve(server: Server, threads: usize) -> Result<()> {
    let mounted = server.mount()?;
    let (sender, tids) = mpsc::channel();
    let mut all = vec![gettid().as_raw()];
    for _ in 1..threads {
        let (another, sender) = (mounted.again()?, sender.clone());
        thread::spawn(move || {
            if sender.send(gettid().as_raw()).is_ok()
                && let Err(error) = another.serve()
            {
                eprintln!("freezer-lab worker: {error}");
            }
        });
        all.push(tids.recv().map_err(|error| Error::new("start", "a thread", error))?);
    }
    ready(&all)?;
    mounted.serve()
}

fn serve_with_heir(server: Server) -> Result<()> {
    let mounted = server.mount()?;
    let device = mounted.again()?;
    // SAFETY: this worker has one thread.
    match unsafe { fork() }.tried("fork", "an heir")? {
        ForkResult::Child => sleep_for_ever(),
        ForkResult::Parent { child } => {
            drop(device);
            ready(&[gettid().as_raw(), child.as_raw()])?;
            mounted.serve()
        }
    }
}

fn serve_in_pid_namespace(server: Server) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWPID).tried("make", "a pid namespace")?;
    let mounted = server.mount()?;
    // SAFETY: this worker has one thread.
    match unsafe { fork() }.tried("fork", "a server")? {
        ForkResult::Child => {
            die_with_parent()?;
            mounted.serve()
        }
        ForkResult::Parent { child } => {
            drop(mounted);
            ready(&[gettid().as_raw(), child.as_raw()])?;
            sleep_for_ever()
        }
    }
}

fn serve_in_mount_namespace(server: Server) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).tried("make", "a mount namespace")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).tried("keep mounts to", "itself")?;
    let mounted = server.mount()?;
    after_ready(|| mounted.serve())
}

/// A descriptor in a message holds the file open, and no process has it.
fn lose(server: Server) -> Result<()> {
    let device = server.mount()?.into_device();
    let (here, _there) = socketpair(AddressFamily::Unix, SockType::Datagram, None, SockFlag::SOCK_CLOEXEC)
        .tried("make", "a pair of sockets")?;
    let rights = [device.as_raw_fd()];
    let message = [ControlMessage::ScmRights(&rights)];
    sendmsg::<()>(here.as_raw_fd(), &[IoSlice::new(NOTHING)], &message, MsgFlags::empty(), None)
        .tried("send", "/dev/fuse")?;
    drop(device);
    after_ready(|| sleep_for_ever())
}

fn die_with_parent() -> Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).tried("ask for", "a signal when the parent dies")
}

fn stat_at(dir: &Path, path: &Path) -> Result<()> {
    let dir = nix::fcntl::open(dir, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .tried("open", dir.display())?;
    after_ready(|| fstatat(&dir, path, AtFlags::empty()).map(drop).tried("stat", path.display()))
}

/// Two writers to one open file: the second waits for the position's mutex (fs/file.c, `fdget_pos`), the first, with it
/// in its hands, for the inode's lock (fs/fuse/file.c, `fuse_dio_lock`).
fn write_twice(path: &Path) -> Result<()> {
    let file = open(path)?;
    let (sender, receiver) = mpsc::channel();
    let started = Barrier::new(2); // stdin is the main thread's until it has its word
    thread::scope(|scope| {
        let second = scope.spawn(|| {
            sender.send(gettid().as_raw()).expect("the receiver lives until it has heard");
            started.wait();
            next_word()?;
            write(&file)
        });
        let tid = receiver.recv().map_err(|error| Error::new("start", "a thread", error))?;
        ready(&[gettid().as_raw(), tid])?;
        started.wait();
        write(&file)?;
        second.join().unwrap_or(Ok(()))
    })
}

fn open(path: &Path) -> Result<File> {
    File::options().write(true).open(path).tried("open", path.display())
}

fn write(mut file: &File) -> Result<()> {
    file.write_all(b"x").tried("write", "a byte")
}
