//! Containers of LXC.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use freezer_lab::agent::{self, Ended, Run};
use freezer_lab::fuse::SILENT_NAME;
use freezer_lab::undo::Undo;
use freezer_lab::{Cgroup, Hierarchy, Scene, mounts, proc, wait};

use crate::in_a_guest;
use crate::support::others::{COUNTS, counts, explain, is_explained, is_freezing, stuck_in};
use crate::support::{SOON, freeze, present, status, thaw};

/// It shares the root of the guest, but not its processes and mounts.
struct Container {
    name: String,
    folder: PathBuf,
    cgroup: Cgroup,
}

impl Container {
    fn start(scene: &mut Scene, script: &str, argument: &Path) -> Self {
        let folder = scene.directory().expect("a folder");
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a plain name").to_owned();
        // Where its programs look for it.
        fs::create_dir(folder.join(&name)).expect("made");
        let config = folder.join(&name).join("config");
        fs::write(
            &config,
            format!("lxc.uts.name = {name}\nlxc.apparmor.profile = unconfined\nlxc.console.path = none\n"),
        )
        .expect("written");
        let hierarchy = present(&Hierarchy::BOTH)[0];
        let path = mounts::freezer(hierarchy).expect("its root").join(format!("lxc.payload.{name}"));
        scene.will_undo(Undo::ThawCgroup(path.clone())).expect("noted");
        let container = Self { name, folder, cgroup: Cgroup::of_another(hierarchy, path) };
        let mut execute = container.command("lxc-execute");
        execute.arg("--daemon");
        execute.args(["--", "/bin/sh", "-c", script, "container"]).arg(argument);
        let status = execute.stdin(Stdio::null()).status().expect("lxc-execute starts");
        assert!(status.success(), "{}", crate::logged(&container.folder.join("log")));
        let runs = || container.cgroup.pids().is_ok_and(|pids| pids.len() > 1);
        assert!(wait::until(SOON, runs), "{}", crate::logged(&container.folder.join("log")));
        for pid in container.cgroup.pids().expect("pids") {
            if let Some(start) = proc::start_time(pid) {
                scene.will_undo(Undo::Kill { pid, start }).expect("noted");
            }
        }
        container
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("--lxcpath").arg(&self.folder).args(["--name", &self.name]);
        command.arg("--logfile").arg(self.folder.join("log")).args(["--logpriority", "DEBUG"]);
        command
    }

    fn succeeds(&self, program: &str) -> Ended {
        let ended = agent::spawn(self.command(program)).and_then(Run::end).expect("it ends");
        assert_eq!(ended.code(), 0, "{program}: {}{}", ended.stderr, crate::logged(&self.folder.join("log")));
        ended
    }

    fn is(&self, state: &str) {
        let mut info = self.command("lxc-info");
        info.args(["--state", "--no-humanize"]);
        let ended = agent::spawn(info).and_then(Run::end).expect("it ends");
        assert_eq!(ended.stdout.trim(), state, "{}", ended.stderr);
    }
}

#[test]
fn lxc_freeze_and_freeze_are_the_same() {
    in_a_guest(|scene| {
        let folder = scene.directory().expect("a folder");
        let count = folder.join("count");
        let container = Container::start(scene, COUNTS, &count);
        assert!(counts(&count), "it runs");
        container.succeeds("lxc-freeze");
        container.is("FROZEN");
        assert_eq!(status(&container.cgroup)["state"], "FROZEN");
        assert_eq!(explain(&container.cgroup)["outcome"], "frozen");
        thaw(&container.cgroup);
        assert!(counts(&count), "it runs on");
        container.is("FROZEN"); // LXC keeps a book of its own, and does not look
        container.succeeds("lxc-unfreeze");
        container.is("RUNNING");

        freeze(&container.cgroup);
        container.is("RUNNING");
        container.succeeds("lxc-unfreeze");
        assert_eq!(status(&container.cgroup)["state"], "FROZEN", "LXC sees nothing to be done");
        container.succeeds("lxc-freeze");
        container.is("FROZEN");
        container.succeeds("lxc-unfreeze");
        assert_eq!(status(&container.cgroup)["state"], "THAWED");
        assert!(counts(&count), "it runs on");
    });
}

#[test]
fn lxc_freeze_that_hangs_is_explained_and_ended() {
    in_a_guest(|scene| {
        let (folder, server) = scene.silent_fuse(None).expect("a mount");
        let stat = r#"stat "$1" & exec sleep 1000000"#;
        let container = Container::start(scene, stat, &folder.join(SILENT_NAME));
        let cgroup = &container.cgroup;
        let stuck = stuck_in(cgroup);
        let lxc_freeze = agent::spawn(container.command("lxc-freeze")).expect("lxc-freeze starts");
        assert!(wait::until(SOON, || is_freezing(cgroup)), "{:?}", cgroup.state());
        is_explained(cgroup, stuck, scene[server].pid());
        thaw(cgroup);
        // It waits for the word that all is frozen, without a limit.
        assert!(lxc_freeze.end_within(Duration::from_secs(3)).expect("it is ended").is_none());
        assert_eq!(status(cgroup)["state"], "THAWED");
    });
}
