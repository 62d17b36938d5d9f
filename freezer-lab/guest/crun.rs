//! Containers of crun, in v2: beside v1 it refuses to start any.

use freezer_lab::{Container, Hierarchy, Scene, State, mounts};

use crate::in_a_guest;
use crate::support::containers;

fn with_crun(body: impl Fn(&mut Scene, &'static str)) {
    in_a_guest(|scene| {
        if mounts::freezer(Hierarchy::V1).is_err() {
            return body(scene, "crun");
        }
        let refused = Container::start(scene, "crun", "exec sleep 1000000", None).expect_err("it refuses");
        assert!(refused.to_string().contains("cgroups in hybrid mode not supported"), "{refused}");
    });
}

#[test]
fn crun_pause_and_freeze_are_the_same() {
    with_crun(containers::pause_and_freeze_are_the_same);
}

#[test]
fn crun_pause_that_hangs_is_explained() {
    with_crun(|scene, runtime| {
        let hung = containers::pause_that_hangs_is_explained(scene, runtime);
        assert_eq!((hung.code, hung.left), (0, State::Freezing), "it does not wait");
    });
}
