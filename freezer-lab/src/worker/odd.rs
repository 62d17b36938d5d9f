//! Workers that are hard to look at: with names of any bytes, by the thousand, in namespaces of their own, or stuck
//! with their memory map locked.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, gettid};
use serde::{Deserialize, Serialize};

use super::job::{after_ready, sleep_for_ever};
use super::{next_word, ready};
use crate::error::{Error, Result, Tried as _};

/// A job. "Then" is after [`super::Worker::go`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// Takes a name of any bytes but NUL; then calls stat(2) on a path of any bytes.
    Named {
        /// Up to 15 bytes.
        comm: Vec<u8>,
        /// Path.
        path: Vec<u8>,
    },
    /// So many threads; then each reads from one file, opened once.
    ReadByMany(usize, PathBuf),
    /// In pid, mount and cgroup namespaces of its own, with `from` bound to `to` there: then a child, process 1 there,
    /// calls stat(2) on a path.
    Unshared {
        /// What is bound,
        from: PathBuf,
        /// and where.
        to: PathBuf,
        /// To stat.
        path: PathBuf,
    },
    /// Three threads on [`crate::fuse::MIXED_FILE`]: then the second reads from it, and after a second word the first
    /// maps it, which waits for the page of that read with the memory map locked for writing. The third, already by
    /// then, is in a stat(2) of the other path.
    MapUnderRead {
        /// The file.
        file: PathBuf,
        /// The path.
        path: PathBuf,
    },
}

impl Job {
    pub(super) fn run(self) -> Result<()> {
        match self {
            Self::Named { comm, path } => {
                let name = CString::new(comm).map_err(|error| Error::new("take", "a name", error))?;
                prctl::set_name(&name).tried("take", "a name")?;
                after_ready(|| stat(Path::new(&OsString::from_vec(path))))
            }
            Self::ReadByMany(threads, path) => read_by_many(threads, &path),
            Self::Unshared { from, to, path } => unshared(&from, &to, &path),
            Self::MapUnderRead { file, path } => map_under_read(&file, path),
        }
    }
}

fn stat(path: &Path) -> Result<()> {
    fs::metadata(path).map(drop).tried("stat", path.display())
}

/// pread(2), which takes no lock of the file's position.
fn read_by_many(threads: usize, path: &Path) -> Result<()> {
    let file = File::open(path).tried("open", path.display())?;
    let (sender, started) = mpsc::channel();
    let mut tids = vec![gettid().as_raw()];
    thread::scope(|scope| {
        let mut go = Vec::new();
        for _ in 1..threads {
            let (file, sender) = (&file, sender.clone());
            let (word, wait) = mpsc::channel::<()>();
            go.push(word);
            let reader = move || {
                sender.send(gettid().as_raw()).expect("the receiver lives until every thread has sent");
                if wait.recv().is_ok() {
                    drop(file.read_at(&mut [0; 512], 0));
                }
                sleep_for_ever()
            };
            let small = thread::Builder::new().stack_size(64 << 10);
            small.spawn_scoped(scope, reader).tried("start", "a thread")?;
            tids.push(started.recv().map_err(|error| Error::new("start", "a thread", error))?);
        }
        ready(&tids)?;
        drop(go.into_iter().map(|word| word.send(())).collect::<Vec<_>>());
        file.read_at(&mut [0; 512], 0).map(drop).tried("read", path.display())
    })
}

fn unshared(from: &Path, to: &Path, path: &Path) -> Result<()> {
    let flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWCGROUP;
    unshare(flags).tried("make", "namespaces")?;
    let none = None::<&OsStr>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).tried("make private", "/")?;
    mount(Some(from), to, none, MsFlags::MS_BIND, none).tried("bind", from.display())?;
    // SAFETY: this worker has one thread.
    match unsafe { fork() }.tried("fork", "a child")? {
        ForkResult::Parent { child } => waitpid(child, None).map(drop).tried("wait for", child),
        ForkResult::Child => {
            prctl::set_pdeathsig(Signal::SIGKILL).tried("ask for", "a signal when the parent dies")?;
            after_ready(|| stat(path))
        }
    }
}

/// The cached read keeps its page locked (mm/filemap.c); mapping the same file for direct I/O throws pages out, and
/// waits for that lock in the middle of mmap(2) (fs/fuse/file.c, `fuse_file_mmap`, 6.18).
fn map_under_read(file: &Path, path: PathBuf) -> Result<()> {
    let cached = File::open(file).tried("open", file.display())?;
    let mut options = OpenOptions::new();
    let direct = options.read(true).custom_flags(libc::O_APPEND).open(file).tried("open", file.display())?;
    let (sender, tids) = mpsc::channel();
    let (go, reader_go) = mpsc::channel::<()>();
    let (go_too, stat_go) = mpsc::channel::<()>();
    let read_sender = sender.clone();
    thread::spawn(move || {
        read_sender.send(gettid().as_raw()).expect("the receiver lives until it has heard");
        if reader_go.recv().is_ok() {
            drop(cached.read_at(&mut [0; 512], 0));
        }
        sleep_for_ever()
    });
    let tid = |error| Error::new("start", "a thread", error);
    let reader = tids.recv().map_err(tid)?;
    thread::spawn(move || {
        sender.send(gettid().as_raw()).expect("the receiver lives until it has heard");
        if stat_go.recv().is_ok() {
            drop(stat(&path));
        }
        sleep_for_ever()
    });
    let other = tids.recv().map_err(tid)?;
    ready(&[gettid().as_raw(), reader, other])?;
    for word in [go, go_too] {
        word.send(()).map_err(|error| Error::new("start", "a thread", error))?;
    }
    next_word()?;
    let (access, private) = (ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE);
    let page = NonZeroUsize::new(4096).ok_or_else(|| Error::new("map", "a page", "of no length"))?;
    // SAFETY: the kernel chooses the place, and nothing refers to it.
    unsafe { mmap(None, page, access, private, &direct, 0) }.tried("map", file.display())?;
    sleep_for_ever()
}
