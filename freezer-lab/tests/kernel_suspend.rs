//! `freezer-agent suspend` on any machine: without being asked twice, without rights or without a kernel that can, nothing
//! is frozen. What freezes is tried in guests (`guest/suspend.rs`).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use freezer_lab::agent::{self, Ended};

const SNAPSHOT: &str = "/dev/snapshot";

fn suspend(arguments: &[&str]) -> Command {
    let mut command = Command::new(agent::path().expect("the agent"));
    command.arg("suspend").args(arguments);
    command
}

fn ended(command: Command) -> Ended {
    agent::spawn(command).and_then(agent::Run::end).expect("the agent ends")
}

/// Whether this kernel can freeze the system for a test.
fn can() -> bool {
    Path::new(SNAPSHOT).exists() || Path::new("/sys/power/pm_test").exists()
}

#[test]
fn without_a_confirmation_nothing_is_frozen_and_a_kernel_that_cannot_is_told_what_it_lacks() {
    let refused = ended(suspend(&["test", "--json"]));
    let document = refused.json().expect("one JSON object");
    let expected = if can() { (7, "refused") } else { (6, "error") };
    assert_eq!((refused.code(), document["outcome"].as_str().unwrap_or("")), expected, "{document:#}");
    if !can() {
        let cannot = ended(suspend(&["test", "--yes"]));
        assert_eq!(cannot.code(), 6);
        assert!(cannot.stderr.contains("CONFIG_HIBERNATION"), "{}", cannot.stderr);
    }
}

#[test]
fn without_rights_it_is_said_which_are_missing() {
    // Where the agent was built, somebody else may not be allowed to look.
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("rights");
    let program = folder.path().join("agent");
    fs::copy(agent::path().expect("the agent"), &program).expect("a copy");
    let mut command = Command::new(program);
    command.args(["suspend", "test", "--yes"]).current_dir("/").uid(65534).gid(65534);
    let ended = ended(command);
    let expected = if Path::new(SNAPSHOT).exists() { 5 } else { 6 };
    assert_eq!(ended.code(), expected, "{}", ended.stderr);
    assert!(ended.stderr.contains("root") || ended.stderr.contains("CONFIG_"), "{}", ended.stderr);
}
