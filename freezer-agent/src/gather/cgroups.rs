//! Directories of the cgroups that tasks sit in, on both hierarchies, and whether a freeze is asked of them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::paths::beneath;
use super::procdir::{ProcDir, Process, number, read};
use crate::explain::facts::CgroupFacts;
use crate::model::{Hierarchy, Name, TaskSnapshot};

/// Where one hierarchy is mounted.
#[derive(Clone, Debug)]
struct Place {
    point: Vec<u8>,
    root: Vec<u8>,
}

/// Where the hierarchies of interest are mounted, as this process sees them.
#[derive(Debug, Default)]
pub struct Mounted {
    v1_freezer: Option<Place>,
    v1_cpu: Option<Place>,
    v1_memory: Option<Place>,
    v1_blkio: Option<Place>,
    v2: Option<Place>,
}

impl Mounted {
    /// From this process's mountinfo.
    pub fn read(proc: &ProcDir) -> Self {
        let mut mounted = Self::default();
        for mount in Process::own(proc).mounts() {
            let place = Place { point: mount.facts.path.as_bytes().to_vec(), root: mount.root };
            let controls = |name: &[u8]| mount.options.split(|&b| b == b',').any(|option| option == name);
            match mount.facts.fstype.as_bytes() {
                b"cgroup2" => {
                    mounted.v2.get_or_insert(place);
                }
                b"cgroup" => {
                    if controls(b"freezer") {
                        mounted.v1_freezer.get_or_insert(place.clone());
                    }
                    if controls(b"blkio") {
                        mounted.v1_blkio.get_or_insert(place.clone());
                    }
                    if controls(b"cpu") {
                        mounted.v1_cpu.get_or_insert(place.clone());
                    }
                    if controls(b"memory") {
                        mounted.v1_memory.get_or_insert(place);
                    }
                }
                _ => {}
            }
        }
        mounted
    }

    /// Directories of a task with a `cpu` controller, from its own up to the mount: v2's, then v1's.
    pub fn cpu_directories(&self, process: &Process) -> Vec<PathBuf> {
        Self::directories(process, &[(&self.v2, &b""[..]), (&self.v1_cpu, b"cpu")])
    }

    /// Directories whose `io` or `blkio` limits cover a task: in v2 its own and its ancestors', in v1 its own only, for
    /// there throttling knows no hierarchy (`block/blk-throttle.c`, `throtl_pd_init`).
    pub fn io_directories(&self, process: &Process) -> Vec<PathBuf> {
        let mut dirs = Self::directories(process, &[(&self.v2, &b""[..])]);
        dirs.extend(Self::directories(process, &[(&self.v1_blkio, b"blkio")]).into_iter().next());
        dirs
    }

    fn directories(process: &Process, places: &[(&Option<Place>, &[u8])]) -> Vec<PathBuf> {
        let Some(content) = process.read("cgroup") else { return Vec::new() };
        places
            .iter()
            .filter_map(|(place, controller)| directory(place.as_ref()?, &content, controller))
            .flat_map(|(top, own)| ancestors(&top, &own))
            .collect()
    }

    /// Directories of a task with the v1 `memory` controller, from its own up to the mount.
    pub fn memory_directories(&self, process: &Process) -> Vec<PathBuf> {
        let found = self.v1_memory.as_ref().zip(process.read("cgroup"));
        let found = found.and_then(|(place, content)| directory(place, &content, b"memory"));
        found.map_or_else(Vec::new, |(top, own)| ancestors(&top, &own))
    }

