//! The control filesystem of FUSE, also where nobody has mounted it: how many requests wait on each connection.
//!
//! fusectl has one superblock for the whole host (`fs/fuse/control.c`, `fuse_ctl_get_tree`), and a mount of it that is
//! attached nowhere (fsmount(2), 5.2+) changes nothing that anybody else can see.

use std::ffi::CStr;
use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use super::procdir::{ProcDir, number, read};

/// `include/uapi/linux/mount.h`
const FSOPEN_CLOEXEC: libc::c_long = 1;
const FSMOUNT_CLOEXEC: libc::c_long = 1;
const FSCONFIG_CMD_CREATE: libc::c_long = 6;

/// The directory of connections.
#[derive(Debug)]
pub struct Fusectl {
    dir: PathBuf,
    /// What keeps a mount of our own alive.
    _mount: Option<OwnedFd>,
}

impl Fusectl {
    /// Where it is mounted, else through a mount of our own; `None` where neither is to be had (no `CAP_SYS_ADMIN`).
    pub fn open(proc: &ProcDir) -> Option<Self> {
        let mounted = proc.sys().join("fs/fuse/connections");
        if fs::read_dir(&mounted).is_ok_and(|mut entries| entries.next().is_some()) {
            return Some(Self { dir: mounted, _mount: None });
        }
        let mount = detached(c"fusectl").filter(|_| proc.is_host())?;
        Some(Self { dir: PathBuf::from(format!("/proc/self/fd/{}", mount.as_raw_fd())), _mount: Some(mount) })
    }

    /// Requests that wait on a connection: sent and not answered, or not yet sent (`fuse_conn_waiting_read`).
    pub fn waiting(&self, connection: u32) -> Option<u64> {
        number(read(&self.dir.join(connection.to_string()).join("waiting"))?.as_slice())
    }

    /// The directory of a connection, opened as a place only.
    pub fn directory(&self, connection: u32) -> Option<File> {
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let dir = self.dir.join(connection.to_string());
        OpenOptions::new().read(true).custom_flags(flags).open(dir).ok()
    }

    /// Every connection of the host.
    pub fn connections(&self) -> Vec<u32> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }
}

/// A mount of a filesystem that needs no options, attached nowhere.
fn detached(fstype: &CStr) -> Option<OwnedFd> {
    let none = std::ptr::null::<libc::c_char>();
    // SAFETY: the name is a C string; the kernel only reads it.
    let context = descriptor(unsafe { libc::syscall(libc::SYS_fsopen, fstype.as_ptr(), FSOPEN_CLOEXEC) })?;
    let fd = libc::c_long::from(context.as_raw_fd());
    // SAFETY: this command takes neither key nor value.
    let created = unsafe { libc::syscall(libc::SYS_fsconfig, fd, FSCONFIG_CMD_CREATE, none, none, 0_i64) };
    if created != 0 {
        return None;
    }
    // SAFETY: numbers only.
    descriptor(unsafe { libc::syscall(libc::SYS_fsmount, fd, FSMOUNT_CLOEXEC, 0_i64) })
}

fn descriptor(answer: libc::c_long) -> Option<OwnedFd> {
    let fd = i32::try_from(answer).ok().filter(|&fd| fd >= 0)?;
    // SAFETY: the kernel has just made it, and it is nobody else's.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}
