//! Tasks that are moved into the cgroup while it is freezing. Something else keeps the freeze open until then.

use std::thread;
use std::time::Duration;

use super::{Case, Expected, Holder, Place, Stage};
use crate::Job;
use crate::cgroup::{Cgroup, Hierarchy};
use crate::error::Result;
use crate::fuse::{SILENT_FILE, SILENT_NAME};
use crate::premise::Premise;
use crate::scene::{Scene, WorkerId};
use crate::worker::tasks;

/// Long enough for a move on a loaded machine: it waits for a grace period (kernel/cgroup/cgroup.c,
/// `cgroup_attach_lock`).
const LIMIT: Duration = Duration::from_millis(900);

/// /proc tells the start of a task in clock ticks of 10 ms: of one as young as that it does not tell whether it was there
/// before the freeze.
const OLD_ENOUGH: Duration = Duration::from_millis(30);

/// It waits for a FUSE server, and that it came late changes nothing about it.
pub(super) const STUCK: Case = Case {
    name: "late-stuck",
    about: "a task stuck in a stat on a silent FUSE mount, moved in during the freeze",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let (cgroup, first) = held_open(scene, place)?;
        let (dir, server) = scene.silent_fuse(None)?;
        let late = scene.worker(&Job::Stat(dir.join(SILENT_NAME)))?;
        scene[late].go()?;
        scene[late].wait_stuck(scene[late].pid(), 'S', "request_wait_answer", super::STUCK)?;
        move_in(scene, &cgroup, late)?;
        let blocker = Expected::main_of(scene, late, "fuse-request")
            .waits_for([Holder::Mount(dir), Holder::running(scene, server)]);
        let stage = Stage { limit: LIMIT, ..Stage::stuck(cgroup, vec![first, blocker]) };
        Ok(stage.provided(in_time(scene, late)))
    },
};

/// In `D`, deaf to the freezer, for a kernel worker: no other cause fits, and it lasts as long as its server is silent.
pub(super) const UNKNOWN: Case = Case {
    name: "late-arrival",
    about: "a task in uninterruptible sleep for a reason of its own, moved in during the freeze",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let (cgroup, first) = held_open(scene, place)?;
        let (dir, _server) = scene.silent_fuse(None)?;
        let late = scene.worker(&Job::Tasks(tasks::Job::AwaitSync(dir.join(SILENT_FILE))))?;
        scene[late].go()?;
        scene[late].wait_stuck(scene[late].pid(), 'D', "io_destroy", super::STUCK)?;
        move_in(scene, &cgroup, late)?;
        let blocker = Expected::main_of(scene, late, "late-arrival").certainty("certain");
        let stage = Stage { limit: LIMIT, ..Stage::stuck(cgroup, vec![first, blocker]) };
        Ok(stage.provided(in_time(scene, late)))
    },
};

/// It freezes as soon as it is there.
pub(super) const HARMLESS: Case = Case {
    name: "late-harmless",
    about: "a busy task moved in during the freeze, which freezes on arrival and is not blamed",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let (cgroup, first) = held_open(scene, place)?;
        let late = scene.worker(&Job::Spin)?;
        scene[late].go()?;
        move_in(scene, &cgroup, late)?;
        let stage = Stage { limit: LIMIT, ..Stage::stuck(cgroup, vec![first]) };
        Ok(stage.provided(in_time(scene, late)))
    },
};

/// Moved in while there is time left to be seen.
fn in_time(scene: &Scene, late: WorkerId) -> Premise {
    Premise::Inside { pid: scene[late].pid(), by: LIMIT * 2 / 3 }
}

/// A cgroup with one task that never freezes.
pub(super) fn held_open(scene: &mut Scene, place: &Place) -> Result<(Cgroup, Expected)> {
    let cgroup = place.cgroup(scene)?;
    let (dir, _server) = scene.silent_fuse(None)?;
    let first = scene.worker_in(&cgroup, &Job::Stat(dir.join(SILENT_NAME)))?;
    scene[first].wait_stuck(scene[first].pid(), 'S', "request_wait_answer", super::STUCK)?;
    Ok((cgroup, Expected::main_of(scene, first, "fuse-request").waits_for([Holder::Mount(dir)])))
}

/// Somebody outside who moves the worker in once the freeze is asked for.
fn move_in(scene: &mut Scene, cgroup: &Cgroup, late: WorkerId) -> Result<()> {
    let path = cgroup.path().to_path_buf();
    let job = tasks::Job::MoveWhenAsked { asked: path.clone(), to: path, pid: scene[late].pid() };
    let mover = scene.worker(&Job::Tasks(job))?;
    scene[mover].go()?;
    thread::sleep(OLD_ENOUGH);
    Ok(())
}
