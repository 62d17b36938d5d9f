//! `/proc/TID/mountinfo` (`fs/proc_namespace.c`, `show_mountinfo`): mounts as the task itself sees them.

use super::procdir::number;
use crate::cgroupfs::mountinfo::unescape;
use crate::explain::facts::MountFacts;
use crate::model::Name;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// What the rules see of it.
    pub facts: MountFacts,
    /// Id of the mount it is mounted on; not listed where that one lies outside the task's root.
    pub parent: u64,
    /// Directory of the filesystem that is mounted.
    pub root: Vec<u8>,
    /// Options of the superblock.
    pub options: Vec<u8>,
}

/// Every line that can be understood, in the file's order: of two mounts on one point the later one hides the other.
pub fn parse(bytes: &[u8]) -> Vec<Mount> {
    bytes.split(|&b| b == b'\n').filter_map(line).collect()
}

fn line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&b| b == b' ').filter(|field| !field.is_empty());
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let device = fields.next()?;
    let colon = device.iter().position(|&b| b == b':')?;
    let root = unescape(fields.next()?);
    let point = unescape(fields.next()?);
    let mut behind = fields.skip_while(|field| *field != b"-").skip(1);
    let fstype = unescape(behind.next()?);
    let source = unescape(behind.next().unwrap_or_default());
    let options = behind.next().unwrap_or_default().to_vec();
    let facts = MountFacts {
        id,
        major: number(&device[..colon])?,
        minor: number(&device[colon + 1..])?,
        path: Name::from(point),
        fstype: Name::from(fstype),
        source: Name::from(source),
        fs_frozen: None,
    };
    Some(Mount { facts, parent, root, options })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mount_point_with_blanks_and_stray_bytes_is_read_whole() {
        let mounts = parse(
            b"42 27 0:39 / /tmp/a\\040b\xff rw,relatime shared:1 master:2 - fuse.lab lab\\043fuse rw,user_id=0\nx\n",
        );
        let [mount] = mounts.as_slice() else { panic!("one mount, not {mounts:?}") };
        assert_eq!(mount.facts.path.as_bytes(), b"/tmp/a b\xff");
        assert_eq!((mount.facts.id, mount.facts.major, mount.facts.minor), (42, 0, 39));
        assert_eq!(mount.facts.fstype, Name::from("fuse.lab"));
        assert_eq!(mount.facts.source, Name::from("lab#fuse"));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_to_something(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            parse(&bytes);
        }
    }
}
