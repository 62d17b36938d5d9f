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

/// The mount an absolute path lies in, walked as the kernel does (`fs/namei.c`, `traverse_mounts`): from mount to mount
/// by what is mounted on what, so that a mount hidden under a later one is not entered.
pub fn mount_of<'a>(mounts: &'a [Mount], path: &[u8]) -> Option<&'a Mount> {
    let mut at = covering(mounts, None, b"/");
    let ends = (1..path.len()).filter(|&end| path[end] == b'/').chain([path.len()]);
    for end in ends {
        at = covering(mounts, at, &path[..end]);
    }
    at
}

/// What is mounted at `point` of mount `at` (`None`: the root's, which a changed root can hide), and on top of that, to
/// the last.
fn covering<'a>(mounts: &'a [Mount], mut at: Option<&'a Mount>, point: &[u8]) -> Option<&'a Mount> {
    let listed = |id: u64| mounts.iter().any(|mount| mount.facts.id == id);
    // Each step enters one mount: there are no more than all of them.
    for _ in mounts {
        let on_top =
            mounts.iter().filter(|mount| mount.facts.path.as_bytes() == point).find(|mount| match at {
                // The initial root may be its own parent.
                Some(at) => mount.parent == at.facts.id && mount.facts.id != mount.parent,
                None => mount.parent == mount.facts.id || !listed(mount.parent),
            });
        match on_top {
            Some(mount) => at = Some(mount),
            None => break,
        }
    }
    at
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
            b"1 0 8:1 / / rw - ext4 a rw\n2 1 0:9 / /mnt/a rw - fuse b rw\n3 2 0:8 / /mnt/a rw - fuse c rw\n",
        );
        let id = |path: &[u8]| mount_of(&mounts, path).map(|mount| mount.facts.id);
        assert_eq!(id(b"/mnt/ab"), Some(1));
        assert_eq!(id(b"/mnt/a"), Some(3), "the later mount hides the earlier");
        assert_eq!(id(b"/mnt/a/x"), Some(3));
    }

    #[test]
    fn a_mount_over_a_parent_directory_hides_the_mounts_below_it() {
        let mounts = super::super::mountinfo::parse(
            b"1 0 8:1 / / rw - ext4 a rw\n2 1 0:9 / /mnt/a/b rw - fuse b rw\n3 1 0:8 / /mnt/a rw - fuse c rw\n",
        );
        assert_eq!(mount_of(&mounts, b"/mnt/a/b/x").map(|mount| mount.facts.id), Some(3));
    }

    #[test]
    fn under_a_changed_root_that_is_no_mount_point_only_the_mounts_below_are_known() {
        let mounts = super::super::mountinfo::parse(b"9 4 0:9 / /m rw - fuse b rw\n");
        assert_eq!(mount_of(&mounts, b"/m/x").map(|mount| mount.facts.id), Some(9));
        assert_eq!(mount_of(&mounts, b"/other"), None);
    }

    proptest! {
        #[test]
        fn any_mounts_have_an_end(ids in prop::collection::vec((0..4_u64, 0..4_u64, "/[a/]{0,2}"), 0..6)) {
            let lines = ids.iter().map(|(id, on, at)| format!("{id} {on} 0:{id} / {at} rw - fuse b rw\n"));
            let mounts = super::super::mountinfo::parse(lines.collect::<String>().as_bytes());
            mount_of(&mounts, b"/a/a");
        }

        #[test]
        fn whatever_is_joined_is_absolute_and_clean(base in "[a-c/.]{0,12}", path in "[a-c/.]{0,12}") {
            let whole = absolute(base.as_bytes(), path.as_bytes());
            prop_assert!(whole.starts_with(b"/"));
            prop_assert_eq!(absolute(b"/", &whole), whole);
        }
    }
}
