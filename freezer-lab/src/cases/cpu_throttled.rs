//! A busy task under a CPU quota of 1 ms per second: whoever is throttled runs no code, so cannot freeze.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Case, Expected, Holder, STUCK, Stage};
use crate::cgroup::{Cgroup, Hierarchy};
use crate::error::{Error, Result};
use crate::scene::Scene;
use crate::{Job, mounts, wait};

pub(super) const CASE: Case = Case {
    name: "cpu-throttled",
    about: "a busy task under a quota of 1 ms of CPU per second",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let task = scene.worker(&Job::Spin)?;
        let pid = scene[task].pid();
        scene[task].put_in(&cgroup)?;
        let limited = quota(scene, &cgroup, pid)?;
        scene[task].go()?;
        let blocker =
            Expected::main_of(scene, task, "cpu-throttled").waits_for([Holder::Cgroup(limited.clone())]);
        let mut stage = Stage::stuck(cgroup, vec![blocker]).after(move |_| just_throttled(pid, &limited));
        stage.limit = Duration::from_millis(200);
        Ok(stage)
    },
};

/// Puts the process under a quota, in the v1 controller or, where that is not mounted, in the v2 cgroup itself.
fn quota(scene: &mut Scene, cgroup: &Cgroup, pid: i32) -> Result<PathBuf> {
    if mounts::controller("cpu").is_ok() {
        let limited = scene.controller_cgroup("cpu")?;
        limited.write("cpu.cfs_period_us", "1000000")?;
        limited.write("cpu.cfs_quota_us", "1000")?;
        limited.add(pid)?;
        return Ok(limited.path().to_path_buf());
    }
    if cgroup.hierarchy() == Hierarchy::V1 {
        return Err(Error::new("set", "a CPU quota", "the v2 cgroups of the workers are not the lab's"));
    }
    cgroup.write("cpu.max", "1000 1000000")?;
    Ok(cgroup.path().to_path_buf())
}

/// Waits until the quota has just run out: the next refill is a period away.
fn just_throttled(pid: i32, limited: &Path) -> Result<()> {
    let before = throttled_times(limited);
    wait::became(STUCK, "throttled", pid, || throttled_times(limited) > before)
}

fn throttled_times(limited: &Path) -> Option<u64> {
    let stat = fs::read_to_string(limited.join("cpu.stat")).ok()?;
    stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.parse().ok())
}
