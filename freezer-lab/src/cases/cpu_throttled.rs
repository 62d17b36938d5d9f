//! A busy task under a CPU quota of 1 ms per second: whoever is throttled runs no code, so cannot freeze.
//!
//! The little that is refilled every second goes to another task under the same quota, outside of the cgroup that is
//! frozen and with thousands of times the weight: so this one is held back for many periods, whenever the freeze comes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Case, Expected, Holder, STUCK, Stage};
use crate::cgroup::{Cgroup, Hierarchy};
use crate::error::{Error, Result};
use crate::premise::Premise;
use crate::scene::{Scene, WorkerId};
use crate::worker::{Asked, Share};
use crate::{Job, mounts, proc, wait};

const LIMIT: Duration = Duration::from_millis(200);

pub(super) const CASE: Case = Case {
    name: "cpu-throttled",
    about: "a busy task under a quota of 1 ms of CPU per second",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (task, limited) = throttled(scene, &cgroup, Duration::from_secs(5))?;
        let tid = scene[task].pid();
        let blocker = Expected::main_of(scene, task, "cpu-throttled").waits_for([Holder::Cgroup(limited)]);
        let stage = Stage { limit: LIMIT, ..Stage::stuck(cgroup, vec![blocker]) };
        Ok(stage.provided(Premise::Starved { tid, until: Some(LIMIT * 9 / 10) }))
    },
};

/// A busy task in the cgroup that is held back until so long after the request, and the cgroup with its quota: that of
/// the v1 controller or, where that is not mounted, the v2 cgroup itself.
pub(super) fn throttled(scene: &mut Scene, cgroup: &Cgroup, after: Duration) -> Result<(WorkerId, PathBuf)> {
    let cpu = super::last_cpu();
    let task = scene.worker(&Job::SpinOn { cpu, share: Share::Least, until: None })?;
    scene[task].put_in(cgroup)?;
    super::begin_to_starve(scene, task)?;
    if mounts::controller("cpu").is_err() {
        if cgroup.hierarchy() == Hierarchy::V1 {
            return Err(Error::new("set", "a CPU quota", "the v2 cgroups of the workers are not the lab's"));
        }
        cgroup.write("cpu.max", "1000 1000000")?;
        until_throttled(scene, task, cgroup.path())?;
        return Ok((task, cgroup.path().to_path_buf()));
    }
    let limited = scene.controller_cgroup("cpu")?;
    let until = Some(Asked::after(cgroup, after));
    let greedy = scene.worker(&Job::SpinOn { cpu, share: Share::Much, until })?;
    for worker in [task, greedy] {
        // Not the thread that looks out for the moment.
        limited.add_thread(scene[worker].pid())?;
    }
    scene[greedy].go()?;
    super::busy(scene, greedy)?;
    limited.write("cpu.cfs_period_us", "1000000")?;
    limited.write("cpu.cfs_quota_us", "1000")?;
    until_throttled(scene, task, limited.path())?;
    Ok((task, limited.path().to_path_buf()))
}

fn until_throttled(scene: &Scene, task: WorkerId, limited: &Path) -> Result<()> {
    let pid = scene[task].pid();
    let before = throttled_times(limited);
    wait::became(STUCK, "throttled", pid, || {
        throttled_times(limited) > before && proc::state(pid) == Some('R')
    })
}

fn throttled_times(limited: &Path) -> Option<u64> {
    let stat = fs::read_to_string(limited.join("cpu.stat")).ok()?;
    stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.parse().ok())
}
