//! The system call a task is in, and the files its arguments name.

use std::collections::BTreeSet;

use syscalls::Sysno;

use super::memory::{Memory, MemoryError};
use super::mountinfo::Mount;
use super::procdir::{Process, field};
use super::tables::Tables;
use super::{mapped, paths, walk};
use crate::explain::facts::{FileFacts, KnownBy, MountFacts, SyscallFacts};
use crate::model::Name;

/// How a call's arguments name a file, by argument index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Descriptor(usize),
    Path(usize),
    /// Directory descriptor, then a path from there.
    PathAt(usize, usize),
    /// An address in a mapping of it.
    Mapping(usize),
}

use Names::{Descriptor as D, Mapping as M, Path as P, PathAt as A};

/// What the calls that can block on a file name (man pages of section 2).
#[rustfmt::skip]
const CALLS: &[(&[&str], &[Names])] = &[
    (&["openat", "openat2", "newfstatat", "fstatat", "statx", "mkdirat", "mknodat", "unlinkat", "faccessat",
       "faccessat2", "readlinkat", "fchmodat", "fchmodat2", "fchownat", "utimensat", "futimesat", "execveat",
       "name_to_handle_at", "open_tree"], &[A(0, 1)]),
    (&["open", "creat", "stat", "lstat", "access", "mkdir", "rmdir", "mknod", "unlink", "chdir", "chroot", "chmod",
       "chown", "lchown", "readlink", "truncate", "statfs", "execve", "utime", "utimes", "umount2", "acct", "swapon",
       "getxattr", "lgetxattr", "setxattr", "lsetxattr", "listxattr", "llistxattr", "removexattr", "lremovexattr"],
     &[P(0)]),
    (&["rename", "link", "pivot_root"], &[P(0), P(1)]),
    (&["symlink", "inotify_add_watch", "mount"], &[P(1)]),
    (&["renameat", "renameat2", "linkat"], &[A(0, 1), A(2, 3)]),
    (&["symlinkat"], &[A(1, 2)]),
    (&["read", "write", "pread64", "pwrite64", "readv", "writev", "preadv", "pwritev", "preadv2", "pwritev2", "fsync",
       "fdatasync", "syncfs", "sync_file_range", "ftruncate", "fallocate", "fstat", "fstatfs", "getdents", "getdents64",
       "lseek", "fchdir", "fchmod", "fchown", "flock", "fcntl", "ioctl", "readahead", "fadvise64", "fgetxattr",
       "fsetxattr", "flistxattr", "fremovexattr", "vmsplice"], &[D(0)]),
    (&["sendfile"], &[D(0), D(1)]),
    (&["copy_file_range", "splice"], &[D(0), D(2)]),
    (&["mmap"], &[D(4)]),
    (&["msync"], &[M(0)]),
];

/// A line of `/proc/TID/syscall`.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    number: usize,
    args: [u64; 6],
}

/// What a task's `/proc/TID/syscall` names; `None` where it runs or is in no call.
pub fn of(
    process: &Process,
    memory: &mut Memory,
    tables: &mut Tables,
    gaps: &mut BTreeSet<String>,
) -> Option<SyscallFacts> {
    let line = parse(&process.read("syscall")?)?;
    // The table is this architecture's: a 32-bit task's number could be named wrongly, its files then lack.
    let name = Sysno::new(line.number).map_or_else(|| line.number.to_string(), |call| call.name().to_owned());
    let names =
        CALLS.iter().find(|(calls, _)| calls.contains(&name.as_str())).map_or(&[][..], |(_, names)| names);
    if names.is_empty() {
        return Some(SyscallFacts { name, files: Vec::new() });
    }
    let mounts = tables.of(process);
    let mut look = Look { process, mounts: &mounts, tables, memory, gaps };
    let files = names.iter().filter_map(|names| look.file(*names, &line.args)).collect();
    Some(SyscallFacts { name, files })
}

