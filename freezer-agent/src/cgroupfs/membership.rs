//! From a process, or from an id, back to its cgroup.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::mountinfo::Mounts;
use super::{Cgroup, file};
use crate::model::Hierarchy;

/// Path of a process's cgroup, from the root that this process's cgroup namespace shows; `None` where the process
/// is in no such hierarchy. `pid` may be a process or thread id, or `self`.
pub fn path_of(pid: &str, hierarchy: Hierarchy) -> io::Result<Option<PathBuf>> {
    match file::read(&Path::new("/proc").join(pid), "cgroup") {
        Ok(content) => Ok(parse(&content, hierarchy)),
        Err(error) => Err(error.source),
    }
}

/// The cgroup of a process or thread; `None` where it is in no such hierarchy or outside every mount of it.
pub fn cgroup_of(mounts: &Mounts, pid: i32, hierarchy: Hierarchy) -> io::Result<Option<Cgroup>> {
    let Some(path) = path_of(&pid.to_string(), hierarchy)? else { return Ok(None) };
    let mut found = mounts.of(Some(hierarchy)).filter_map(|mount| {
        let below = path.strip_prefix(&mount.root).ok()?;
        let dir = if below.as_os_str().is_empty() { mount.point.clone() } else { mount.point.join(below) };
        Cgroup::open(mount, dir).ok()
    });
    Ok(found.next())
}

/// Directory of the cgroup with this id: a walk of every mount, so nothing for a hot path.
pub fn by_id(mounts: &Mounts, hierarchy: Hierarchy, id: u64) -> Option<PathBuf> {
    mounts.of(Some(hierarchy)).find_map(|mount| {
        let top = Cgroup::open(mount, mount.point.clone()).ok()?;
        top.subtree().ok()?.into_iter().find(|cgroup| cgroup.id == id).map(|cgroup| cgroup.dir)
    })
}

/// One line of `/proc/PID/cgroup`: `ID:controllers:path`, the v2 one with id 0 and no controllers
/// (`kernel/cgroup/cgroup.c`, `proc_cgroup_show`).
fn parse(content: &[u8], hierarchy: Hierarchy) -> Option<PathBuf> {
    content.split(|&b| b == b'\n').find_map(|line| {
        let mut fields = line.splitn(3, |&b| b == b':');
        let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let wanted = match hierarchy {
            Hierarchy::V1 => controllers.split(|&b| b == b',').any(|name| name == b"freezer"),
            Hierarchy::V2 => id == b"0" && controllers.is_empty(),
        };
        // A removed cgroup, which only a zombie can still be in.
        let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
        wanted.then(|| PathBuf::from(std::ffi::OsStr::from_bytes(path)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: &[u8] = b"9:name=freezer:/n\n6:cpu,freezer:/docker/a:b\xff\n0::/user.slice\n";

    #[test]
    fn finds_the_freezer_among_co_mounted_controllers() {
        let path = parse(CONTENT, Hierarchy::V1).expect("a freezer line");
        assert_eq!(path.as_os_str().as_bytes(), b"/docker/a:b\xff");
    }

    #[test]
    fn finds_the_unified_line() {
        assert_eq!(parse(CONTENT, Hierarchy::V2), Some(PathBuf::from("/user.slice")));
    }

    #[test]
    fn a_process_in_no_freezer_hierarchy_has_none() {
        assert_eq!(parse(b"2:cpu:/\n", Hierarchy::V1), None);
    }
}
