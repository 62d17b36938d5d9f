//! Follows a path as the kernel would, links included, through the names the kernel holds in its cache: no filesystem is
//! asked, so a silent server cannot hang the walk.
//!
//! From the task's own root or directory descriptor (`/proc/TID/root`, `cwd`, `fd/N`, opened with `O_PATH`: no file is
//! opened) each name is looked up with `RESOLVE_CACHED` (5.12, `fs/namei.c`, `LOOKUP_CACHED`), which gives up where a
//! filesystem would have to be asked. A task that waits for a filesystem has walked the names before, so they are there.
//! Where the walk ends is told by the mount id in our own `fdinfo`, which needs no filesystem either.

use std::ffi::{CString, OsStr};
use std::fs;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use nix::errno::Errno;

use super::procdir::field;

/// Links followed, as in the kernel (`MAXSYMLINKS`).
const MOST_LINKS: usize = 40;

/// `struct open_how` (include/uapi/linux/openat2.h).
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// Id of the mount that a walk ends in: at the path's end, or at the last name that is known without asking.
///
/// `start` is `cwd`, `root` or `fd/N` of the task. A link is read only on the mounts in `readable`, local ones: elsewhere
/// that could ask a server. `None`: the walk could not begin, or met a local name that is not in the cache.
pub fn mount_id(tid: i32, start: &str, path: &[u8], readable: &[u64]) -> Option<u64> {
    let root = magic(tid, "root")?;
    let from = if path.first() == Some(&b'/') { "root" } else { start };
    Walk { at: magic(tid, from)?, root, ahead: parts(path), links: 0 }.run(readable)
}

struct Walk {
    root: OwnedFd,
    at: OwnedFd,
    /// Names still to go, the next one last.
    ahead: Vec<Vec<u8>>,
    links: usize,
}

impl Walk {
    fn run(mut self, readable: &[u64]) -> Option<u64> {
        let mut mount = own_mount_id(&self.at)?;
        while let Some(name) = self.ahead.pop() {
            if name == b".." && self.is_at_root()? {
                continue;
            }
            let next = match cached(&self.at, &name) {
                Ok(next) => next,
                // Where it has to ask a server is where the task waits; a local name would have been there.
                Err(Errno::EAGAIN) if readable.contains(&mount) => return None,
                Err(_) => break,
            };
            let on = own_mount_id(&next)?;
            // A link shows itself by having a text. What is mounted over something is no link.
            if on == mount && readable.contains(&on) && self.follow(&next)? {
                continue;
            }
            (self.at, mount) = (next, on);
        }
        Some(mount)
    }

    /// Whether `link` is one; its names then lie ahead.
    fn follow(&mut self, link: &OwnedFd) -> Option<bool> {
        let Some(target) = link_text(link) else { return Some(false) };
        self.links += 1;
        if self.links > MOST_LINKS {
            return None;
        }
        if target.first() == Some(&b'/') {
            self.at = self.root.try_clone().ok()?;
        }
        self.ahead.extend(parts(&target));
        Some(true)
    }

    /// `..` stops at the task's root.
    fn is_at_root(&self) -> Option<bool> {
        let same_mount = own_mount_id(&self.at)? == own_mount_id(&self.root)?;
        Some(same_mount && own_path(&self.at)? == own_path(&self.root)?)
    }
}

/// Names of a path, the first one last.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|&b| b == b'/').filter(|name| !matches!(*name, b"" | b"."));
    names.rev().map(<[u8]>::to_vec).collect()
}

/// A link of /proc that leads straight to a file (`nd_jump_link`), opened as a place only.
fn magic(tid: i32, name: &str) -> Option<OwnedFd> {
    let path = CString::new(format!("/proc/{tid}/{name}")).ok()?;
    // SAFETY: the path is a live, NUL-terminated string.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
    own(Errno::result(fd).ok()?.into()).ok()
}