/// Whether a task is in a call that reads from a file of such a path, frozen or not.
pub fn reads(process: &Process, fits: impl Fn(&[u8]) -> bool) -> bool {
    const READING: [&str; 5] = ["read", "readv", "preadv", "preadv2", "splice"];
    let call = process.read("syscall").and_then(|bytes| parse(&bytes));
    call.is_some_and(|line| {
        let name = Sysno::new(line.number).map_or("", |call| call.name());
        let path = descriptor(line.args[0]).and_then(|fd| process.link(&format!("fd/{fd}")));
        READING.contains(&name) && path.is_some_and(|path| fits(&path))
    })
}

/// `fs/proc/base.c`, `proc_pid_syscall`: `running`, or number, six arguments, stack pointer, program counter.
fn parse(bytes: &[u8]) -> Option<Line> {
    let mut words = std::str::from_utf8(bytes).ok()?.split_ascii_whitespace();
    // -1 means blocked outside a system call.
    let number = words.next()?.parse().ok()?;
    let mut args = [0; 6];
    for arg in &mut args {
        *arg = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    }
    Some(Line { number, args })
}

struct Look<'a> {
    process: &'a Process,
    mounts: &'a [Mount],
    tables: &'a Tables,
    memory: &'a mut Memory,
    gaps: &'a mut BTreeSet<String>,
}

impl Look<'_> {
    fn file(&mut self, names: Names, args: &[u64; 6]) -> Option<FileFacts> {
        match names {
            Names::Descriptor(index) => self.by_descriptor(descriptor(args[index])?),
            Names::Path(index) => self.by_path(None, args[index]),
            Names::PathAt(dir, path) => self.by_path(descriptor(args[dir]), args[path]),
            Names::Mapping(address) => self.by_mapping(args[address]),
        }
    }

    fn by_mapping(&mut self, address: u64) -> Option<FileFacts> {
        match mapped::at(self.process, address, self.memory, self.mounts) {
            Ok(file) => file.map(|file| FileFacts {
                path: self.in_own_root(file.path.as_bytes()),
                known_by: KnownBy::PathArgument,
                mount: Some(file.mount),
            }),
            Err(MemoryError::Unreadable) => None,
            Err(MemoryError::TooLate) => {
                self.gaps.insert(format!("reading the memory map of {} took too long", self.process.tid));
                None
            }
        }
    }

    fn by_descriptor(&self, fd: i32) -> Option<FileFacts> {
        let info = self.process.read(&format!("fdinfo/{fd}"))?;
        let id = field(&info, "mnt_id")?;
        let path = self.process.link(&format!("fd/{fd}"))?;
        let mount = self.mount_by_id(id);
        Some(FileFacts { path: self.in_own_root(&path), known_by: KnownBy::Descriptor, mount })
    }

    fn by_path(&mut self, dir: Option<i32>, address: u64) -> Option<FileFacts> {
        let text = match self.memory.text(self.process.tid, usize::try_from(address).ok()?) {
            Ok(text) => text,
            Err(MemoryError::Unreadable) => return None,
            Err(MemoryError::TooLate) => {
                self.gaps.insert(format!("reading the path argument of {} took too long", self.process.tid));
                return None;
            }
        };
        if text.is_empty() {
            // AT_EMPTY_PATH: the descriptor itself.
            return self.by_descriptor(dir?);
        }
        let start = dir.map_or_else(|| "cwd".to_owned(), |fd| format!("fd/{fd}"));
        let base = if text.first() == Some(&b'/') {
            b"/".to_vec()
        } else {
            self.in_own_root(&self.process.link(&start)?).as_bytes().to_vec()
        };
        let path = paths::absolute(&base, &text);
        let by_text = || paths::mount_of(self.mounts, &path).map(|mount| mount.facts.clone());
        let mount = self.walked_mount(start, text).or_else(by_text);
        Some(FileFacts { path: Name::from(path), known_by: KnownBy::PathArgument, mount })
    }

    /// The mount that the path leads to, links followed; `None` where the kernel's cache does not tell.
    fn walked_mount(&mut self, start: String, path: Vec<u8>) -> Option<MountFacts> {
        let readable: Vec<u64> =
            self.mounts.iter().filter(|mount| is_local(mount)).map(|mount| mount.facts.id).collect();
        let tid = self.process.tid;
        match self.memory.in_time(move || walk::mount_id(tid, &start, &path, &readable)) {
            Ok(id) => self.mount_by_id(id),
            Err(MemoryError::Unreadable) => None,
            Err(MemoryError::TooLate) => {
                self.gaps.insert(format!("following the path argument of {tid} took too long"));
                None
            }
        }
    }

    /// From its own table; a changed root can hide the mount it lies in, which others' tables may show.
    fn mount_by_id(&self, id: u64) -> Option<MountFacts> {
        let own = self.mounts.iter().find(|mount| mount.facts.id == id);
        own.or_else(|| self.tables.by_id(id)).map(|mount| mount.facts.clone())
    }

    /// Links of /proc are told from this process's root; mountinfo from the task's own (`fs/d_path.c`).
    fn in_own_root(&self, path: &[u8]) -> Name {
        let root = self.process.link("root").unwrap_or_else(|| b"/".to_vec());
        Name::from(paths::beneath(&root, path).unwrap_or(path))
    }
}

