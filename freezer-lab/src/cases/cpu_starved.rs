//! A runnable task on a CPU that a real-time task does not let go of.
//!
//! The fair server (`kernel/sched/deadline.c`, since 6.12) lets ordinary tasks run for 50 ms of each second all the
//! same. A second ordinary task, with six hundred times the victim's weight, takes those.

use std::time::Duration;

use super::{Case, Expected, Holder, STUCK, Stage};
use crate::cgroup::Hierarchy;
use crate::error::Result;
use crate::scene::{Scene, WorkerId};
use crate::worker::Share;
use crate::{Job, proc, wait};

/// How long the hog keeps its CPU; then it lets go by itself.
const HOG_MS: u64 = 5000;

pub(super) const CASE: Case = Case {
    name: "cpu-starved",
    about: "a busy task on a CPU that a SCHED_FIFO task hogs",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let cpu = std::thread::available_parallelism().map_or(1, usize::from) - 1;
        let victim = scene.worker_in(&cgroup, &Job::SpinOn { cpu, share: Share::Least, ms: None })?;
        busy(scene, victim)?;
        let hog = scene.worker(&Job::FifoHog { cpu, ms: HOG_MS })?;
        let greedy = scene.worker(&Job::SpinOn { cpu, share: Share::Much, ms: Some(HOG_MS) })?;
        let either = Holder::OneOf([hog, greedy].map(|worker| Holder::running(scene, worker)).into());
        let blocker = Expected::main_of(scene, victim, "cpu-starved").waits_for([either]);
        let mut stage = Stage::stuck(cgroup, vec![blocker]).after(move |scene| {
            for worker in [greedy, hog] {
                scene[worker].go()?;
                busy(scene, worker)?;
            }
            Ok(())
        });
        stage.limit = Duration::from_millis(300);
        Ok(stage)
    },
};

fn busy(scene: &Scene, worker: WorkerId) -> Result<()> {
    let pid = scene[worker].pid();
    let before = proc::user_ticks(pid);
    wait::became(STUCK, "busy", pid, || proc::user_ticks(pid) > before)
}
