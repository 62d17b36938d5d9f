//! A runnable task on a CPU that a real-time task does not let go of.
//!
//! The fair server (kernel/sched/deadline.c, since 6.12) lets ordinary tasks run for 50 ms of each second, the
//! first time about 950 ms after the hog began: the freeze must be tried and given up before.

use std::time::Duration;

use super::{Case, Expected, Holder, STUCK, Stage};
use crate::cgroup::Hierarchy;
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
        let victim = scene.worker_in(&cgroup, &Job::Spin(Some(cpu)))?;
        let hog = scene.worker(&Job::FifoHog { cpu, ms: HOG_MS })?;
        let blocker =
            Expected::main_of(scene, victim, "cpu-starved").waits_for([Holder::running(scene, hog)]);
        let mut stage = Stage::stuck(cgroup, vec![blocker]).after(move |scene| {
            scene[hog].go()?;
            let pid = scene[hog].pid();
            wait::became(STUCK, "SCHED_FIFO", pid, || proc::policy(pid) == Some(libc::SCHED_FIFO))
        });
        stage.limit = Duration::from_millis(300);
        Ok(stage)
    },
};
