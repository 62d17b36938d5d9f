//! Freezers of other people that need a machine to themselves: `cargo xtask vm others`.

mod criu;
mod crun;
mod lxc;
mod systemd;

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::{env, fs};

use freezer_lab::Scene;

/// A scene in a guest, which nobody else uses.
fn in_a_guest(body: impl Fn(&mut Scene)) {
    if env::var_os("FREEZER_LAB_EMULATED").is_none() {
        return support::skip("this runs in a guest: cargo xtask vm others");
    }
    let mut scene = Scene::new();
    body(&mut scene);
    let left: Vec<_> = scene.take_down().iter().map(ToString::to_string).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The end of a program's log, for people.
fn logged(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_else(|error| format!("{}: {error}", file.display()));
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
