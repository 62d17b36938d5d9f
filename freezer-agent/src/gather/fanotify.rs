//! Marks of fanotify groups, and the file that a task needs leave for.

use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use super::mountinfo::Mount;
use super::paths;
use super::procdir::{ProcDir, Process, field};
use crate::explain::facts::{FanotifyMark, KnownBy, MarkedObject, SyscallFacts, UsedFile};

/// `FAN_OPEN_PERM`, `FAN_ACCESS_PERM`, `FAN_OPEN_EXEC_PERM` and `FAN_PRE_ACCESS` of `linux/fanotify.h`.
const PERMISSION: u64 = 0x10000 | 0x20000 | 0x40000 | 0x0010_0000;
/// `RESOLVE_CACHED` of `linux/openat2.h` (5.12): fail where a lookup would have to ask a filesystem.
const RESOLVE_CACHED: u64 = 0x20;
/// How often a look-up in the cache is tried.
const CACHED_TRIES: u32 = 5;

/// The marks of a group that asks for leave; none where it does not. Printed by `fs/notify/fdinfo.c`,
/// `fanotify_fdinfo`.
pub fn marks(fdinfo: &[u8]) -> Vec<FanotifyMark> {
    let marks: Vec<FanotifyMark> = fdinfo.split(|&b| b == b'\n').filter_map(mark).collect();
    if marks.iter().any(|mark| mark.events & PERMISSION != 0) { marks } else { Vec::new() }
}

/// `fanotify ino:2 sdev:800001 mflags:0 mask:10000 ignored_mask:0 fhandle-bytes:8 ...`, or with `mnt_id:` or `sdev:`
/// alone; all numbers are hexadecimal.
fn mark(line: &[u8]) -> Option<FanotifyMark> {
    let line = std::str::from_utf8(line).ok()?.strip_prefix("fanotify ")?;
    let value = |key: &str| {
        let text = line.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix(':'))?;
        u64::from_str_radix(text, 16).ok()
    };
    // linux/kdev_t.h: twenty bits of minor number.
    let device =
        value("sdev").and_then(|dev| Some((u32::try_from(dev >> 20).ok()?, (dev & 0xf_ffff) as u32)));
    let on = match (value("ino"), value("mnt_id"), device) {
        (Some(inode), _, Some((major, minor))) => MarkedObject::Inode(inode, major, minor),
        (None, Some(id), _) => MarkedObject::Mount(id),
        (None, None, Some((major, minor))) => MarkedObject::Filesystem(major, minor),
        _ => return None,
    };
    Some(FanotifyMark { on, events: value("mask")?, ignored: value("ignored_mask")? })
}

/// The file of a system call. No file is opened for use and no filesystem asked: only links of /proc are followed,
/// and paths as far as the kernel has them in its cache.
pub fn used_file(proc: &ProcDir, process: &Process, call: Option<&SyscallFacts>) -> Option<UsedFile> {
    // A call that names two files gives no answer: which of them it is at cannot be told.
    let [file] = call?.files.as_slice() else { return None };
    let mounts = process.mounts();
    let by_descriptor = file.known_by == KnownBy::Descriptor;
    let path = file.path.as_bytes();
    let root = directory(&process.path("root"));
    let found = root.as_ref().and_then(|root| looked_up(proc, process, root, path));
    let found = match found {
        Some(found) => found,
        // Its mount at least, by the path's text.
        None => Found { mount: file.mount.as_ref()?.id, inode: None, parent: None, directory: None },
    };
    let Found { mount, inode, parent, directory } = found;
    // A table leaves out what lies outside the reader's root: a chroot's own mount is in this process's table only.
    let device = device_of(&mounts, mount).or_else(|| device_of(&Process::own(proc).mounts(), mount));
    Some(UsedFile { mount, device, inode, parent, directory, by_descriptor })
}

/// What the kernel's cache holds of a path.
struct Found {
    mount: u64,
    inode: Option<u64>,
    parent: Option<u64>,
    directory: Option<bool>,
}

