//! A path beneath an automount point whose daemon takes the question and mounts nothing.
//!
//! The wait is killable (fs/autofs/waitq.c, `autofs_wait`): `D`, and no freezer can reach it.

use std::path::PathBuf;

use super::{Case, Expected, Holder, STUCK, Stage};
use crate::Job as Work;
use crate::cgroup::{Cgroup, Hierarchy};
use crate::error::Result;
use crate::scene::{Scene, WorkerId};
use crate::undo::Undo;
use crate::worker::supervised::Job;

/// All of this file.
pub(super) const ALL: [Case; 4] = [INDIRECT, DIRECT, INSIDE, ONE_OF_TWO];

/// A name below the automount point.
const INDIRECT: Case = Case {
    name: "autofs-indirect",
    about: "stat of a name below an automount point whose daemon, outside, keeps silent",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (dir, daemon) = automount(scene, false)?;
        let holder = Holder::running(scene, daemon);
        stuck(scene, cgroup, dir.clone(), dir.join("key/file"), daemon, holder)
    },
};

/// The automount point itself.
const DIRECT: Case = Case {
    name: "autofs-direct",
    about: "stat below a direct automount point whose daemon, outside, keeps silent",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (dir, daemon) = automount(scene, true)?;
        let holder = Holder::running(scene, daemon);
        stuck(scene, cgroup, dir.clone(), dir.join("file"), daemon, holder)
    },
};

/// The daemon freezes with the task.
const INSIDE: Case = Case {
    name: "autofs-inside",
    about: "stat below an automount point whose daemon sits in the same cgroup and freezes with it",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (dir, daemon) = automount(scene, false)?;
        scene[daemon].put_in(&cgroup)?;
        let holder = Holder::frozen(scene, daemon, &cgroup);
        stuck(scene, cgroup, dir.clone(), dir.join("key/file"), daemon, holder)
    },
};

/// A second automount point, with a daemon of its own.
const ONE_OF_TWO: Case = Case {
    name: "autofs-one-of-two",
    about: "stat below one of two automount points, each with a silent daemon of its own",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        automount(scene, false)?;
        let (dir, daemon) = automount(scene, false)?;
        let holder = Holder::running(scene, daemon);
        stuck(scene, cgroup, dir.clone(), dir.join("key/file"), daemon, holder)
    },
};

fn automount(scene: &mut Scene, direct: bool) -> Result<(PathBuf, WorkerId)> {
    let dir = scene.directory()?;
    // Before it is mounted: the daemon may die half-way.
    scene.will_undo(Undo::Unmount(dir.clone()))?;
    let daemon = scene.worker(&Work::Supervised(Job::AutomountDaemon { dir: dir.clone(), direct }))?;
    scene[daemon].go()?;
    Ok((dir, daemon))
}

fn stuck(
    scene: &mut Scene,
    cgroup: Cgroup,
    mount: PathBuf,
    file: PathBuf,
    daemon: WorkerId,
    holder: Holder,
) -> Result<Stage> {
    let task = scene.worker_in(&cgroup, &Work::Stat(file))?;
    scene[daemon].line(STUCK)?;
    scene[task].wait_stuck(scene[task].pid(), 'D', "autofs_wait", STUCK)?;
    let blocker = Expected::main_of(scene, task, "autofs").waits_for([Holder::Mount(mount), holder]);
    Ok(Stage::stuck(cgroup, vec![blocker]))
}
