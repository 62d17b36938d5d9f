//! Containers of runc: what the one froze, the other understands.
//!
//! runc freezes in one hierarchy, v1 where there is one; so v2 is tried where v2 is alone, in a guest.

mod support;

use std::time::Duration;

use freezer_lab::{Hierarchy, Scene, State, container, mounts};
use support::{containers, skip, turn};

fn with_runc(body: impl Fn(&mut Scene, &'static str)) {
    let Some(_turn) = turn() else { return };
    if !container::is_installed("runc") {
        return skip("runc is not installed: `cargo xtask setup` does it");
    }
    let mut scene = Scene::new();
    body(&mut scene, "runc");
    let left: Vec<_> = scene.take_down().iter().map(ToString::to_string).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn runc_pause_and_freeze_are_the_same() {
    with_runc(containers::pause_and_freeze_are_the_same);
}

#[test]
fn runc_pause_that_hangs_is_explained() {
    with_runc(|scene, runtime| {
        let hung = containers::pause_that_hangs_is_explained(scene, runtime);
        let limit = Duration::from_secs(9);
        if mounts::freezer(Hierarchy::V1).is_ok() {
            assert_eq!((hung.code, hung.left), (1, State::Thawed), "after a thousand tries it is taken back");
            assert!(hung.took < limit, "{:?}", hung.took);
        } else {
            assert_eq!((hung.code, hung.left), (1, State::Freezing), "after ten seconds it is left as it is");
            assert!(hung.took > limit, "{:?}", hung.took);
        }
    });
}
