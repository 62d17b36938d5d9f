//! Units of a systemd that is the guest's first process.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use freezer_lab::agent::{self, Ended, Run};
use freezer_lab::fuse::SILENT_NAME;
use freezer_lab::undo::Undo;
use freezer_lab::{Cgroup, Hierarchy, Scene, State, mounts, proc, wait};

use crate::in_a_guest;
use crate::support::others::{COUNTS, counts, explain, is_explained, stuck_in};
use crate::support::{SOON, freeze, status, thaw};

struct Unit {
    name: String,
    cgroup: Cgroup,
}

impl Unit {
    /// A service whose process is a shell with this script.
    fn start(scene: &mut Scene, script: &str, argument: &std::path::Path) -> Self {
        let folder = scene.directory().expect("a folder");
        let script_file = folder.join("script");
        fs::write(&script_file, script).expect("written");
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a plain name");
        let name = format!("{name}.service");
        let (script_file, argument) = (script_file.display(), argument.display());
        let text = format!(
            "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/sh {script_file} {argument}\n"
        );
        let file = PathBuf::from("/run/systemd/system").join(&name);
        fs::create_dir_all("/run/systemd/system").expect("made");
        fs::write(&file, text).expect("written");
        let root = mounts::freezer(Hierarchy::V2).expect("its root");
        let cgroup = Cgroup::of_another(Hierarchy::V2, root.join("system.slice").join(&name));
        scene.will_undo(Undo::ThawCgroup(cgroup.path().to_path_buf())).expect("noted");
        let unit = Self { name, cgroup };
        systemctl(&["daemon-reload"]);
        unit.succeeds("start");
        for pid in unit.cgroup.pids().expect("pids") {
            if let Some(start) = proc::start_time(pid) {
                scene.will_undo(Undo::Kill { pid, start }).expect("noted");
            }
        }
        unit
    }

    fn succeeds(&self, verb: &str) {
        let ended = systemctl(&[verb, &self.name]);
        assert_eq!(ended.code(), 0, "systemctl {verb}: {}", ended.stderr);
    }

    /// What systemd takes it to be.
    fn freezer_state(&self) -> String {
        systemctl(&["show", "--property=FreezerState", "--value", &self.name]).stdout.trim().to_owned()
    }

    fn becomes(&self, state: &str) {
        assert!(wait::until(SOON, || self.freezer_state() == state), "{}", self.freezer_state());
    }
}

fn systemctl(arguments: &[&str]) -> Ended {
    start(arguments).end().expect("systemctl ends")
}

fn start(arguments: &[&str]) -> Run {
    let mut command = Command::new("systemctl");
    command.args(arguments);
    agent::spawn(command).expect("systemctl starts")
}

#[test]
fn systemd_freeze_and_freeze_are_the_same() {
    in_a_guest(|scene| {
        let folder = scene.directory().expect("a folder");
        let count = folder.join("count");
        let unit = Unit::start(scene, COUNTS, &count);
        assert!(counts(&count), "it runs");
        unit.succeeds("freeze");
        unit.becomes("frozen");
        assert_eq!(status(&unit.cgroup)["state"], "FROZEN");
        assert_eq!(explain(&unit.cgroup)["outcome"], "frozen");
        thaw(&unit.cgroup);
        assert!(counts(&count), "it runs on");
        assert_eq!(unit.freezer_state(), "frozen", "systemd 252 does not look");
        unit.succeeds("freeze");
        assert_eq!(status(&unit.cgroup)["state"], "FROZEN");
        unit.succeeds("thaw");
        assert_eq!(unit.freezer_state(), "running");

        freeze(&unit.cgroup);
        assert_eq!(unit.freezer_state(), "running", "nor here");
        unit.succeeds("thaw");
        assert_eq!(status(&unit.cgroup)["state"], "THAWED");
        assert!(counts(&count), "it runs on");
    });
}

#[test]
fn systemd_freeze_that_hangs_is_explained_and_ended() {
    in_a_guest(|scene| {
        let (folder, server) = scene.silent_fuse(None).expect("a mount");
        let unit = Unit::start(scene, "stat \"$1\" & exec sleep 1000000\n", &folder.join(SILENT_NAME));
        let stuck = stuck_in(&unit.cgroup);
        let asked = start(&["freeze", &unit.name]);
        let freezing = || unit.cgroup.state().is_ok_and(|state| state == State::Freezing);
        assert!(wait::until(SOON, freezing), "{:?}", unit.cgroup.state());
        is_explained(&unit.cgroup, stuck, scene[server].pid());
        assert_eq!(unit.freezer_state(), "freezing");
        thaw(&unit.cgroup);
        // It waits for the word that all is frozen, and its client for 25 s.
        let ended = asked.end().expect("systemctl ends");
        assert!(ended.stderr.contains("Connection timed out"), "{}", ended.stderr);
        assert_eq!(unit.freezer_state(), "freezing", "nobody has told it");
        unit.succeeds("thaw");
        assert_eq!(unit.freezer_state(), "running");
        assert_eq!(status(&unit.cgroup)["state"], "THAWED");
    });
}
