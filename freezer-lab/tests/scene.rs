//! The lab itself: a scene makes what it says and leaves nothing behind. Needs root.

use std::time::Duration;

use freezer_lab::{Hierarchy, Job, Scene, State, proc};

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_stat_on_a_silent_fuse_mount_keeps_both_freezers_waiting() {
    for hierarchy in Hierarchy::BOTH {
        let mut scene = Scene::new();
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        scene.worker_in(&cgroup, &Job::Sleep).expect("a sleeper");
        let (dir, _server) = scene.silent_fuse(None).expect("a mount");
        let id = scene.worker_in(&cgroup, &Job::Stat(dir.join("hang"))).expect("a client");
        let pid = scene[id].pid();
        scene[id].wait_stuck(pid, 'S', "request_wait_answer", LIMIT).expect("it waits");
        cgroup.freeze().expect("asked");
        scene[id].wait_stuck(pid, 'D', "request_wait_answer", LIMIT).expect("it waits on");
        assert_eq!(cgroup.state().expect("a state"), State::Freezing);
        assert!(scene.take_down().is_empty());
        assert!(!cgroup.path().exists() && !dir.exists() && proc::state(pid).is_none());
    }
}
