//! Each process inside: what it is in the middle of, and by which descriptors others depend on it.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Look, Party, Served, descriptors};
use crate::explain::Facts;
use crate::explain::facts::{FuseConnection, Userfaultfd};
use crate::gather::fuse_devices;
use crate::gather::mountinfo::Mount;
use crate::gather::procdir::{Process, field};
use crate::model::{Name, TaskSnapshot};
use crate::preflight::sight::{Supervises, Supervisor};
use crate::source::OpenFiles;

/// `PF_NOFREEZE` (include/linux/sched.h): kernel threads have it unless they ask to be frozen.
const PF_NOFREEZE: u64 = 0x0000_8000;
/// `FAN_CLASS_CONTENT`, `FAN_CLASS_PRE_CONTENT` (include/uapi/linux/fanotify.h): listeners that are asked for leave.
const FAN_ASKED: u64 = 0x4 | 0x8;

/// What was found.
#[derive(Default)]
pub struct Found {
    pub kernel_threads: Vec<(Party, bool)>,
    pub dumping: Vec<Party>,
    pub executing: Vec<Party>,
    pub supervisors: Vec<Supervisor>,
    pub fuse: Vec<Served>,
    /// Why the mounts that are served could not be told.
    pub gap: Option<String>,
    devices: Vec<Device>,
}

/// An open `/dev/fuse`.
struct Device {
    who: Party,
    fd: i32,
    number: Option<u64>,
    mounts: Rc<Vec<Mount>>,
}

pub fn look(look: &Look<'_>, facts: &Facts, open_files: Option<&OpenFiles>) -> Found {
    let mut found = Found::default();
    for facts in &facts.tasks {
        let task = &facts.task;
        if task.kernel_thread {
            found.kernel_threads.push((look.party(task), is_freezable(look, task)));
        }
        let call = facts.details.as_ref().and_then(|details| details.syscall.as_ref());
        if call.is_some_and(|call| matches!(call.name.as_str(), "execve" | "execveat")) {
            found.executing.push(look.party(task));
        }
    }
    for &pid in &look.processes {
        if !look.in_time() {
            break;
        }
        if let (Some(process), Some(who)) = (look.process(pid), look.task(pid)) {
            one(look, &process, &who, &mut found);
        }
    }
    if let Some(files) = open_files {
        found.number_devices(look, files);
    }
    found.fuse = found.devices.iter().map(served).collect();
    found
}

impl Found {
    /// Where `fdinfo` names no connection: by the kernel's own pointers.
    fn number_devices(&mut self, look: &Look<'_>, files: &OpenFiles) {
        if self.devices.is_empty() || self.devices.iter().any(|device| device.number.is_some()) {
            return;
        }
        match fuse_devices::tell(&look.proc, files) {
            Ok(told) => {
                for device in &mut self.devices {
                    let own = told.iter().find(|one| (one.pid, one.fd) == (device.who.pid, device.fd));
                    device.number = own.map(|one| u64::from(one.number));
                }
            }
            Err(gap) => self.gap = Some(gap),
        }
    }
}

fn is_freezable(look: &Look<'_>, task: &TaskSnapshot) -> bool {
    // Field 9 of proc(5), behind a name that may hold brackets.
    let flags = || {
        let stat = look.process(task.tid)?.read("stat")?;
        let end = stat.iter().rposition(|&b| b == b')')?;
        std::str::from_utf8(&stat[end + 1..]).ok()?.split_ascii_whitespace().nth(6)?.parse::<u64>().ok()
    };
    flags().is_some_and(|flags| flags & PF_NOFREEZE == 0)
}

fn one(look: &Look<'_>, process: &Process, who: &Party, found: &mut Found) {
    let status = process.read("status").unwrap_or_default();
    // fs/proc/array.c, task_core_dumping (4.15 and newer)
    if field(&status, "CoreDumping") == Some(1) {
        found.dumping.push(who.clone());
    }
    let mounts = Rc::new(process.mounts());
    found.supervisors.extend(
        automounts(process, &mounts)
            .map(|mount| Supervisor { who: who.clone(), by: Supervises::Autofs(mount) }),
    );
    let mut seccomp = false;
    for fd in process.descriptors() {
        let Some(link) = process.link(&format!("fd/{fd}")) else { continue };
        let info = || process.read(&format!("fdinfo/{fd}")).unwrap_or_default();
        match link.as_slice() {
            b"/dev/fuse" => {
                let number = descriptors::fuse_connection(process, fd);
                found.devices.push(Device { who: who.clone(), fd, number, mounts: Rc::clone(&mounts) });
            }
            b"anon_inode:seccomp notify" => seccomp = true,
            b"anon_inode:[fanotify]" => found.supervisors.extend(listener(who, &info(), &mounts)),
            b"anon_inode:[userfaultfd]" => {
                let (pending, total) = (field(&info(), "pending"), field(&info(), "total"));
                let (pending, total) = (pending.unwrap_or(0), total.unwrap_or(0));
                let by = Supervises::Userfault(Userfaultfd { pid: who.pid, fd, pending, total });
                found.supervisors.push(Supervisor { who: who.clone(), by });
            }
            _ => {}
        }
    }
    if seccomp {
        let by = Supervises::Seccomp(supervised(look, who));
        found.supervisors.push(Supervisor { who: who.clone(), by });
    }
}

/// Of a device whose connection is not known it may be any.
fn served(device: &Device) -> Served {
    let Device { who, number, mounts, .. } = device;
    let mut connections: Vec<FuseConnection> = Vec::new();
    for mount in mounts.iter() {
        descriptors::add_connection(&mut connections, mount.facts.clone());
    }
    let fits =
        |connection: &FuseConnection| number.is_none_or(|number| u64::from(connection.number) == number);
    let mounts = connections.into_iter().filter(fits).flat_map(|connection| connection.mounts).collect();
    Served { server: who.clone(), mounts, certain: number.is_some(), clients: Vec::new() }
}

