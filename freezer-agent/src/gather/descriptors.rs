//! Who holds the descriptors through which other tasks are served (`/dev/fuse`, userfaultfd, seccomp, fanotify, an
//! automount daemon's pipe): one walk over `/proc/PID/fd`, links only, never followed.

use std::time::Instant;

use super::listeners::Listeners;
use super::procdir::{ProcDir, Process, field, number};
use crate::explain::facts::{
    Automount, FanotifyListener, FuseConnection, MountFacts, SeccompListener, Userfaultfd,
};
use crate::host::withheld::is_withheld;

/// What the walk looks for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Servers of these connections.
    pub fuse: Vec<FuseConnection>,
    /// Daemons of these automount points.
    pub automounts: Vec<Automount>,
    /// Userfaultfds.
    pub userfault: bool,
    /// Listening ends of seccomp filters.
    pub seccomp: bool,
    /// Fanotify groups that are asked for leave.
    pub fanotify: bool,
}

impl Wanted {
    /// Whether there is anything to look for.
    pub fn anything(&self) -> bool {
        self.userfault
            || self.seccomp
            || self.fanotify
            || !self.fuse.is_empty()
            || !self.automounts.is_empty()
    }
}

/// What the walk found.
#[derive(Debug, Default)]
pub struct Found {
    /// The connections asked for, with their servers.
    pub fuse: Vec<FuseConnection>,
    /// Open userfaultfds.
    pub userfaultfds: Vec<Userfaultfd>,
    /// Who holds a `/dev/fuse`, whichever connection it serves.
    fuse_holders: Vec<Holder>,
    /// The automount points asked for, with their daemons.
    pub automounts: Vec<Automount>,
    /// Listening ends of seccomp filters.
    pub seccomp: Vec<SeccompListener>,
    /// Fanotify groups that are asked for leave.
    pub fanotify: Vec<FanotifyListener>,
    /// The deadline came first.
    pub unfinished: bool,
}

/// `fuse`, `fuse.sshfs`, ...: a filesystem whose requests a process answers through `/dev/fuse`.
pub fn is_fuse(mount: &MountFacts) -> bool {
    let fstype = mount.fstype.as_bytes();
    [&b"fuse"[..], b"fuseblk"].contains(&fstype)
        || fstype.starts_with(b"fuse.")
        || fstype.starts_with(b"fuseblk.")
}

/// Adds a mount to the connection it belongs to, if it is one of FUSE.
pub fn add_connection(connections: &mut Vec<FuseConnection>, mount: MountFacts) {
    if !is_fuse(&mount) {
        return;
    }
    match connections.iter_mut().find(|connection| connection.number == mount.device()) {
        Some(connection) if connection.mounts.contains(&mount) => {}
        Some(connection) => connection.mounts.push(mount),
        None => connections.push(FuseConnection {
            number: mount.device(),
            mounts: vec![mount],
            waiting: None,
            servers: Vec::new(),
            servers_certain: false,
            readers: Vec::new(),
            waiters: Vec::new(),
        }),
    }
}

/// The device of FUSE, also where a container has its own `/dev`.
pub fn is_fuse_device(path: &[u8]) -> bool {
    path.ends_with(b"/dev/fuse")
}

/// The connection that a `/dev/fuse` serves, where the kernel says it in `fdinfo` (`fuse_dev_show_fdinfo`, 6.15+; before,
/// its pointers do: `fuse_devices.rs`).
pub fn fuse_connection(process: &Process, fd: i32) -> Option<u64> {
    let info = process.read(&format!("fdinfo/{fd}")).filter(|_| !is_withheld("fuse-fdinfo"))?;
    field(&info, "fuse_connection")
}

/// A holder of `/dev/fuse`, and the connection it serves, where that is known.
#[derive(Debug)]
struct Holder {
    pid: i32,
    fd: i32,
    connection: Option<u64>,
}

/// A `/dev/fuse` whose connection was told in another way.
#[derive(Debug, PartialEq, Eq)]
pub struct ServedDevice {
    /// Process that holds it.
    pub pid: i32,
    /// Descriptor there.
    pub fd: i32,
    /// The connection.
    pub number: u32,
}

impl Found {
    /// Adds a connection that was found after the walk, with its servers.
    pub fn add(&mut self, mount: MountFacts) {
        add_connection(&mut self.fuse, mount);
        self.assign_all();
    }

    /// Whether somebody holds a `/dev/fuse`, and of none the connection is known.
    pub fn has_unnamed_devices(&self) -> bool {
        !self.fuse_holders.is_empty() && self.fuse_holders.iter().all(|holder| holder.connection.is_none())
    }

    /// Takes in what was told of the devices.
    pub fn name_devices(&mut self, served: &[ServedDevice]) {
        for holder in &mut self.fuse_holders {
            let told = served.iter().find(|device| (device.pid, device.fd) == (holder.pid, holder.fd));
            holder.connection = told.map(|device| u64::from(device.number));
        }
        self.assign_all();
    }

    fn assign_all(&mut self) {
        for connection in &mut self.fuse {
            assign(connection, &self.fuse_holders);
        }
    }

    /// Every process that holds something.
    pub fn holders(&self) -> impl Iterator<Item = i32> + '_ {
        let served = self.fuse.iter().flat_map(|connection| &connection.servers);
        let daemons =
            self.automounts.iter().flat_map(|automount| automount.readers.iter().chain(&automount.group));
        let asked = self.seccomp.iter().flat_map(|listener| &listener.holders);
        let listening = self.fanotify.iter().flat_map(|listener| &listener.holders);
        let userfault = self.userfaultfds.iter().map(|fd| &fd.pid);
        served.chain(daemons).chain(asked).chain(listening).chain(userfault).copied()
    }
}

