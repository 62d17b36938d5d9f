//! One blocker among thousands of tasks that freeze: what a diagnosis costs shows here.

use super::{Case, Expected, Holder, Place, STUCK, Stage};
use crate::Job;
use crate::cgroup::Hierarchy;
use crate::error::Result;
use crate::fuse::SILENT_NAME;
use crate::scene::Scene;

/// Tasks that freeze as they should.
const CROWD: usize = 5000;
/// Threads of one process: several processes, so that not all look-ups end in one.
const PER_PROCESS: usize = 500;

pub(super) const CASE: Case = Case {
    name: "fuse-among-5000",
    about: "stat on a silent FUSE mount, by one task beside 5000 that sleep",
    hierarchies: &Hierarchy::BOTH,
    set_up,
};

fn set_up(scene: &mut Scene, place: &Place) -> Result<Stage> {
    let cgroup = place.empty_cgroup(scene)?;
    for _ in 0..CROWD / PER_PROCESS {
        scene.worker_in(&cgroup, &Job::Threads(PER_PROCESS))?;
    }
    let (dir, server) = scene.silent_fuse(None)?;
    let client = scene.worker_in(&cgroup, &Job::Stat(dir.join(SILENT_NAME)))?;
    scene[client].wait_stuck(scene[client].pid(), 'S', "request_wait_answer", STUCK)?;
    let blocker = Expected::main_of(scene, client, "fuse-request")
        .certainty("likely")
        .waits_for([Holder::Mount(dir), Holder::running(scene, server)]);
    Ok(Stage::stuck(cgroup, vec![blocker]))
}
