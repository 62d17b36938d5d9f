//! A runnable task on a CPU that a real-time task does not let go of.
//!
//! The fair server (`kernel/sched/deadline.c`, since 6.12) lets ordinary tasks run for 50 ms of each second all the
//! same. A second ordinary task, with three thousand times the victim's weight, takes those.

use std::time::Duration;

use super::{Case, Expected, Holder, Stage, Trigger};
use crate::Job;
use crate::cgroup::{Cgroup, Hierarchy};
use crate::error::Result;
use crate::premise::Premise;
use crate::scene::Scene;
use crate::worker::{Asked, Share};

const LIMIT: Duration = Duration::from_millis(300);

pub(super) const CASE: Case = Case {
    name: "cpu-starved",
    about: "a busy task on a CPU that a SCHED_FIFO task hogs",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (blocker, hog) = starved(scene, &cgroup, Duration::from_secs(20))?;
        let tid = blocker.tid;
        let stage = Stage {
            limit: LIMIT,
            trigger: Some(hog),
            taken_cpu: Some(super::last_cpu()),
            ..Stage::stuck(cgroup, vec![blocker])
        };
        Ok(stage.provided(Premise::Starved { tid, until: None }))
    },
};

/// A busy task in the cgroup, and what takes its CPU away until so long after the request.
pub(super) fn starved(scene: &mut Scene, cgroup: &Cgroup, after: Duration) -> Result<(Expected, Trigger)> {
    let cpu = super::last_cpu();
    let victim = scene.worker(&Job::SpinOn { cpu, share: Share::Least, until: None })?;
    scene[victim].put_in(cgroup)?;
    super::begin_to_starve(scene, victim)?;
    let until = Asked::after(cgroup, after);
    let hog = scene.worker(&Job::FifoHog { cpu, until: until.clone() })?;
    let greedy = scene.worker(&Job::SpinOn { cpu, share: Share::Much, until: Some(until) })?;
    let either = Holder::OneOf([hog, greedy].map(|worker| Holder::running(scene, worker)).into());
    let expected = Expected::main_of(scene, victim, "cpu-starved").waits_for([either]);
    let hog_it = move |scene: &mut Scene| {
        for worker in [greedy, hog] {
            scene[worker].go()?;
            super::busy(scene, worker)?;
        }
        Ok(())
    };
    Ok((expected, Box::new(hog_it)))
}
