//! CRIU saves a tree of processes and brings it back: why the freezer was made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use freezer_lab::agent::{self, Ended, Run};
use freezer_lab::fuse::SILENT_NAME;
use freezer_lab::undo::Undo;
use freezer_lab::{Cgroup, Hierarchy, Job, Scene, State, proc};

use crate::support::others::{counts, go_on, hold, is_explained, stuck_in};
use crate::support::{freeze, present};
use crate::{in_a_guest, logged};

/// Two processes that each count into a file, and their parent. `$1`: the cgroup, `$2`: the folder.
const TREE: &str = r#"
echo $$ >"$1/cgroup.procs"
count() {
    i=0
    while :; do
        i=$((i + 1))
        echo $i
        sleep 0.02
    done
}
count >"$2/first" &
count >"$2/second" &
wait
"#;

struct Tree {
    child: std::process::Child,
    folder: PathBuf,
}

impl Tree {
    fn start(scene: &mut Scene, cgroup: &Cgroup) -> Self {
        let folder = scene.directory().expect("a folder");
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", TREE, "tree"]).arg(cgroup.path()).arg(&folder);
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let tree = Self { child: command.spawn().expect("setsid starts"), folder };
        assert!(tree.counts(), "it runs");
        will_kill(scene, cgroup);
        tree
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn files(&self) -> [PathBuf; 2] {
        ["first", "second"].map(|name| self.folder.join(name))
    }

    fn counts(&self) -> bool {
        self.files().iter().all(|file| counts(file))
    }

    /// Each count has every number from 1 on, once.
    fn has_lost_nothing(&self) {
        for file in self.files() {
            let text = fs::read_to_string(&file).expect("a count");
            let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
            for (at, line) in (1..).zip(complete.lines()) {
                assert_eq!(line, format!("{at}"), "{}", file.display());
            }
        }
    }
}

/// They are not the lab's own program, which a scene would see to.
fn will_kill(scene: &mut Scene, cgroup: &Cgroup) {
    for pid in cgroup.pids().expect("pids") {
        if let Some(start) = proc::start_time(pid) {
            scene.will_undo(Undo::Kill { pid, start }).expect("noted");
        }
    }
}

fn criu(action: &str, images: &Path) -> Command {
    let mut command = Command::new("criu");
    command.args([action, "-v4", "--log-file", LOG, "--images-dir"]).arg(images);
    command
}

const LOG: &str = "log";

fn dump(tree: &Tree, cgroup: &Cgroup, images: &Path) -> Run {
    let mut command = criu("dump", images);
    command.arg("--tree").arg(tree.pid().to_string()).arg("--freeze-cgroup").arg(cgroup.path());
    agent::spawn(command).expect("criu starts")
}

fn succeeds(ended: &Ended, images: &Path) {
    assert_eq!(ended.code(), 0, "{}\n{}", ended.stderr, logged(&images.join(LOG)));
}

#[test]
fn criu_saves_what_the_agent_froze_and_it_lives_on() {
    in_a_guest(|scene| {
        let cgroup = scene.cgroup(present(&Hierarchy::BOTH)[0]).expect("a cgroup");
        let mut tree = Tree::start(scene, &cgroup);
        let images = scene.directory().expect("a folder");

        freeze(&cgroup);
        succeeds(&dump(&tree, &cgroup, &images).end().expect("criu ends"), &images);
        tree.child.wait().expect("criu has killed it");
        assert_eq!(cgroup.pids().expect("pids"), [0; 0], "all of it is saved");

        let mut restore = criu("restore", &images);
        restore.arg("--restore-detached");
        let restored = agent::spawn(restore).and_then(Run::end).expect("criu ends");
        succeeds(&restored, &images);
        will_kill(scene, &cgroup);
        assert!(cgroup.pids().expect("pids").contains(&tree.pid().cast_signed()), "as it was");
        assert_eq!(cgroup.state().expect("a state"), State::Thawed);
        assert!(tree.counts(), "it lives on");
        tree.has_lost_nothing();
    });
}

#[test]
fn criu_that_hangs_is_explained() {
    in_a_guest(|scene| {
        let cgroup = scene.cgroup(present(&Hierarchy::BOTH)[0]).expect("a cgroup");
        let tree = Tree::start(scene, &cgroup);
        let (folder, server) = scene.silent_fuse(None).expect("a mount");
        scene.worker_in(&cgroup, &Job::Stat(folder.join(SILENT_NAME))).expect("a client");
        let stuck = stuck_in(&cgroup);
        let images = scene.directory().expect("a folder");

        let dump = hold(scene, &cgroup, || dump(&tree, &cgroup, &images));
        is_explained(&cgroup, stuck, scene[server].pid());
        go_on(&dump);
        let ended = dump.end().expect("criu ends");
        assert_ne!(ended.code(), 0, "{}", ended.stderr);
        let log = logged(&images.join(LOG));
        assert!(log.contains("Timeout reached") && log.contains("Dumping FAILED"), "{log}");
        assert_eq!(cgroup.state().expect("a state"), State::Thawed, "criu has taken it back");
        assert!(tree.counts(), "it lives on");
    });
}
