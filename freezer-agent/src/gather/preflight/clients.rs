//! Who uses the mounts that are served from inside: by working directory, root, open files and mapped files. Only links
//! and `fdinfo` are read, and memory maps with a deadline; no path is ever looked up.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Look, Memory, Party, Served};
use crate::explain::Facts;
use crate::gather::mapped;
use crate::gather::mountinfo::Mount;
use crate::gather::paths;
use crate::gather::procdir::{Process, field};
use crate::gather::tables::Tables;

/// Device numbers of FUSE superblocks: major is 0.
type Devices = Vec<u32>;

/// Fills in the clients of each.
pub fn add(look: &Look<'_>, facts: &Facts, mut all: Vec<Served>) -> Vec<Served> {
    let devices: Devices = all.iter().flat_map(|served| &served.mounts).map(|mount| mount.minor).collect();
    if devices.is_empty() {
        return all;
    }
    let mut tables: HashMap<Vec<u8>, Rc<Vec<Mount>>> = HashMap::new();
    let mut memory = Memory::default();
    for task in look.host.iter().filter(|task| task.tid == task.tgid && !task.kernel_thread) {
        if !look.in_time() {
            break;
        }
        let Some(process) = look.process(task.tgid) else { continue };
        let mut used = used(&process, &devices, &mut tables, &mut memory);
        used.extend(in_calls(facts, task.tgid));
        if used.is_empty() {
            continue;
        }
        let party = client(look, task.tgid).unwrap_or_else(|| look.party(task));
        for served in &mut all {
            let theirs = served.mounts.iter().any(|mount| used.contains(&mount.minor));
            if theirs && served.server.pid != party.pid {
                served.clients.push(party.clone());
            }
        }
    }
    all
}

/// FUSE devices of the files that system calls under way name.
fn in_calls(facts: &Facts, pid: i32) -> Devices {
    let own = facts.tasks.iter().filter(|facts| facts.task.tgid == pid);
    let calls = own.filter_map(|facts| facts.details.as_ref()?.syscall.as_ref());
    let mounts = calls.flat_map(|call| &call.files).filter_map(|file| file.mount.as_ref());
    mounts.filter(|mount| mount.major == 0).map(|mount| mount.minor).collect()
}

/// In v1 a thread may be inside while the main thread is not: then the process counts as inside by that one.
fn client(look: &Look<'_>, pid: i32) -> Option<Party> {
    let own = look.host.iter().filter(|task| task.tgid == pid);
    own.map(|task| look.party(task)).find(|party| party.inside)
}

/// Which of the devices a process uses.
fn used(
    process: &Process,
    devices: &Devices,
    tables: &mut HashMap<Vec<u8>, Rc<Vec<Mount>>>,
    memory: &mut Memory,
) -> Devices {
    let Some(root) = process.link("root") else { return Vec::new() };
    let mut key = process.link("ns/mnt").unwrap_or_default();
    key.extend(&root);
    let mounts = Rc::clone(tables.entry(key).or_insert_with(|| Rc::new(process.mounts())));
    let wanted = |mount: &Mount| mount.facts.major == 0 && devices.contains(&mount.facts.minor);
    if !mounts.iter().any(wanted) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for link in ["cwd", "exe"] {
        let path = process.link(link).unwrap_or_default();
        let mount = paths::beneath(&root, &path).and_then(|path| paths::mount_of(&mounts, path));
        found.extend(mount.filter(|mount| wanted(mount)).map(|mount| mount.facts.minor));
    }
    for fd in process.descriptors() {
        // Sockets, pipes and the like have no path, and most descriptors are such.
        if process.link(&format!("fd/{fd}")).is_none_or(|link| link.first() != Some(&b'/')) {
            continue;
        }
        let id = process.read(&format!("fdinfo/{fd}")).and_then(|info| field(&info, "mnt_id"));
        let mount = id.and_then(|id| mounts.iter().find(|mount| mount.facts.id == id));
        found.extend(mount.filter(|mount| wanted(mount)).map(|mount| mount.facts.minor));
    }
    let mapped = mapped::of(process, memory, &mut Tables::default()).unwrap_or_default();
    let mapped = mapped.iter().map(|file| &file.mount);
    found.extend(mapped.filter(|m| m.major == 0 && devices.contains(&m.minor)).map(|m| m.minor));
    found
}
