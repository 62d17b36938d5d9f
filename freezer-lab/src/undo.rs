//! How everything the lab makes is taken down again, in this process or, if that dies, in its watchdog.
//!
//! An undo step is a value, so that both run the very same code. Steps run in the order of their kinds, not of
//! their making: whatever is frozen must be thawed before its tasks can die, tasks must have got their signal
//! before what holds them lets go (or they would go on), and they must be dead before mounts and cgroups can go.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::cgroup::Cgroup;
use crate::error::{Error, Result, Tried as _};
use crate::{mapped, proc, wait};

/// How long a step may take until it is given up.
const LIMIT: Duration = Duration::from_secs(15);

nix::ioctl_readwrite!(
    /// `FITHAW` of linux/fs.h: thaws a filesystem frozen by `FIFREEZE`.
    fs_thaw, b'X', 120, libc::c_int
);

/// One thing to undo. Declared in the order the kinds are undone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Undo {
    /// Put a setting back as it was.
    Restore {
        /// File.
        path: PathBuf,
        /// What it held.
        text: String,
    },
    /// Remove a link, unless it leads elsewhere by now.
    RemoveLink {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// Take the freeze of a cgroup back, on whichever hierarchy.
    ThawCgroup(PathBuf),
    /// `SIGKILL` a process, unless the pid belongs to another one by now.
    Kill {
        /// Process id.
        pid: i32,
        /// When it started, in clock ticks since boot.
        start: u64,
    },
    /// Thaw a frozen filesystem.
    ThawFs(PathBuf),
    /// Abort a FUSE connection and unmount it.
    ReleaseFuse(PathBuf),
    /// Have the requests of an NFS mount fail, and unmount it.
    ReleaseNfs(PathBuf),
    /// Resume a device-mapper device, by its name, and remove it.
    ReleaseMapped(String),
    /// Have an OCI runtime kill and delete a container.
    DeleteContainer {
        /// The program.
        runtime: String,
        /// Its `--root`.
        state: PathBuf,
        /// The container.
        id: String,
    },
    /// Kill what is left of the lab in a cgroup and its descendants, move out what is not the lab's, remove it.
    RemoveCgroup(PathBuf),
    /// Unmount.
    Unmount(PathBuf),
    /// Remove a directory with all that is in it.
    RemoveDir(PathBuf),
}

impl Undo {
    /// Takes the thing down. What is gone already is no error.
    pub fn run(&self) -> Result<()> {
        match self {
            Self::Restore { path, text } => fs::write(path, text).tried("restore", path.display()),
            Self::RemoveLink { path, target } => remove_link(path, target),
            Self::ThawCgroup(path) => thaw_cgroup(path),
            Self::Kill { pid, start } => kill_process(*pid, *start),
            Self::ThawFs(path) => thaw_fs(path),
            // MNT_FORCE makes FUSE abort the connection (fs/fuse/inode.c, fuse_umount_begin), which wakes every
            // waiter, also one that no signal can reach; it needs no fusectl mount.
            // NFS fails the calls that wait (fs/nfs/super.c, nfs_umount_begin).
            Self::ReleaseFuse(path) | Self::ReleaseNfs(path) => {
                unmount(path, MntFlags::MNT_FORCE | MntFlags::MNT_DETACH)
            }
            Self::ReleaseMapped(name) => mapped::release(name, LIMIT),
            Self::DeleteContainer { runtime, state, id } => delete_container(runtime, state, id),
            Self::RemoveCgroup(path) => remove_cgroup(path),
            Self::Unmount(path) => unmount(path, MntFlags::MNT_DETACH),
            Self::RemoveDir(path) => gone_is_fine(fs::remove_dir_all(path)).tried("remove", path.display()),
        }
    }