    /// The cgroups of these tasks, each once.
    pub fn of_tasks<'a>(
        &self,
        proc: &ProcDir,
        tasks: impl Iterator<Item = &'a TaskSnapshot>,
    ) -> Vec<CgroupFacts> {
        let mut cgroups: Vec<CgroupFacts> = Vec::new();
        for task in tasks {
            let wanted = [Hierarchy::V1, Hierarchy::V2]
                .into_iter()
                .filter_map(|h| task.cgroup_in(h).map(|id| (h, id)))
                .filter(|(h, id)| !cgroups.iter().any(|c| (c.hierarchy, c.id) == (*h, *id)))
                .collect::<Vec<_>>();
            if wanted.is_empty() {
                continue;
            }
            let Some(content) = proc.process(task.tid).read("cgroup") else { continue };
            for (hierarchy, id) in wanted {
                cgroups.extend(self.facts(hierarchy, &content, id));
            }
        }
        cgroups
    }

    /// The cgroup that is being frozen itself, where no task named it.
    pub fn add_directory(&self, cgroups: &mut Vec<CgroupFacts>, hierarchy: Hierarchy, dir: &Path) {
        // cgroupfs never blocks a stat; and it is this process's own mount, not a target's.
        let Ok(id) = std::fs::symlink_metadata(dir).map(|meta| meta.ino()) else { return };
        if !cgroups.iter().any(|c| (c.hierarchy, c.id) == (hierarchy, id)) {
            let place = self.place(hierarchy).map_or_else(|| dir.to_owned(), |place| path(&place.point));
            cgroups.push(CgroupFacts {
                hierarchy,
                id,
                path: Name::from(dir),
                freeze_asked: freeze_asked(hierarchy, &place, dir),
                asked_by: names(&askers(hierarchy, &place, dir)),
            });
        }
    }

    fn place(&self, hierarchy: Hierarchy) -> Option<&Place> {
        match hierarchy {
            Hierarchy::V1 => self.v1_freezer.as_ref(),
            Hierarchy::V2 => self.v2.as_ref(),
        }
    }

    fn facts(&self, hierarchy: Hierarchy, content: &[u8], id: u64) -> Option<CgroupFacts> {
        let (top, own) = self.directory(hierarchy, content)?;
        // The task may have moved since the snapshot: then its directory is another cgroup's.
        let same = std::fs::symlink_metadata(&own).is_ok_and(|meta| meta.ino() == id);
        same.then(|| CgroupFacts {
            hierarchy,
            id,
            path: Name::from(own.as_path()),
            freeze_asked: freeze_asked(hierarchy, &top, &own),
            asked_by: names(&askers(hierarchy, &top, &own)),
        })
    }

    /// Adds the ids of its cgroups to a task that was looked at by /proc alone.
    pub fn complete(&self, process: &Process, task: &mut TaskSnapshot) {
        if task.cgroup_v1.is_some() && task.cgroup_v2.is_some() {
            return;
        }
        let Some(content) = process.read("cgroup") else { return };
        let id = |hierarchy| {
            let (_, own) = self.directory(hierarchy, &content)?;
            std::fs::symlink_metadata(own).ok().map(|meta| meta.ino())
        };
        task.cgroup_v1 = task.cgroup_v1.or_else(|| id(Hierarchy::V1));
        task.cgroup_v2 = task.cgroup_v2.or_else(|| id(Hierarchy::V2));
    }

    /// Thread ids in the whole subtree of the topmost cgroup whose request holds a task frozen, unless that is also the
    /// request for `except` and so of the same freeze.
    pub fn frozen_together(&self, process: &Process, hierarchy: Hierarchy, except: &Path) -> Vec<i32> {
        let Some(content) = process.read("cgroup") else { return Vec::new() };
        let Some((top, own)) = self.directory(hierarchy, &content) else { return Vec::new() };
        match askers(hierarchy, &top, &own).into_iter().next() {
            Some(asker) if !except.starts_with(&asker) => threads_below(hierarchy, &asker),
            _ => Vec::new(),
        }
    }

    fn directory(&self, hierarchy: Hierarchy, content: &[u8]) -> Option<(PathBuf, PathBuf)> {
        let controller = if hierarchy == Hierarchy::V1 { &b"freezer"[..] } else { b"" };
        directory(self.place(hierarchy)?, content, controller)
    }
}

fn names(paths: &[PathBuf]) -> Vec<Name> {
    paths.iter().map(|path| Name::from(path.as_path())).collect()
}

