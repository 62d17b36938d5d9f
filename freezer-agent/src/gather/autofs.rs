//! Automount points, by the options that the kernel shows for them (`fs/autofs/inode.c`, `autofs_show_options`).

use super::mountinfo::Mount;
use super::procdir::number;
use crate::explain::facts::Automount;

/// The automount points of a mount table that still ask their daemon.
pub fn live(mounts: Vec<Mount>) -> impl Iterator<Item = (Mount, Automount)> {
    mounts.into_iter().filter_map(|mount| {
        let automount = automount(&mount)?;
        Some((mount, automount))
    })
}

/// Adds one, unless it is known.
pub fn add(automounts: &mut Vec<Automount>, automount: Automount) {
    if !automounts.iter().any(|known| known.minor == automount.minor) {
        automounts.push(automount);
    }
}

fn automount(mount: &Mount) -> Option<Automount> {
    if mount.facts.fstype.as_bytes() != b"autofs" {
        return None;
    }
    let option = |name: &[u8]| {
        let mut options = mount.options.split(|&b| b == b',');
        let value = options.find_map(|option| option.strip_prefix(name)?.strip_prefix(b"="))?;
        number::<i64>(value)
    };
    // -1: it has given its daemon up ("catatonic"), and nobody waits any more.
    if option(b"fd") == Some(-1) || option(b"pipe_ino") == Some(-1) {
        return None;
    }
    Some(Automount {
        minor: mount.facts.minor,
        pipe: option(b"pipe_ino").and_then(|inode| u64::try_from(inode).ok()),
        readers: Vec::new(),
        group: option(b"pgrp").and_then(|group| i32::try_from(group).ok()).filter(|group| *group > 0),
    })
}

#[cfg(test)]
mod tests {
    use super::super::mountinfo;
    use super::*;

    fn only(line: &str) -> Option<Automount> {
        live(mountinfo::parse(line.as_bytes())).map(|(_, automount)| automount).next()
    }

    #[test]
    fn the_daemon_s_pipe_and_group_are_read_from_the_options() {
        let line = "43 27 0:40 / /net rw - autofs lab rw,fd=4,pgrp=167,timeout=0,minproto=5,maxproto=5,indirect,pipe_ino=658\n";
        let found = only(line).expect("an automount point");
        assert_eq!((found.minor, found.pipe, found.group), (40, Some(658), Some(167)));
    }

    #[test]
    fn one_that_has_given_its_daemon_up_asks_nobody() {
        assert_eq!(only("43 27 0:40 / /net rw - autofs lab rw,fd=-1,pgrp=167,direct,pipe_ino=-1\n"), None);
        assert_eq!(only("43 27 0:40 / /net rw - ext4 lab rw,fd=4,pgrp=167\n"), None);
    }

    #[test]
    fn a_group_of_another_pid_namespace_is_not_known() {
        let found = only("43 27 0:40 / /net rw - autofs lab rw,fd=4,pgrp=0,indirect\n").expect("one");
        assert_eq!((found.pipe, found.group), (None, None));
    }
}