/// Filesystems of this host alone: reading a link of theirs asks no server.
fn is_local(mount: &Mount) -> bool {
    const LOCAL: [&[u8]; 15] = [
        b"ext4",
        b"ext3",
        b"ext2",
        b"xfs",
        b"btrfs",
        b"zfs",
        b"f2fs",
        b"bcachefs",
        b"tmpfs",
        b"ramfs",
        b"rootfs",
        b"devtmpfs",
        b"overlay",
        b"squashfs",
        b"erofs",
    ];
    LOCAL.contains(&mount.facts.fstype.as_bytes())
}

/// A descriptor argument: the low 32 bits, as the kernel takes them; `None` for `AT_FDCWD` and other negatives.
fn descriptor(arg: u64) -> Option<i32> {
    i32::try_from(arg & 0xffff_ffff).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_blocked_call_gives_its_number_and_arguments() {
        let line = parse(b"83 0x7ffc03e1dae3 0x1ff 0x0 0x7fadb2e8c958 0x1ff 0x564e89ea7e00 0x7ffc03e1ce28 0x7fadb2f73f37\n");
        assert_eq!(line.expect("a call").args[..2], [0x7ffc_03e1_dae3, 0x1ff]);
    }

    #[test]
    fn a_running_task_and_one_outside_any_call_give_none() {
        assert_eq!(parse(b"running\n"), None);
        assert_eq!(parse(b"-1 0x7ffe 0x4\n"), None);
    }

    #[test]
    fn at_fdcwd_is_no_descriptor_whatever_its_upper_half() {
        assert_eq!(descriptor(0xffff_ff9c), None);
        assert_eq!(descriptor(0xffff_ffff_ffff_ff9c), None);
        assert_eq!(descriptor(3), Some(3));
    }

    #[test]
    fn a_thread_blocked_on_a_descriptor_names_its_file() {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let (sender, receiver) = std::sync::mpsc::channel();
        let blocked = std::thread::spawn(move || {
            sender.send(nix::unistd::gettid().as_raw()).expect("the test waits");
            std::io::Read::read(&mut reader, &mut [0]).expect("end of file")
        });
        let process = super::super::procdir::ProcDir::host().process(receiver.recv().expect("a thread id"));
        let call = std::iter::repeat_with(|| {
            of(&process, &mut Memory::default(), &mut Tables::default(), &mut BTreeSet::new())
        })
        .take(10_000)
        .flatten()
        .find(|call| call.name == "read")
        .expect("it gets to its read");
        assert_eq!(call.files[0].known_by, KnownBy::Descriptor);
        assert!(call.files[0].path.as_bytes().starts_with(b"pipe:"), "{:?}", call.files[0].path);
        drop(writer);
        assert_eq!(blocked.join().expect("it ends"), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_call_or_not(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            parse(&bytes);
        }
    }
}
