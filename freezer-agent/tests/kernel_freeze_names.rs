//! Names that lead somewhere and names that do not; refusals; rights; exit codes.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use freezer_agent::model::Hierarchy;
use nix::mount::{MsFlags, mount, umount};
use support::{Finished, Helper, TestCgroup, agent, available, hierarchies};

#[test]
fn relative_absolute_and_untidy_names_work() {
    for hierarchy in hierarchies() {
        let cgroup = TestCgroup::new(hierarchy);
        let name = &cgroup.name;
        for name in [name.clone(), format!("/{name}"), format!("./{name}//."), format!("{name}/../{name}/")] {
            let freeze = agent(&["freeze", "--cgroup", &name, "--json"]);
            assert_eq!(freeze.code, 0, "{name}: {freeze:?}");
            assert_eq!(freeze.json()["cgroup"], cgroup.path());
        }
    }
}

#[test]
fn names_with_blanks_work() {
    for hierarchy in hierarchies() {
        let cgroup = TestCgroup::named(hierarchy, &format!("freezer test {} \\040", std::process::id()));
        assert_eq!(agent(&["freeze", "--cgroup", &cgroup.name]).code, 0);
        assert!(cgroup.is_frozen());
    }
}

#[test]
fn names_that_lead_to_no_cgroup_exit_6_also_in_json() {
    if hierarchies().is_empty() {
        return;
    }
    for name in ["no-such-cgroup", "/no/such/cgroup", "../..", "/", "/proc", "/etc/passwd", ""] {
        for command in ["freeze", "thaw", "status"] {
            let finished = agent(&[command, "--cgroup", name, "--json"]);
            assert_eq!(finished.code, 6, "{command} {name}: {finished:?}");
            assert_eq!(finished.json()["outcome"], "error");
            assert!(finished.stderr.starts_with("freezer-agent: "));
        }
    }
}

#[test]
fn wrong_usage_exits_2() {
    for args in [&["freeze"][..], &["freeze", "--cgroup", "0", "--timeout", "soon"], &["melt"]] {
        assert_eq!(agent(args).code, 2);
    }
}

#[test]
fn the_root_is_refused() {
    for hierarchy in hierarchies() {
        let freeze =
            agent(&["freeze", "--cgroup", ".", "--hierarchy", &hierarchy.to_string(), "--force", "--json"]);
        assert_eq!(freeze.code, 7, "{freeze:?}");
        assert_eq!(freeze.json()["outcome"], "refused");
    }
}

#[test]
fn the_agents_own_cgroup_is_refused_even_with_force() {
    for hierarchy in hierarchies() {
        let cgroup = TestCgroup::new(hierarchy);
        let inner = cgroup.child("inner");
        let script = format!(
            "echo $$ > '{}/cgroup.procs' && exec '{}' freeze --cgroup '{}' --force",
            inner.display(),
            env!("CARGO_BIN_EXE_freezer-agent"),
            cgroup.path()
        );
        let output = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).output().expect("a shell");
        let freeze = Finished::from(output);
        assert_eq!(freeze.code, 7, "{freeze:?}");
        assert!(!cgroup.is_requested());
    }
}

#[test]
fn without_rights_the_exit_code_is_5_and_nothing_changes() {
    for hierarchy in hierarchies() {
        let cgroup = TestCgroup::new(hierarchy);
        // Where the agent was built, somebody else may not be allowed to look.
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("rights");
        let program = dir.path().join("agent");
        std::fs::copy(env!("CARGO_BIN_EXE_freezer-agent"), &program).expect("a copy");
        let output = Command::new(&program)
            .args(["freeze", "--cgroup", cgroup.path(), "--json"])
            .current_dir("/")
            .gid(65534)
            .uid(65534)
            .output()
            .expect("the agent runs");
        let freeze = Finished::from(output);
        assert_eq!(freeze.code, 5, "{freeze:?}");
        assert_eq!(freeze.json()["outcome"], "error");
        assert!(freeze.stderr.contains("run as root"), "{freeze:?}");
        assert_eq!(freeze.stderr.lines().count(), 1, "{freeze:?}");
        assert!(!cgroup.is_requested());
    }
}

#[test]
fn in_both_hierarchies_the_one_with_tasks_is_taken_and_stderr_says_so() {
    if !available(Hierarchy::V1) || !available(Hierarchy::V2) {
        return;
    }
    let old = TestCgroup::new(Hierarchy::V1);
    let new = TestCgroup::named(Hierarchy::V2, &old.name);
    let _helper = Helper::start("threads 1", &new);
    let freeze = agent(&["freeze", "--cgroup", &old.name, "--json"]);
    assert_eq!(freeze.json()["hierarchy"], "v2", "{freeze:?}");
    assert!(freeze.stderr.contains(old.path()) && freeze.stderr.contains("--hierarchy v1"), "{freeze:?}");
    let freeze = agent(&["freeze", "--cgroup", &old.name, "--hierarchy", "v1", "--json"]);
    assert_eq!(freeze.json()["hierarchy"], "v1", "{freeze:?}");
    assert_eq!(freeze.stderr, "");
}

/// A mount of this test, taken down when dropped.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        umount(self.0).expect("an unmount");
    }
}

#[test]
fn a_second_mount_of_the_freezer_elsewhere_works() {
    if !available(Hierarchy::V1) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let point = dir.path().join("my containers");
    std::fs::create_dir(&point).expect("a mount point");
    mount(Some("none"), &point, Some("cgroup"), MsFlags::empty(), Some("freezer")).expect("a mount");
    let _mounted = Mounted(&point);
    let cgroup = TestCgroup::new(Hierarchy::V1);
    let there = point.join(&cgroup.name);
    let freeze = agent(&["freeze", "--cgroup", there.to_str().expect("text"), "--json"]);
    assert_eq!(freeze.code, 0, "{freeze:?}");
    assert_eq!(freeze.json()["cgroup"], there.to_str().expect("text"));
    assert!(cgroup.is_frozen());
    // One cgroup is one row, however often its hierarchy is mounted.
    let status = agent(&["status", "--json"]).json();
    let rows = status["cgroups"].as_array().expect("rows").iter();
    let named = |row: &&serde_json::Value| row["cgroup"].as_str().is_some_and(|c| c.ends_with(&cgroup.name));
    assert_eq!(rows.filter(named).count(), 1, "{status}");
}

#[test]
fn a_closed_stdout_is_no_crash() {
    for hierarchy in hierarchies() {
        let cgroup = TestCgroup::new(hierarchy);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_freezer-agent"))
            .args(["freeze", "--cgroup", cgroup.path()])
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .expect("the agent runs");
        let freeze = Finished::from(output);
        assert_eq!((freeze.code, freeze.stderr.as_str()), (0, ""));
        assert!(cgroup.is_frozen());
    }
}