/// The file of this name, if the kernel knows it without asking a filesystem. The last link is not followed.
fn cached(at: &OwnedFd, name: &[u8]) -> nix::Result<OwnedFd> {
    let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let how = OpenHow { flags: u64::from(flags.cast_unsigned()), mode: 0, resolve: libc::RESOLVE_CACHED };
    // SAFETY: name and how are live, and the size is that of how.
    let fd = unsafe {
        libc::syscall(libc::SYS_openat2, at.as_raw_fd(), name.as_ptr(), &raw const how, size_of::<OpenHow>())
    };
    own(Errno::result(fd)?)
}

fn own(fd: i64) -> nix::Result<OwnedFd> {
    let fd = i32::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just given it to us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn link_text(link: &OwnedFd) -> Option<Vec<u8>> {
    let mut text = vec![0_u8; 4096];
    // SAFETY: the buffer is live and as long as said; the empty path means the descriptor itself.
    let length =
        unsafe { libc::readlinkat(link.as_raw_fd(), c"".as_ptr(), text.as_mut_ptr().cast(), text.len()) };
    text.truncate(usize::try_from(length).ok()?);
    Some(text)
}

fn own_mount_id(fd: &OwnedFd) -> Option<u64> {
    field(&fs::read(format!("/proc/thread-self/fdinfo/{}", fd.as_raw_fd())).ok()?, "mnt_id")
}

fn own_path(fd: &OwnedFd) -> Option<Vec<u8>> {
    let link = format!("/proc/thread-self/fd/{}", fd.as_raw_fd());
    Some(fs::read_link(Path::new(OsStr::from_bytes(link.as_bytes()))).ok()?.into_os_string().into_vec())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::gather::procdir::{ProcDir, Process};

    fn me() -> i32 {
        nix::unistd::Pid::this().as_raw()
    }

    fn own_mounts() -> Vec<(u64, String)> {
        let mounts = Process::own(&ProcDir::host()).mounts();
        mounts.iter().map(|mount| (mount.facts.id, mount.facts.path.to_string())).collect()
    }

    fn id_of(point: &str) -> u64 {
        // Of several on one point the last hides the others.
        own_mounts().iter().rfind(|(_, path)| path == point).expect("mounted").0
    }

    #[test]
    fn a_link_leads_into_the_mount_it_points_to() {
        let dir = tempfile::tempdir().expect("a folder");
        symlink("/proc/self", dir.path().join("link")).expect("a link");
        symlink("link/../..", dir.path().join("up")).expect("a link");
        let readable: Vec<u64> =
            own_mounts().iter().filter(|(_, path)| path != "/proc").map(|m| m.0).collect();
        let walk =
            |name: &str| mount_id(me(), "cwd", dir.path().join(name).as_os_str().as_bytes(), &readable);
        // The links must be in the cache, as they are for a task that has walked them.
        drop(fs::metadata(dir.path().join("up")));
        assert_eq!(walk("link"), Some(id_of("/proc")));
        assert_ne!(walk("."), Some(id_of("/proc")));
    }

    #[test]
    fn a_circle_of_links_ends() {
        let dir = tempfile::tempdir().expect("a folder");
        symlink("b", dir.path().join("a")).expect("a link");
        symlink("a", dir.path().join("b")).expect("a link");
        drop(fs::metadata(dir.path().join("a")));
        let all: Vec<u64> = own_mounts().iter().map(|mount| mount.0).collect();
        assert_eq!(mount_id(me(), "cwd", dir.path().join("a").as_os_str().as_bytes(), &all), None);
    }

    #[test]
    fn a_relative_path_begins_where_it_is_said_to() {
        assert_eq!(mount_id(me(), "cwd", b"/proc", &[]), Some(id_of("/proc")));
        assert_eq!(mount_id(me(), "root", b"proc", &[]), Some(id_of("/proc")));
        assert_eq!(mount_id(me(), "root", b"../../proc", &[]), Some(id_of("/proc")));
        assert_eq!(mount_id(i32::MAX, "cwd", b"x", &[]), None);
    }
}