    /// Runs all steps in the right order, the last made first within a kind. Goes on past failures.
    pub fn run_all(mut steps: Vec<Self>) -> Vec<Error> {
        steps.reverse();
        steps.sort_by_key(Self::rank);
        steps.iter().filter_map(|step| step.run().err()).collect()
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Restore { .. } | Self::RemoveLink { .. } => 0,
            Self::ThawCgroup(_) => 1,
            Self::Kill { .. } => 2,
            Self::ThawFs(_) | Self::ReleaseFuse(_) | Self::ReleaseNfs(_) | Self::ReleaseMapped(_) => 3,
            Self::DeleteContainer { .. } | Self::RemoveCgroup(_) => 4,
            Self::Unmount(_) => 5,
            Self::RemoveDir(_) => 6,
        }
    }
}

fn gone_is_fine(result: std::io::Result<()>) -> std::io::Result<()> {
    result.or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn remove_link(path: &Path, target: &Path) -> Result<()> {
    match fs::read_link(path) {
        Ok(found) if found == target => gone_is_fine(fs::remove_file(path)).tried("remove", path.display()),
        // Gone, or not ours.
        _ => Ok(()),
    }
}

fn thaw_cgroup(path: &Path) -> Result<()> {
    for dir in Cgroup::subtree(path) {
        for (file, text) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
            let file = dir.join(file);
            // Only an existing file: which of the two there is depends on the hierarchy.
            if file.exists() {
                gone_is_fine(fs::write(&file, text)).tried("thaw", file.display())?;
            }
        }
    }
    Ok(())
}

fn kill_process(pid: i32, start: u64) -> Result<()> {
    if proc::start_time(pid) != Some(start) {
        return Ok(());
    }
    match kill(Pid::from_raw(pid), Signal::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno).tried("kill", pid),
    }
}

fn thaw_fs(path: &Path) -> Result<()> {
    let dir = match File::open(path) {
        Ok(dir) => dir,
        Err(error) => return gone_is_fine(Err(error)).tried("open", path.display()),
    };
    let mut unused: libc::c_int = 0;
    // SAFETY: FITHAW takes an int pointer it does not use; the descriptor is open.
    match unsafe { fs_thaw(std::os::fd::AsRawFd::as_raw_fd(&dir), &raw mut unused) } {
        // EINVAL: it was not frozen.
        Ok(_) | Err(Errno::EINVAL) => Ok(()),
        Err(errno) => Err(errno).tried("thaw the filesystem", path.display()),
    }
}

fn unmount(path: &Path, flags: MntFlags) -> Result<()> {
    match umount2(path, flags) {
        // EINVAL: not a mount point any more.
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno).tried("unmount", path.display()),
    }
}

fn delete_container(runtime: &str, state: &Path, id: &str) -> Result<()> {
    let mut delete = Command::new(runtime);
    delete.arg("--root").arg(state).args(["delete", "--force", id]).stdin(Stdio::null());
    let output = delete.output().tried("start", runtime)?;
    let said = String::from_utf8_lossy(&output.stderr);
    // It may have died before it made the container.
    if output.status.success() || said.contains("does not exist") {
        return Ok(());
    }
    Err(Error::new("delete the container", id, said.trim()))
}

fn remove_cgroup(path: &Path) -> Result<()> {
    let mut last = Ok(());
    let gone = wait::until(LIMIT, || {
        for dir in Cgroup::subtree(path) {
            empty_cgroup(&dir, path);
            last = gone_is_fine(fs::remove_dir(&dir));
        }
        last.is_ok()
    });
    if gone { Ok(()) } else { last.tried("remove the cgroup", path.display()) }
}

/// Kills the lab's own processes; another's (a curious user's shell) is moved to the parent, not killed.
fn empty_cgroup(dir: &Path, top: &Path) {
    let procs = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    for pid in procs.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0) {
        if proc::is_lab(pid) {
            if let Err(errno) = kill(Pid::from_raw(pid), Signal::SIGKILL) {
                debug_assert_eq!(errno, Errno::ESRCH);
            }
        } else if let Some(parent) = top.parent() {
            // A process that dies meanwhile cannot be moved; the caller looks again.
            drop(fs::write(parent.join("cgroup.procs"), pid.to_string()));
        }
    }
}
