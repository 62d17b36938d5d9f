//! mkdirat(2) that a seccomp supervisor has to decide on, with `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`.
//!
//! The waiter sleeps interruptibly until the freeze's own signal; then, because its question has been received, it
//! goes on waiting in `D` (kernel/seccomp.c, `seccomp_do_user_notification`, 5.19 and newer).

use std::path::PathBuf;

use super::{Case, Expected, Holder, Outcome, STUCK, Stage};
use crate::cgroup::{Cgroup, Hierarchy, State};
use crate::error::{Error, Result};
use crate::scene::{Scene, WorkerId};
use crate::worker::supervised::Job;
use crate::{Job as Work, proc};

/// All of this file.
pub(super) const ALL: [Case; 6] = [OUTSIDE, INSIDE, FROZEN_ELSEWHERE, INTERRUPTIBLE, IDLE_BESIDE, TWO];

/// The supervisor runs and keeps silent.
const OUTSIDE: Case = Case {
    name: "seccomp-outside",
    about: "mkdirat held by a seccomp supervisor, outside, that keeps silent",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (task, supervisor) = held(scene, &cgroup, true, None)?;
        let holder = Holder::running(scene, supervisor);
        Ok(Stage::stuck(cgroup, vec![blocker(scene, task).waits_for([holder])]))
    },
};

/// The supervisor answers within a second and a half, but the freeze catches it first.
const INSIDE: Case = Case {
    name: "seccomp-inside",
    about: "mkdirat held by a slow seccomp supervisor in the same cgroup, which freezes before it answers",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (task, supervisor) = held(scene, &cgroup, true, Some(1500))?;
        scene[supervisor].put_in(&cgroup)?;
        let holder = Holder::frozen(scene, supervisor, &cgroup);
        Ok(Stage::stuck(cgroup, vec![blocker(scene, task).waits_for([holder])]))
    },
};

/// The supervisor sits in a cgroup that is frozen already.
const FROZEN_ELSEWHERE: Case = Case {
    name: "seccomp-frozen-elsewhere",
    about: "mkdirat held by a seccomp supervisor in another cgroup, frozen before",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (task, supervisor) = held(scene, &cgroup, true, None)?;
        let other = scene.cgroup(cgroup.hierarchy())?;
        scene[supervisor].put_in(&other)?;
        other.freeze()?;
        other.wait_state(State::Frozen, STUCK)?;
        let holder = Holder::frozen(scene, supervisor, &other);
        Ok(Stage::stuck(cgroup, vec![blocker(scene, task).waits_for([holder])]))
    },
};

/// Without the flag a signal ends the wait, the freezer's too.
const INTERRUPTIBLE: Case = Case {
    name: "seccomp-interruptible",
    about: "mkdirat held by a silent seccomp supervisor, without WAIT_KILLABLE_RECV: harmless",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        held(scene, &cgroup, false, None)?;
        Ok(Stage { outcome: Outcome::Frozen, ..Stage::frozen(cgroup) })
    },
};

/// A second supervisor, of a task that asks nothing.
const IDLE_BESIDE: Case = Case {
    name: "seccomp-idle-beside",
    about: "mkdirat held by one of two seccomp supervisors; nobody asks the other anything",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let idle = scene.worker(&Work::Supervised(Job::Mkdir { path: nowhere(), killable: true }))?;
        supervise(scene, idle, None)?;
        let (task, supervisor) = held(scene, &cgroup, true, None)?;
        let holder = Holder::running(scene, supervisor);
        Ok(Stage::stuck(cgroup, vec![blocker(scene, task).waits_for([holder])]))
    },
};

/// A second supervisor, as silent towards a task elsewhere: nothing tells which of the two is which.
const TWO: Case = Case {
    name: "seccomp-two-supervisors",
    about: "mkdirat held by one of two silent seccomp supervisors; the other holds a task elsewhere: doubt",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let elsewhere = scene.cgroup(cgroup.hierarchy())?;
        held(scene, &elsewhere, true, None)?;
        let (task, _) = held(scene, &cgroup, true, None)?;
        Ok(Stage::stuck(cgroup, vec![blocker(scene, task)]))
    },
};

fn blocker(scene: &Scene, task: WorkerId) -> Expected {
    Expected::main_of(scene, task, "seccomp-notify").certainty("likely")
}

fn nowhere() -> PathBuf {
    PathBuf::from("/nowhere/freezer-lab")
}

/// A task in the cgroup whose system call is held, and its supervisor, in no cgroup of the scene yet.
fn held(
    scene: &mut Scene,
    cgroup: &Cgroup,
    killable: bool,
    answer_after_ms: Option<u64>,
) -> Result<(WorkerId, WorkerId)> {
    let task = scene.worker(&Work::Supervised(Job::Mkdir { path: nowhere(), killable }))?;
    scene[task].put_in(cgroup)?;
    let supervisor = supervise(scene, task, answer_after_ms)?;
    scene[task].go()?;
    scene[supervisor].line(STUCK)?;
    scene[task].wait_stuck(scene[task].pid(), 'S', "seccomp_do_user_notification", STUCK)?;
    Ok((task, supervisor))
}

fn supervise(scene: &mut Scene, task: WorkerId, answer_after_ms: Option<u64>) -> Result<WorkerId> {
    let pid = scene[task].pid();
    let fd = proc::descriptor(pid, "anon_inode:seccomp notify")
        .ok_or_else(|| Error::new("find the seccomp descriptor of", pid, "it has none"))?;
    let supervisor = scene.worker(&Work::Supervised(Job::SeccompSupervisor { pid, fd, answer_after_ms }))?;
    scene[supervisor].go()?;
    Ok(supervisor)
}
