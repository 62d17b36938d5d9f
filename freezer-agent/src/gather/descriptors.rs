//! Who holds `/dev/fuse` and userfaultfd descriptors: a walk over `/proc/PID/fd`, links only, never followed.

use std::time::Instant;

use super::procdir::{ProcDir, Process, field};
use crate::explain::facts::{FuseConnection, MountFacts, Userfaultfd};

/// What the walk found.
#[derive(Debug, Default)]
pub struct Found {
    /// The connections asked for, with their servers.
    pub fuse: Vec<FuseConnection>,
    /// Open userfaultfds.
    pub userfaultfds: Vec<Userfaultfd>,
    /// Who holds a `/dev/fuse`, whichever connection it serves.
    holders: Vec<Holder>,
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
        }),
    }
}

/// The device of FUSE, also where a container has its own `/dev`.
pub fn is_fuse_device(path: &[u8]) -> bool {
    path.ends_with(b"/dev/fuse")
}

/// A holder of `/dev/fuse`, and the connection the kernel says it serves (`fuse_dev_show_fdinfo`, 6.15+).
#[derive(Debug)]
struct Holder {
    pid: i32,
    connection: Option<u64>,
}

/// Fills in the servers, and looks for userfaultfds where asked to.
pub fn scan(proc: &ProcDir, connections: Vec<FuseConnection>, userfault: bool, deadline: Instant) -> Found {
    let mut found = Found { fuse: connections, ..Found::default() };
    for pid in proc.pids() {
        if Instant::now() > deadline {
            found.unfinished = true;
            break;
        }
        let process = proc.process(pid);
        for fd in process.descriptors() {
            let Some(link) = process.link(&format!("fd/{fd}")) else { continue };
            if is_fuse_device(&link) {
                let info = process.read(&format!("fdinfo/{fd}")).unwrap_or_default();
                found.holders.push(Holder { pid, connection: field(&info, "fuse_connection") });
            } else if userfault && link == b"anon_inode:[userfaultfd]" {
                found.userfaultfds.extend(watch_faults(&process, pid, fd));
            }
        }
    }
    found.assign_all();
    found
}

impl Found {
    /// Adds a connection that was found after the walk, with its servers.
    pub fn add(&mut self, mount: MountFacts) {
        add_connection(&mut self.fuse, mount);
        self.assign_all();
    }

    fn assign_all(&mut self) {
        for connection in &mut self.fuse {
            assign(connection, &self.holders);
        }
    }
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
            &[Holder { pid: 5, connection: Some(38) }, Holder { pid: 6, connection: Some(39) }],
        );
        assert_eq!((named.servers, named.servers_certain), (vec![6], true));
        let mut unnamed = connection(39);
        assign(&mut unnamed, &[Holder { pid: 5, connection: None }, Holder { pid: 6, connection: None }]);
        assert_eq!((unnamed.servers, unnamed.servers_certain), (vec![5, 6], false));
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
