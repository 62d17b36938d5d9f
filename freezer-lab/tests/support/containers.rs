//! A runtime's pause and the agent's freeze of its containers.

use std::time::{Duration, Instant};

use freezer_lab::agent::{self, Ended};
use freezer_lab::container::{Container, GIVEN};
use freezer_lab::fuse::SILENT_NAME;
use freezer_lab::{Scene, State};

use super::others::{COUNTS, blames, counts, explain, go_on, hold, is_explained, length, stuck_in};
use super::{freeze, status, thaw};

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

/// What the one froze, the other knows to be frozen, and can thaw.
pub fn pause_and_freeze_are_the_same(scene: &mut Scene, runtime: &'static str) {
    let folder = scene.directory().expect("a folder");
    let count = folder.join("count");
    let script = format!("set {GIVEN}/count; {COUNTS}");
    let container = Container::start(scene, runtime, &script, Some(&folder)).expect("a container");
    let cgroup = container.cgroup();
    assert!(counts(&count), "it runs");
    is(&container, "running");

    succeeds(&container, "pause");
    assert_eq!(status(cgroup)["state"], "FROZEN");
    assert_eq!(explain(cgroup)["outcome"], "frozen");
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
}

/// What a pause comes to that hangs.
pub struct Hung {
    /// Exit code of the runtime.
    pub code: i32,
    /// How long it took.
    pub took: Duration,
    /// What it leaves behind.
    pub left: State,
}

/// A pause with a task in the way is explained while it lasts, and comes to what it comes to without us.
pub fn pause_that_hangs_is_explained(scene: &mut Scene, runtime: &'static str) -> Hung {
    let (folder, server) = scene.silent_fuse(None).expect("a mount");
    let script = format!("stat {GIVEN}/{SILENT_NAME} & exec sleep 1000000");
    let container = Container::start(scene, runtime, &script, Some(&folder)).expect("a container");
    let cgroup = container.cgroup();
    let stuck = stuck_in(cgroup);
    let server = scene[server].pid();

    let begun = Instant::now();
    let alone = ends(&container, "pause");
    let took = begun.elapsed();
    let left = cgroup.state().expect("a state");
    assert_ne!(left, State::Frozen);
    cgroup.thaw().expect("the request is taken back");

    let pause = hold(scene, cgroup, || agent::spawn(container.command("pause")).expect("the runtime starts"));
    is_explained(cgroup, stuck, server);
    go_on(&pause);
    let beside = pause.end().expect("the runtime ends");
    assert_eq!((beside.code(), complaint(&beside)), (alone.code(), complaint(&alone)));
    assert_eq!(cgroup.state().expect("a state"), left);

    if left == State::Freezing {
        is_explained(cgroup, stuck, server);
        thaw(cgroup);
    } else {
        // Nothing is left to be explained: then one asks for the freeze oneself.
        let arguments = ["--explain", "--timeout", "500ms", "--json"];
        let ended = agent::run("freeze", cgroup, &arguments).expect("the agent ends");
        assert_eq!(ended.code(), 3, "{}", ended.stderr);
        blames(&ended.json().expect("JSON"), stuck, server);
    }
    is(&container, "running");
    Hung { code: alone.code(), took, left }
}

/// What it complained of, without the time it writes before that.
fn complaint(ended: &Ended) -> &str {
    ended
        .stderr
        .split_once("level=")
        .or_else(|| ended.stderr.split_once("Z: "))
        .map_or(&*ended.stderr, |(_, said)| said)
}