/// `fs/notify/fdinfo.c`, `fanotify_fdinfo`: the group's flags, then one line for each mark.
fn listener(who: &Party, info: &[u8], mounts: &[Mount]) -> Option<Supervisor> {
    let flags =
        hex(info.split(|&b| b == b'\n').find(|line| line.starts_with(b"fanotify flags:"))?, "flags:")?;
    if flags & FAN_ASKED == 0 {
        return None;
    }
    let marks = info.split(|&b| b == b'\n').filter(|line| line.starts_with(b"fanotify "));
    let places = marks.filter_map(|mark| {
        let by_mount = hex(mark, "mnt_id:");
        // Major and minor as the kernel keeps them: MINORBITS is 20 (include/linux/kdev_t.h).
        let by_device = hex(mark, "sdev:");
        mounts.iter().find(|mount| {
            by_mount == Some(mount.facts.id)
                || by_device == Some(u64::from(mount.facts.major) << 20 | u64::from(mount.facts.minor))
        })
    });
    let places: Vec<Name> = places.map(|mount| mount.facts.path.clone()).collect();
    Some(Supervisor { who: who.clone(), by: Supervises::Fanotify(places) })
}

/// A hexadecimal number behind a key, both within one line.
fn hex(line: &[u8], key: &str) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?;
    let value = line.split_once(key)?.1.split_ascii_whitespace().next()?;
    u64::from_str_radix(value, 16).ok()
}

/// Descendants with a filter of their own: which of them this listener belongs to the kernel does not say.
fn supervised(look: &Look<'_>, who: &Party) -> Vec<Party> {
    let parents: HashMap<i32, i32> = look.host.iter().map(|task| (task.tgid, task.parent)).collect();
    let descends = |pid: i32| {
        let up = std::iter::successors(parents.get(&pid), |parent| parents.get(parent));
        // A process id that is used again could close a circle.
        up.take(parents.len()).any(|&parent| parent == who.pid)
    };
    let processes = look.host.iter().filter(|task| task.tid == task.tgid && !task.kernel_thread);
    processes
        .filter(|task| descends(task.tgid) && has_filter(look, task.tgid))
        .map(|task| look.party(task))
        .collect()
}

/// `Seccomp: 2` (`fs/proc/array.c`, `task_seccomp`).
fn has_filter(look: &Look<'_>, pid: i32) -> bool {
    let status = look.process(pid).and_then(|process| process.read("status"));
    status.is_some_and(|status| field(&status, "Seccomp") == Some(2))
}

/// Mount points that this process's group automounts on (`fs/autofs/inode.c`, `autofs_show_options`).
fn automounts(process: &Process, mounts: &[Mount]) -> impl Iterator<Item = Name> {
    let group = || {
        let stat = process.read("stat")?;
        let end = stat.iter().rposition(|&b| b == b')')?;
        std::str::from_utf8(&stat[end + 1..]).ok()?.split_ascii_whitespace().nth(2)?.parse::<i32>().ok()
    };
    let autofs: Vec<&Mount> =
        mounts.iter().filter(|mount| mount.facts.fstype.as_bytes() == b"autofs").collect();
    let own = if autofs.is_empty() { None } else { group() };
    // Its members may be many; the group is named after the daemon itself.
    let own = own.filter(|group| *group == process.tid);
    let wanted = own.map(|group| format!("pgrp={group}"));
    let serves = move |mount: &&Mount| {
        let mut options = mount.options.split(|&b| b == b',');
        wanted.as_ref().is_some_and(|wanted| options.any(|option| option == wanted.as_bytes()))
    };
    autofs.into_iter().filter(serves).map(|mount| mount.facts.path.clone()).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::mountinfo::parse;

    fn who() -> Party {
        Party { pid: 5, tid: 5, comm: "x".into(), inside: true }
    }

    #[test]
    fn only_a_listener_that_is_asked_for_leave_is_one() {
        let mounts = parse(b"24 1 8:1 / / rw - ext4 a rw\n25 1 0:39 / /mnt rw - tmpfs b rw\n");
        let info = |flags| {
            format!(
                "pos:\t0\nfanotify flags:{flags} event-flags:0\nfanotify mnt_id:19 mflags:0 mask:10000 ignored_mask:0\nfanotify sdev:800001 mflags:0 mask:10000 ignored_mask:0\n"
            )
        };
        assert!(listener(&who(), info("0").as_bytes(), &mounts).is_none());
        let found = listener(&who(), info("4").as_bytes(), &mounts).expect("a listener");
        let Supervises::Fanotify(places) = found.by else { panic!("{found:?}") };
        assert_eq!(places, ["/mnt".into(), "/".into()]);
    }

    #[test]
    fn a_server_is_tied_to_its_own_mount_where_the_kernel_says_which() {
        let mounts = parse(b"24 1 0:38 / /a rw - fuse.x a rw\n25 1 0:39 / /b rw - fuse.y b rw\n");
        let mounts = Rc::new(mounts);
        let device = |number| Device { who: who(), fd: 3, number, mounts: Rc::clone(&mounts) };
        let named = served(&device(Some(39)));
        assert!(named.certain);
        assert_eq!(named.mounts.iter().map(|mount| mount.path.to_string()).collect::<Vec<_>>(), ["/b"]);
        assert_eq!(served(&device(None)).mounts.len(), 2);
    }
}