fn looked_up(proc: &ProcDir, process: &Process, root: &File, path: &[u8]) -> Option<Found> {
    let (file, link) = cached(proc, root, path, OFlag::empty())?;
    let info = proc.own_descriptor(file.as_raw_fd(), "fdinfo")?;
    // Where it really is: a link may have led elsewhere.
    let own_root = process.link("root").unwrap_or_else(|| b"/".to_vec());
    let real = paths::beneath(&own_root, &link).unwrap_or(path);
    let above = real.iter().rposition(|&b| b == b'/').map_or(&b"/"[..], |slash| &real[..slash.max(1)]);
    let parent = cached(proc, root, above, OFlag::O_DIRECTORY)
        .and_then(|(dir, _)| field(&proc.own_descriptor(dir.as_raw_fd(), "fdinfo")?, "ino"));
    let directory = Some(cached(proc, root, real, OFlag::O_DIRECTORY).is_some());
    Some(Found { mount: field(&info, "mnt_id")?, inode: field(&info, "ino"), parent, directory })
}

/// A path within a root, opened as a place only (`O_PATH` asks no listener for leave), and its link in /proc.
fn cached(proc: &ProcDir, root: &File, path: &[u8], kind: OFlag) -> Option<(OwnedFd, Vec<u8>)> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC | kind)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::from_bits_retain(RESOLVE_CACHED));
    let file = (0..CACHED_TRIES).find_map(|_| match openat2(root, path, how) {
        // Also where a rename or a mount anywhere on the host came in between.
        Err(Errno::EAGAIN) => None,
        answer => Some(answer.ok()),
    })??;
    let link = proc.own_link(file.as_raw_fd())?;
    Some((file, link))
}

fn directory(path: &Path) -> Option<File> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path).ok()
}

fn device_of(mounts: &[Mount], id: u64) -> Option<(u32, u32)> {
    mounts.iter().find(|mount| mount.facts.id == id).map(|mount| (mount.facts.major, mount.facts.minor))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::explain::facts::FileFacts;
    use crate::model::Name;

    #[test]
    fn marks_are_read_from_fdinfo_with_what_they_lie_on() {
        let info = b"pos:\t0\nflags:\t0100000\nfanotify flags:24 event-flags:8000\n\
            fanotify ino:2a sdev:800002 mflags:0 mask:10000 ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:2a\n\
            fanotify mnt_id:1c mflags:0 mask:20000 ignored_mask:10000\n\
            fanotify sdev:2b mflags:0 mask:40000 ignored_mask:0\n";
        let on: Vec<_> = marks(info).iter().map(|mark| (mark.on, mark.events, mark.ignored)).collect();
        assert_eq!(
            on,
            [
                (MarkedObject::Inode(42, 8, 2), 0x10000, 0),
                (MarkedObject::Mount(28), 0x20000, 0x10000),
                (MarkedObject::Filesystem(0, 43), 0x40000, 0),
            ]
        );
    }

    #[test]
    fn a_group_that_only_watches_is_none() {
        assert_eq!(marks(b"fanotify mnt_id:1c mflags:0 mask:20 ignored_mask:0\n"), []);
    }

    #[test]
    fn a_file_is_found_behind_a_link_with_its_directory() {
        use std::os::unix::fs::MetadataExt as _;
        let dir = tempfile::tempdir().expect("a directory");
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&file, "x").expect("written");
        std::os::unix::fs::symlink("file", &link).expect("a link");
        // A link is followed from the cache only once its time of access is later than that of its making
        // (relatime_need_update(), fs/inode.c), and these times are as coarse as the tick.
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::metadata(&link).expect("looked up once: now the kernel has it in its cache");
        let call = SyscallFacts {
            name: "openat".to_owned(),
            files: vec![FileFacts {
                path: Name::from(link.as_path()),
                known_by: KnownBy::PathArgument,
                mount: None,
            }],
        };
        let proc = ProcDir::host();
        let used = used_file(&proc, &Process::own(&proc), Some(&call)).expect("found");
        let inode = |path: &Path| Some(std::fs::metadata(path).expect("there").ino());
        assert_eq!((used.inode, used.parent, used.directory), (inode(&file), inode(dir.path()), Some(false)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_marks_or_not(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            marks(&bytes);
        }
    }
}
