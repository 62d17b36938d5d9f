//! What the tests of this folder share.

use std::fs::File;
use std::io::Write as _;

use freezer_lab::{Hierarchy, mounts};
use nix::fcntl::{Flock, FlockArg};

/// Held by a test that runs: cases that take all CPU time or memory must not disturb others.
#[must_use]
pub struct Turn {
    _lock: Flock<File>,
}

/// Waits for this test's turn. `None`, said loudly, where it cannot run; a failure where nothing may be skipped.
pub fn turn() -> Option<Turn> {
    if !nix::unistd::geteuid().is_root() {
        skip("freezing cgroups needs root");
        return None;
    }
    let file = File::create(std::env::temp_dir().join("freezer-lab.lock")).expect("a lock file");
    let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno).expect("the lock");
    Some(Turn { _lock: lock })
}

/// The hierarchies of a list that this host has.
pub fn present(wanted: &[Hierarchy]) -> Vec<Hierarchy> {
    let (present, missing): (Vec<_>, Vec<_>) =
        wanted.iter().partition(|hierarchy| mounts::freezer(**hierarchy).is_ok());
    if present.is_empty() {
        skip(&format!("this host has no {missing:?} freezer"));
    }
    present
}

/// Says that a test does not run, also past the test runner, which hides what a passing test prints.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "no test may be skipped where CI is set: {why}");
    println!("skipped: {why}");
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    writeln!(std::io::stderr(), "SKIPPED: {name}: {why}").expect("stderr");
}
