//! CPU quotas: a task must run for a moment to freeze.

use super::super::sight::Sight;
use super::super::{Finding, Grade, Kind};
use crate::explain::Cause;
use crate::explain::facts::CpuQuota;
use crate::model::units::{count, duration};

/// CPU time a task needs to come to the freezer, µs: a round figure of the size that latencies on Linux 6.18 show.
const PER_TASK_US: u64 = 50;
/// Slower than this is worth a warning, µs.
const SLOW_US: u64 = 100_000;

pub fn judge(sight: &Sight) -> Vec<Finding> {
    sight.quotas.iter().map(|quota| one(quota, sight.tasks)).collect()
}

fn one(quota: &CpuQuota, tasks: usize) -> Finding {
    let CpuQuota { cgroup, quota_us, period_us, .. } = quota;
    let throttled = quota.throttled_times.is_some_and(|times| times > 0);
    let worst_us = worst_us(quota, tasks);
    let mut summary = format!(
        "{cgroup} allows {} of CPU in {}: a freeze of {} may take about {} when that is spent",
        time(*quota_us),
        time(*period_us),
        count(tasks, "task"),
        time(worst_us)
    );
    if throttled {
        summary += ", and it is being spent right now";
    }
    let grade = if worst_us >= SLOW_US { Grade::Warn } else { Grade::Note };
    let release =
        format!("raise the quota for the moment in {cgroup} (`max` in cpu.max, or -1 in cpu.cfs_quota_us)");
    let finding = Finding::new(Kind::CpuQuota, grade, summary, release);
    Finding { cause: Some(Cause::CpuThrottled), ..finding }
}

/// Until the next period begins, and as many further periods as the work takes.
fn worst_us(quota: &CpuQuota, tasks: usize) -> u64 {
    let work = PER_TASK_US.saturating_mul(tasks as u64);
    let further = work / quota.quota_us.max(1);
    quota.period_us.saturating_sub(quota.quota_us).saturating_add(further.saturating_mul(quota.period_us))
}

fn time(us: u64) -> String {
    duration(us.saturating_mul(1000))
}
