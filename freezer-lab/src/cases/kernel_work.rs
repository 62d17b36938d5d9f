//! A system call that computes for seconds and never looks for signals.

use super::{Case, Expected, STUCK, STUCK_FOR_GOOD, Stage};
use crate::Job;
use crate::cgroup::Hierarchy;
use crate::error::Result;
use crate::premise::Premise;
use crate::scene::{Scene, WorkerId};
use crate::{proc, wait};

pub(super) const CASE: Case = Case {
    name: "kernel-work",
    about: "a mincore over terabytes of empty address space, which takes seconds",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let task = scene.worker(&Job::LookThroughMuch)?;
        scene[task].put_in(&cgroup)?;
        let blocker = Expected::main_of(scene, task, "kernel-work");
        let premise = Premise::AtWork { tid: scene[task].pid(), until: STUCK_FOR_GOOD };
        Ok(Stage::stuck(cgroup, vec![blocker]).provided(premise).after(move |scene| set_to_work(scene, task)))
    },
};

/// The times of a process are scaled from samples (kernel/sched/cputime.c, `cputime_adjust`): with the first sample those
/// of its start may come to light. So many clock ticks are only spent at work.
const AT_WORK: u64 = 5;

/// Gives it the word, and returns once its system call has begun.
pub(super) fn set_to_work(scene: &mut Scene, task: WorkerId) -> Result<()> {
    let pid = scene[task].pid();
    let before = proc::system_ticks(pid).unwrap_or_default();
    scene[task].go()?;
    let at_work = || proc::system_ticks(pid).is_some_and(|ticks| ticks >= before + AT_WORK);
    wait::became(STUCK, "busy in the kernel", pid, at_work)
}
