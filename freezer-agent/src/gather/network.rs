//! Mounted NFS and CIFS filesystems, with their servers' addresses.

use super::mountinfo::Mount;
use super::procdir::ProcDir;
use crate::explain::facts::{NetworkMount, TaskFacts};

/// Mounts looked at are those of so many tasks: thousands of waiting tasks share a few namespaces.
const MOST_TASKS: usize = 32;

/// As the waiting tasks and this process see them, each superblock once.
pub fn mounts(proc: &ProcDir, tasks: &[&TaskFacts], own: &[Mount]) -> Vec<NetworkMount> {
    let mut found: Vec<NetworkMount> = Vec::new();
    let theirs = tasks.iter().take(MOST_TASKS).flat_map(|task| proc.process(task.task.tid).mounts());
    for mount in theirs.chain(own.iter().cloned()) {
        if is_network(mount.facts.fstype.as_bytes()) && !found.iter().any(|known| known.mount == mount.facts)
        {
            found.push(describe(mount));
        }
    }
    found
}

/// NFS or CIFS.
pub fn is_network(fstype: &[u8]) -> bool {
    [&b"nfs"[..], b"nfs4", b"cifs", b"smb3"].contains(&fstype)
}

/// `fs/nfs/super.c`, `nfs_show_options`; `fs/smb/client/cifsfs.c`, `cifs_show_options`.
fn describe(mount: Mount) -> NetworkMount {
    let mut options = mount.options.split(|&b| b == b',');
    let soft = options.clone().any(|option| option == b"soft" || option == b"softerr");
    let address = options.find_map(|option| option.strip_prefix(b"addr="));
    NetworkMount {
        address: address.map(|address| String::from_utf8_lossy(address).into_owned()),
        hard: !soft,
        mount: mount.facts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_s_address_is_an_option_of_the_mount() {
        let line = b"42 27 0:39 / /mnt/n rw shared:1 - nfs4 nas:/export rw,vers=4.2,hard,clientaddr=10.0.0.1,addr=10.0.0.9\n";
        let mount = describe(super::super::mountinfo::parse(line).remove(0));
        assert_eq!((mount.address.as_deref(), mount.hard), (Some("10.0.0.9"), true));
    }
}
