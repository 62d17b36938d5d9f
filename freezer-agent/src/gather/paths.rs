//! Paths resolved by their text alone: no file is touched, so a symbolic link can lead elsewhere.

use super::mountinfo::Mount;

/// Joins `path` to `base` and removes `.`, `..` and doubled slashes; `..` stops at the root, as in the kernel.
pub fn absolute(base: &[u8], path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    let start = if path.first() == Some(&b'/') { &[][..] } else { base };
    for part in start.split(|&b| b == b'/').chain(path.split(|&b| b == b'/')) {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    let mut whole = Vec::new();
    for part in parts {
        whole.push(b'/');
        whole.extend_from_slice(part);
    }
    if whole.is_empty() {
        whole.push(b'/');
    }
    whole
}

/// `path` as seen from `root`; `None` where it lies outside.
pub fn beneath<'a>(root: &[u8], path: &'a [u8]) -> Option<&'a [u8]> {
    if root == b"/" {
        return (path.first() == Some(&b'/')).then_some(path);
    }
    match path.strip_prefix(root)? {
        b"" => Some(b"/"),
        rest if rest[0] == b'/' => Some(rest),
        _ => None,
    }
}

/// The mount an absolute path lies in: the longest mount point that leads to it, the latest of equals.
pub fn mount_of<'a>(mounts: &'a [Mount], path: &[u8]) -> Option<&'a Mount> {
    mounts
        .iter()
        .filter(|mount| beneath(mount.facts.path.as_bytes(), path).is_some())
        .max_by_key(|mount| mount.facts.path.as_bytes().len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dots_are_removed_and_dotdot_stops_at_the_root() {
        assert_eq!(absolute(b"/a/b", b"../c/./d//e"), b"/a/c/d/e");
        assert_eq!(absolute(b"/a", b"../../../x"), b"/x");
        assert_eq!(absolute(b"/a", b"/"), b"/");
    }

    #[test]
    fn a_mount_point_is_a_prefix_by_whole_names() {
        let mounts = super::super::mountinfo::parse(
            b"1 0 8:1 / / rw - ext4 a rw\n2 1 0:9 / /mnt/a rw - fuse b rw\n3 1 0:8 / /mnt/a rw - fuse c rw\n",
        );
        let id = |path: &[u8]| mount_of(&mounts, path).map(|mount| mount.facts.id);
        assert_eq!(id(b"/mnt/ab"), Some(1));
        assert_eq!(id(b"/mnt/a"), Some(3), "the later mount hides the earlier");
        assert_eq!(id(b"/mnt/a/x"), Some(3));
    }

    proptest! {
        #[test]
        fn whatever_is_joined_is_absolute_and_clean(base in "[a-c/.]{0,12}", path in "[a-c/.]{0,12}") {
            let whole = absolute(base.as_bytes(), path.as_bytes());
            prop_assert!(whole.starts_with(b"/"));
            prop_assert_eq!(absolute(b"/", &whole), whole);
        }
    }
}
