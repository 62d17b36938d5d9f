//! On a made-up pair of hierarchies in a temporary directory.

use std::fs;
use std::sync::Arc;

use super::super::{CgroupMount, v1, v2};
use super::*;

struct Host {
    top: tempfile::TempDir,
    mounts: Mounts,
}

impl Host {
    fn new() -> Self {
        let top = tempfile::tempdir().expect("a temporary directory");
        let device = fs::metadata(top.path()).expect("its metadata").dev();
        let path = top.path().canonicalize().expect("a real path");
        let mounts = [(Hierarchy::V1, "freezer"), (Hierarchy::V2, "unified")].map(|(hierarchy, point)| {
            let point = path.join(point);
            fs::create_dir(&point).expect("a mount point");
            Arc::new(CgroupMount { hierarchy, point, root: PathBuf::from("/"), device })
        });
        Self { top, mounts: Mounts(mounts.to_vec()) }
    }

    /// Makes a cgroup, holding one task or none.
    fn cgroup(&self, hierarchy: Hierarchy, name: impl AsRef<OsStr>, tasks: bool) -> PathBuf {
        let dir = self.mounts.of(Some(hierarchy)).next().expect("a mount").point.join(Path::new(&name));
        fs::create_dir_all(&dir).expect("a cgroup");
        let (file, content) = match hierarchy {
            Hierarchy::V1 => (v1::TASKS, if tasks { "1234\n" } else { "" }),
            Hierarchy::V2 => {
                (v2::EVENTS, if tasks { "populated 1\nfrozen 0\n" } else { "populated 0\nfrozen 0\n" })
            }
        };
        fs::write(dir.join(file), content).expect("its file");
        dir
    }

    fn resolve(&self, name: impl AsRef<OsStr>) -> Result<Resolved, ResolveError> {
        resolve_in(&self.mounts, name.as_ref(), None)
    }

    fn dir(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.resolve(name).expect("a cgroup").cgroup.dir
    }
}

#[test]
fn a_relative_name_is_looked_for_in_v1_then_v2() {
    let host = Host::new();
    let old = host.cgroup(Hierarchy::V1, "0", true);
    let new = host.cgroup(Hierarchy::V2, "only-v2", true);
    assert_eq!(host.dir("0"), old);
    assert_eq!(host.dir("only-v2"), new);
}

#[test]
fn an_absolute_path_and_a_hierarchy_path_name_the_same_cgroup() {
    let host = Host::new();
    let dir = host.cgroup(Hierarchy::V1, "docker/x", true);
    assert_eq!(host.dir(&dir), dir);
    assert_eq!(host.dir("/docker/x"), dir);
}

#[test]
fn slashes_dots_and_inner_double_dots_do_not_matter() {
    let host = Host::new();
    let dir = host.cgroup(Hierarchy::V1, "a/b", true);
    for name in ["a/b/", "./a//b", "a/./b/.", "a/../a/b", "a/b/../../a/b//"] {
        assert_eq!(host.dir(name), dir, "{name}");
        assert_eq!(host.dir(host.mounts.0[0].point.join(name)), dir, "{name}");
    }
}

#[test]
fn double_dots_above_the_root_are_an_error() {
    let host = Host::new();
    assert!(matches!(host.resolve("../x"), Err(ResolveError::Leaves { .. })));
    let outside = host.mounts.0[0].point.join("../..");
    assert!(matches!(host.resolve(outside), Err(ResolveError::NotACgroup { .. })));
}

#[test]
fn blanks_and_bytes_that_are_no_text_work() {
    let host = Host::new();
    for name in [&b" a b "[..], b"\xff\xfe", b"tab\there"] {
        let name = OsStr::from_bytes(name);
        let dir = host.cgroup(Hierarchy::V1, name, true);
        assert_eq!(host.dir(name), dir);
    }
}