/// Walks over all processes.
pub fn scan(proc: &ProcDir, wanted: Wanted, deadline: Instant) -> Found {
    let mut found = Found { fuse: wanted.fuse, automounts: wanted.automounts, ..Found::default() };
    let mut listeners = Listeners::default();
    // This process's own copies of what it looks at are nobody's.
    let own = proc.own_pid();
    for pid in proc.pids().into_iter().filter(|pid| Some(*pid) != own) {
        if Instant::now() > deadline {
            found.unfinished = true;
            break;
        }
        let process = proc.process(pid);
        for fd in process.descriptors() {
            let Some(link) = process.link(&format!("fd/{fd}")) else { continue };
            match link.as_slice() {
                device if is_fuse_device(device) => {
                    let connection = fuse_connection(&process, fd);
                    found.fuse_holders.push(Holder { pid, fd, connection });
                }
                b"anon_inode:[userfaultfd]" if wanted.userfault => {
                    found.userfaultfds.extend(watch_faults(&process, pid, fd));
                }
                b"anon_inode:seccomp notify" if wanted.seccomp => listeners.add_seccomp(pid, fd),
                b"anon_inode:[fanotify]" if wanted.fanotify => listeners.add_fanotify(&process, pid, fd),
                pipe => add_reader(&mut found.automounts, pipe, &process, pid, fd),
            }
        }
    }
    found.assign_all();
    (found.seccomp, found.fanotify) = listeners.into_facts();
    found
}

/// Whoever can read an automount point's pipe gets its questions; the kernel itself holds the other end.
fn add_reader(automounts: &mut [Automount], link: &[u8], process: &Process, pid: i32, fd: i32) {
    let inode = || number(link.strip_prefix(b"pipe:[")?.strip_suffix(b"]")?);
    if automounts.is_empty() {
        return;
    }
    let Some(inode) = inode() else { return };
    for automount in automounts.iter_mut().filter(|automount| automount.pipe == Some(inode)) {
        let info = process.read(&format!("fdinfo/{fd}")).unwrap_or_default();
        if !automount.readers.contains(&pid) && opened_to_read(&info) {
            automount.readers.push(pid);
        }
    }
}

/// `O_ACCMODE` of the flags, an octal number.
fn opened_to_read(fdinfo: &[u8]) -> bool {
    let text = fdinfo.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(b"flags:"));
    let flags = text.and_then(|text| u32::from_str_radix(std::str::from_utf8(text).ok()?.trim(), 8).ok());
    // O_RDONLY or O_RDWR.
    flags.is_some_and(|flags| flags & 3 != 1)
}

fn assign(connection: &mut FuseConnection, holders: &[Holder]) {
    let number = u64::from(connection.number);
    let said = holders.iter().any(|holder| holder.connection.is_some());
    let serves = |holder: &&Holder| if said { holder.connection == Some(number) } else { true };
    connection.servers = holders.iter().filter(serves).map(|holder| holder.pid).collect();
    connection.servers.dedup();
    connection.servers_certain = said && !connection.servers.is_empty();
}

/// `fs/userfaultfd.c`, `userfaultfd_show_fdinfo`.
fn faults(pid: i32, fd: i32, info: &[u8]) -> Option<Userfaultfd> {
    let (pending, total) = (field(info, "pending")?, field(info, "total")?);
    Some(Userfaultfd { pid, fd, pending, total })
}

/// A task that spins on a fault is on its list only part of the time: a few looks find it there.
fn watch_faults(process: &Process, pid: i32, fd: i32) -> Option<Userfaultfd> {
    const LOOKS: usize = 20;
    let looks = (0..LOOKS).map_while(|_| faults(pid, fd, &process.read(&format!("fdinfo/{fd}"))?));
    let mut last = None;
    for look in looks {
        let busy = look.total > 0;
        last = Some(look);
        if busy {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::facts::MountFacts;

    fn connection(number: u32) -> FuseConnection {
        let mount = MountFacts {
            id: 1,
            major: 0,
            minor: number,
            path: "/m".into(),
            fstype: "fuse.x".into(),
            source: "x".into(),
            fs_frozen: None,
        };
        let mut connections = Vec::new();
        add_connection(&mut connections, mount);
        connections.remove(0)
    }

    #[test]
    fn a_server_is_certain_only_where_the_kernel_names_its_connection() {
        let mut named = connection(39);
        assign(
            &mut named,
            &[Holder { pid: 5, fd: 3, connection: Some(38) }, Holder { pid: 6, fd: 3, connection: Some(39) }],
        );
        assert_eq!((named.servers, named.servers_certain), (vec![6], true));
        let mut unnamed = connection(39);
        assign(
            &mut unnamed,
            &[Holder { pid: 5, fd: 3, connection: None }, Holder { pid: 6, fd: 3, connection: None }],
        );
        assert_eq!((unnamed.servers, unnamed.servers_certain), (vec![5, 6], false));
    }

    #[test]
    fn only_a_pipe_s_reading_end_counts() {
        assert!(opened_to_read(b"pos:\t0\nflags:\t02000000\nmnt_id:\t16\n"));
        assert!(!opened_to_read(b"pos:\t0\nflags:\t02000001\n"));
        assert!(!opened_to_read(b""));
    }

    #[test]
    fn a_userfaultfd_tells_its_faults() {
        assert_eq!(faults(1, 3, b"pos:\t0\n"), None);
        assert_eq!(
            faults(1, 3, b"pending:\t1\ntotal:\t2\n"),
            Some(Userfaultfd { pid: 1, fd: 3, pending: 1, total: 2 })
        );
    }
}
