//! Who joins during a freeze is told as late, in every place of the report; who was there before is not.

mod support;

use freezer_lab::fuse::SILENT_NAME;
use freezer_lab::scene::WorkerId;
use freezer_lab::worker::tasks;
use freezer_lab::{Cgroup, Hierarchy, Job, Scene, agent};
use serde_json::Value;

/// A process of three threads of which the last one waits for a silent FUSE server.
fn stuck(scene: &mut Scene) -> WorkerId {
    let (dir, _server) = scene.silent_fuse(None).expect("a mount");
    let task = scene.worker(&Job::ThreadsOneStat(3, dir.join(SILENT_NAME))).expect("a worker");
    scene[task].go().expect("it goes");
    let tid = scene[task].tids()[2];
    scene[task].wait_stuck(tid, 'S', "request_wait_answer", support::SOON).expect("it is stuck");
    task
}

/// Somebody outside who moves a process once the freeze of a cgroup is asked for.
fn move_when_asked(scene: &mut Scene, asked: &Cgroup, to: &Cgroup, task: WorkerId) {
    let [asked, to] = [asked, to].map(|cgroup| cgroup.path().to_path_buf());
    let job = tasks::Job::MoveWhenAsked { asked, to, pid: scene[task].pid() };
    let mover = scene.worker(&Job::Tasks(job)).expect("a worker");
    scene[mover].go().expect("it goes");
}

fn freeze(cgroup: &Cgroup) -> Value {
    let ended = support::agent("freeze", cgroup, &["--explain", "--json", "--timeout", "900ms"]);
    assert_eq!(ended.code(), 3, "{}{}", ended.stdout, ended.stderr);
    ended.json().expect("one object")
}

/// Whether a task's line says that it is late, and its blocker's notes that it was moved in.
fn late(document: &Value, tid: i32) -> (bool, bool) {
    let of = |list: &str| {
        let list = document[list].as_array().expect("a list");
        list.iter().find(|one| one["tid"] == tid).unwrap_or(&Value::Null).clone()
    };
    let notes = of("blockers")["evidence"]["notes"].to_string();
    (of("tasks_detail")["late"] == true, notes.contains("was moved in"))
}

#[test]
fn every_thread_of_a_process_moved_in_is_late_and_its_blocker_says_so() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let first = stuck(scene);
        scene[first].put_in(&cgroup).expect("moved");
        let task = stuck(scene);
        move_when_asked(scene, &cgroup, &cgroup, task);
        let document = freeze(&cgroup);
        let tids = scene[task].tids();
        assert_eq!(late(&document, tids[2]), (true, true), "{document:#}");
        assert!(tids.iter().all(|tid| late(&document, *tid).0), "{document:#}");
        assert_eq!(late(&document, scene[first].tids()[2]), (false, false), "{document:#}");
    });
}

#[test]
fn a_task_moved_within_the_subtree_is_not_late() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let [from, to] = ["from", "to"].map(|name| scene.child_of(&cgroup, name).expect("a child"));
        let task = stuck(scene);
        scene[task].put_in(&from).expect("moved");
        move_when_asked(scene, &cgroup, &to, task);
        let document = freeze(&cgroup);
        assert_eq!(to.pids().expect("a list"), [scene[task].pid()], "it was moved");
        let tid = scene[task].tids()[2];
        assert!(document["blockers"].as_array().expect("a list").iter().any(|one| one["tid"] == tid));
        for tid in scene[task].tids() {
            assert_eq!(late(&document, *tid), (false, false), "{document:#}");
        }
    });
}

#[test]
fn explain_tells_who_is_moved_in_while_it_watches() {
    support::on_each(&Hierarchy::BOTH, |scene, hierarchy| {
        let cgroup = scene.cgroup(hierarchy).expect("a cgroup");
        let first = stuck(scene);
        scene[first].put_in(&cgroup).expect("moved");
        cgroup.freeze().expect("asked");
        let task = stuck(scene);
        let run = agent::start("explain", &cgroup, &["--json", "--for", "3s"]).expect("it starts");
        // It has loaded its programs by then, however slowly, or the freeze would not be watched at all.
        std::thread::sleep(std::time::Duration::from_millis(1500));
        scene[task].put_in(&cgroup).expect("moved");
        let ended = run.end().expect("it ends");
        let document = ended.json().expect("one object");
        let tid = scene[task].tids()[2];
        assert!(late(&document, tid).1, "{document:#}");
        assert!(!late(&document, scene[first].tids()[2]).1, "{document:#}");
        cgroup.thaw().expect("thawed");
    });
}
