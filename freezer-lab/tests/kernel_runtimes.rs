//! Containers of runc and crun, as they are installed: what the one froze, the other understands.
//!
//! A runtime freezes in one hierarchy, v1 where there is one; so v2 is tried where v2 is alone, in a guest.

mod support;

use freezer_lab::agent::{self, Ended};
use freezer_lab::container::{self, Container, GIVEN};
use freezer_lab::fuse::SILENT_NAME;
use freezer_lab::{Scene, State};
use support::others::{self, COUNTS, counts, go_on, hold, is_explained, length, stuck_in};
use support::{freeze, skip, status, thaw, turn};

fn with(runtime: &'static str, body: impl Fn(&mut Scene)) {
    let Some(_turn) = turn() else { return };
    if !container::is_installed(runtime) {
        return skip(&format!("{runtime} is not installed: `cargo xtask setup` does it"));
    }
    let mut scene = Scene::new();
    body(&mut scene);
    let left: Vec<_> = scene.take_down().iter().map(ToString::to_string).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn ends(container: &Container, command: &str) -> Ended {
    agent::spawn(container.command(command)).and_then(agent::Run::end).expect("the runtime ends")
}

fn succeeds(container: &Container, command: &str) {
    let ended = ends(container, command);
    assert_eq!(ended.code(), 0, "{command}: {}", ended.stderr);
}

fn is(container: &Container, status: &str) {
    assert_eq!(container.status().expect("a state"), status);
}

fn a_pause_and_a_freeze_are_the_same(runtime: &'static str) {
    with(runtime, |scene| {
        let folder = scene.directory().expect("a folder");
        let count = folder.join("count");
        let script = format!("set {GIVEN}/count; {COUNTS}");
        let container = Container::start(scene, runtime, &script, Some(&folder)).expect("a container");
        let cgroup = container.cgroup();
        assert!(counts(&count), "it runs");
        is(&container, "running");

        succeeds(&container, "pause");
        assert_eq!(status(cgroup)["state"], "FROZEN");
        assert_eq!(others::explain(cgroup)["outcome"], "frozen");
        let before = length(&count);
        thaw(cgroup);
        is(&container, "running");
        assert!(counts(&count), "it runs on from {before}");

        freeze(cgroup);
        is(&container, "paused");
        let before = length(&count);
        succeeds(&container, "resume");
        assert_eq!(status(cgroup)["state"], "THAWED");
        assert!(counts(&count), "it runs on from {before}");
    });
}

fn a_pause_that_hangs_is_explained_and_comes_to_what_it_would(runtime: &'static str) {
    with(runtime, |scene| {
        let (folder, server) = scene.silent_fuse(None).expect("a mount");
        let script = format!("stat {GIVEN}/{SILENT_NAME} & exec sleep 1000000");
        let container = Container::start(scene, runtime, &script, Some(&folder)).expect("a container");
        let cgroup = container.cgroup();
        let stuck = stuck_in(cgroup);
        let server = scene[server].pid();

        let alone = ends(&container, "pause");
        let left = cgroup.state().expect("a state");
        assert_ne!(left, State::Frozen);
        cgroup.thaw().expect("the request is taken back");

        let pause = agent::spawn(container.command("pause")).expect("the runtime starts");
        hold(scene, &pause, cgroup);
        is_explained(cgroup, stuck, server);
        go_on(&pause);
        let beside = pause.end().expect("the runtime ends");
        assert_eq!((beside.code(), complaint(&beside)), (alone.code(), complaint(&alone)));
        assert_eq!(cgroup.state().expect("a state"), left);

        if left == State::Freezing {
            is_explained(cgroup, stuck, server);
            thaw(cgroup);
        }
        is(&container, "running");
    });
}

/// What it complained of, without the time it writes before that.
fn complaint(ended: &Ended) -> &str {
    ended.stderr.split_once("level=").or_else(|| ended.stderr.split_once("Z: ")).map_or(&*ended.stderr, |(_, said)| said)
}

#[test]
fn runc_pause_and_freeze_are_the_same() {
    a_pause_and_a_freeze_are_the_same("runc");
}

#[test]
fn runc_pause_that_hangs_is_explained() {
    a_pause_that_hangs_is_explained_and_comes_to_what_it_would("runc");
}

#[test]
fn crun_pause_and_freeze_are_the_same() {
    a_pause_and_a_freeze_are_the_same("crun");
}

#[test]
fn crun_pause_that_hangs_is_explained() {
    a_pause_that_hangs_is_explained_and_comes_to_what_it_would("crun");
}