#[test]
fn on_a_hybrid_host_the_one_with_tasks_wins_and_the_note_names_both() {
    let host = Host::new();
    let old = host.cgroup(Hierarchy::V1, "c", false);
    let new = host.cgroup(Hierarchy::V2, "c", true);
    let resolved = host.resolve("c").expect("a cgroup");
    assert_eq!(resolved.cgroup.dir, new);
    let note = resolved.note.expect("a note");
    assert!(note.contains(old.to_str().expect("text")) && note.contains("--hierarchy v1"), "{note}");
}

#[test]
fn v1_wins_where_both_or_neither_hold_tasks() {
    let host = Host::new();
    for (name, tasks) in [("both", true), ("neither", false)] {
        let old = host.cgroup(Hierarchy::V1, name, tasks);
        host.cgroup(Hierarchy::V2, name, tasks);
        assert_eq!(host.dir(name), old);
    }
}

#[test]
fn tasks_in_a_descendant_count() {
    let host = Host::new();
    host.cgroup(Hierarchy::V1, "c", false);
    let inner = host.cgroup(Hierarchy::V1, "c/inner", true);
    host.cgroup(Hierarchy::V2, "c", true);
    assert_eq!(host.dir("c"), inner.parent().expect("a parent"));
}

#[test]
fn the_hierarchy_can_be_dictated() {
    let host = Host::new();
    let old = host.cgroup(Hierarchy::V1, "c", true);
    let new = host.cgroup(Hierarchy::V2, "c", true);
    let resolved = resolve_in(&host.mounts, OsStr::new("c"), Some(Hierarchy::V2)).expect("a cgroup");
    assert_eq!((resolved.cgroup.dir, resolved.note), (new, None));
    assert!(matches!(
        resolve_in(&host.mounts, old.as_os_str(), Some(Hierarchy::V2)),
        Err(ResolveError::NotACgroup { .. })
    ));
}

#[test]
fn a_missing_cgroup_names_every_place_that_was_looked_at() {
    let host = Host::new();
    let error = host.resolve("nope").expect_err("no such cgroup").to_string();
    for mount in &host.mounts.0 {
        assert!(error.contains(mount.point.join("nope").to_str().expect("text")), "{error}");
    }
}

#[test]
fn files_and_places_outside_are_no_cgroups() {
    let host = Host::new();
    let dir = host.cgroup(Hierarchy::V1, "c", true);
    assert!(matches!(host.resolve("c/tasks"), Err(ResolveError::NotACgroup { .. })));
    assert!(matches!(host.resolve(dir.join("tasks")), Err(ResolveError::NotACgroup { .. })));
    assert!(matches!(host.resolve(host.top.path()), Err(ResolveError::NotACgroup { .. })));
    assert!(matches!(host.resolve("/"), Err(ResolveError::NotACgroup { .. })));
    assert!(matches!(host.resolve(""), Err(ResolveError::Empty)));
}

#[test]
fn without_a_freezer_mount_the_error_says_so() {
    let error = resolve_in(&Mounts::default(), OsStr::new("x"), None).expect_err("nothing mounted");
    assert!(matches!(error, ResolveError::NoFreezer { .. }));
}

#[test]
fn the_walk_lists_parents_first_and_does_not_follow_links() {
    let host = Host::new();
    let dir = host.cgroup(Hierarchy::V1, "c", true);
    host.cgroup(Hierarchy::V1, "c/b/deep", true);
    host.cgroup(Hierarchy::V1, "c/a", true);
    std::os::unix::fs::symlink(host.top.path(), dir.join("loop")).expect("a link");
    let cgroup = host.resolve("c").expect("a cgroup").cgroup;
    let found: Vec<_> = cgroup.subtree().expect("a walk").into_iter().map(|c| c.dir).collect();
    let expected = ["", "a", "b", "b/deep"].map(|below| dir.join(below));
    assert!(found.iter().eq(expected.iter()), "{found:?}");
}
