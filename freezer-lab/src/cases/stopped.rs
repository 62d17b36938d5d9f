//! Tasks that job control stops: before the freeze, during it, as tracers, and in both hierarchies at once.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::late_arrival::held_open;
use super::{Case, Place, STUCK, Stage};
use crate::Job;
use crate::cgroup::{Hierarchy, State};
use crate::error::{Result, Tried as _};
use crate::scene::{Scene, WorkerId};
use crate::worker::tasks;

/// All of this file that freeze.
pub(super) const HARMLESS: [Case; 4] = [BEFORE, TRACER, BOTH, TRACED_BOTH];

/// Frozen enough.
const BEFORE: Case = Case {
    name: "stopped",
    about: "a process stopped by SIGSTOP: frozen enough",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let task = scene.worker_in(&cgroup, &Job::Spin)?;
        stop(scene, task)?;
        Ok(Stage::frozen(cgroup))
    },
};

/// Frozen first, or stopped first: it counts either way.
pub(super) const DURING: Case = Case {
    name: "stopped-during",
    about: "a busy process that gets SIGSTOP while another one keeps the freeze open: only that one is blamed",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let (cgroup, first) = held_open(scene, place)?;
        let task = scene.worker_in(&cgroup, &Job::Spin)?;
        let job = tasks::Job::StopWhenAsked { asked: cgroup.path().to_path_buf(), pid: scene[task].pid() };
        let stopper = scene.worker(&Job::Tasks(job))?;
        scene[stopper].go()?;
        Ok(Stage::stuck(cgroup, vec![first]))
    },
};

/// Neither of the two runs.
const TRACER: Case = Case {
    name: "stopped-tracer",
    about: "a process in a ptrace stop whose tracer, in the same cgroup, is stopped by SIGSTOP",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let task = scene.worker_in(&cgroup, &Job::Spin)?;
        let pid = scene[task].pid();
        let tracer = scene.worker_in(&cgroup, &Job::Trace(pid))?;
        scene[task].wait_stuck(pid, 't', "", STUCK)?;
        stop(scene, tracer)?;
        Ok(Stage::frozen(cgroup))
    },
};

/// Unlike one that runs, it can be frozen by v2 although v1 has it: it carries v2's mark since it stopped.
const BOTH: Case = Case {
    name: "stopped-both",
    about: "a process stopped by SIGSTOP that the other hierarchy has frozen",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| frozen_by_both(scene, place, stop),
};

/// The same.
const TRACED_BOTH: Case = Case {
    name: "traced-both",
    about: "a process in a ptrace stop that the other hierarchy has frozen",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        frozen_by_both(scene, place, |scene, task| {
            let pid = scene[task].pid();
            let tracer = scene.worker(&Job::Trace(pid))?;
            scene[tracer].go()?;
            scene[task].wait_stuck(pid, 't', "", STUCK)
        })
    },
};

fn frozen_by_both(
    scene: &mut Scene,
    place: &Place,
    halt: impl FnOnce(&mut Scene, WorkerId) -> Result<()>,
) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let other = scene.cgroup(place.hierarchy.other())?;
    let task = scene.worker_in(&cgroup, &Job::Spin)?;
    scene[task].put_in(&other)?;
    halt(scene, task)?;
    other.freeze()?;
    other.wait_state(State::Frozen, STUCK)?;
    Ok(Stage::frozen(cgroup))
}

pub(super) fn stop(scene: &mut Scene, task: WorkerId) -> Result<()> {
    let pid = scene[task].pid();
    kill(Pid::from_raw(pid), Signal::SIGSTOP).tried("stop", pid)?;
    scene[task].wait_stuck(pid, 'T', "", STUCK)
}