/// Threads of a cgroup and all its descendants.
fn threads_below(hierarchy: Hierarchy, dir: &Path) -> Vec<i32> {
    let file = if hierarchy == Hierarchy::V1 { "tasks" } else { "cgroup.threads" };
    let content = read(&dir.join(file)).unwrap_or_default();
    let mut tids: Vec<i32> = content.split(|&b| b == b'\n').filter_map(number).collect();
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        tids.extend(threads_below(hierarchy, &entry.path()));
    }
    tids
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// Mount point and directory of the cgroup that a line of `/proc/TID/cgroup` names; v2's has no controller.
fn directory(place: &Place, content: &[u8], controller: &[u8]) -> Option<(PathBuf, PathBuf)> {
    let within = content.split(|&b| b == b'\n').find_map(|line| {
        let mut fields = line.splitn(3, |&b| b == b':');
        let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let wanted = if controller.is_empty() {
            id == b"0" && controllers.is_empty()
        } else {
            controllers.split(|&b| b == b',').any(|name| name == controller)
        };
        wanted.then_some(path)
    })?;
    let below = beneath(&place.root, within)?;
    let top = path(&place.point);
    let own = match below.strip_prefix(b"/") {
        Some(b"") | None => top.clone(),
        Some(rest) => top.join(OsStr::from_bytes(rest)),
    };
    Some((top, own))
}

/// `own` and its parents, up to `top`.
fn ancestors(top: &Path, own: &Path) -> Vec<PathBuf> {
    own.ancestors().take_while(|dir| dir.starts_with(top)).map(Path::to_owned).collect()
}

/// By the cgroup itself or an ancestor. Not from `freezer.state`: reading that walks every task.
fn freeze_asked(hierarchy: Hierarchy, top: &Path, own: &Path) -> Option<bool> {
    if own == top {
        return Some(false);
    }
    match hierarchy {
        Hierarchy::V1 => Some(flag(own, "freezer.self_freezing")? || flag(own, "freezer.parent_freezing")?),
        Hierarchy::V2 => {
            let asked: Vec<bool> =
                ancestors(top, own).iter().filter_map(|dir| flag(dir, "cgroup.freeze")).collect();
            (!asked.is_empty()).then(|| asked.contains(&true))
        }
    }
}

/// The cgroups whose own requests ask for the freeze of `own`, topmost first.
fn askers(hierarchy: Hierarchy, top: &Path, own: &Path) -> Vec<PathBuf> {
    let file = if hierarchy == Hierarchy::V1 { "freezer.self_freezing" } else { "cgroup.freeze" };
    let mut found = ancestors(top, own);
    found.retain(|dir| flag(dir, file) == Some(true));
    found.reverse();
    found
}

fn flag(dir: &Path, file: &str) -> Option<bool> {
    read(&dir.join(file)).and_then(|bytes| number::<u8>(&bytes)).map(|n| n != 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONTENT: &[u8] = b"9:name=freezer:/n\n6:cpu,freezer:/docker/a:b\xff\n0::/user.slice\n";

    fn place(point: &str, root: &str) -> Place {
        Place { point: point.into(), root: root.into() }
    }

    #[test]
    fn a_cgroup_is_found_beneath_the_part_of_the_hierarchy_that_is_mounted() {
        let (_, own) = directory(&place("/cg", "/docker"), CONTENT, b"freezer").expect("listed");
        assert_eq!(own.as_os_str().as_bytes(), b"/cg/a:b\xff");
        assert_eq!(directory(&place("/cg", "/other"), CONTENT, b"freezer"), None, "outside what is mounted");
        let (_, own) = directory(&place("/u", "/"), CONTENT, b"").expect("v2");
        assert_eq!(own, Path::new("/u/user.slice"));
    }

    proptest! {
        #[test]
        fn any_bytes_name_a_directory_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            directory(&place("/cg", "/"), &bytes, b"freezer");
        }
    }
}
