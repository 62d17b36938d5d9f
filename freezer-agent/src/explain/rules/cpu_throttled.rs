//! `cpu-throttled`: the task is runnable, but its cgroup has used up its CPU quota.
//!
//! What happens: a task must run to freeze. With the quota spent it stays off the CPU until the next period, and where
//! many tasks share a small quota, for many periods.
//!
//! Confirm by hand: `nr_throttled` grows in `cpu.stat` of the cgroup with `cpu.max` (v2) or `cpu.cfs_quota_us` (v1).
//!
//! Release: raise the quota for the moment (`cpu.max` to `max`, or `cpu.cfs_quota_us` to -1), or wait longer.
//!
//! Cost: the cgroup may use more CPU while the quota is raised.
//!
//! Kernels: all with `CONFIG_CFS_BANDWIDTH`. From 6.18 tasks are throttled on their way to user space, not while in the kernel.
//!
//! Source: `kernel/sched/fair.c`, `throttle_cfs_rq`, `throttle_cfs_rq_work`.

use super::super::case::{Case, Finding};
use super::super::facts::CpuQuota;
use super::super::{Cause, Certainty, WaitsFor};
use super::cpu_starved::{self, EVERYDAY_NS};
use crate::model::TaskState;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    let task = case.task();
    if task.state != TaskState::Running || task.on_cpu == Some(true) {
        return None;
    }
    let covering: Vec<&CpuQuota> =
        case.facts.quotas.iter().filter(|quota| quota.covers.contains(&task.tgid)).collect();
    let growing = covering.iter().find(|quota| quota.throttled_times.is_some_and(|times| times > 0));
    let marked = task.throttled == Some(true);
    // A period may be longer than any look; but what else keeps a task from a CPU that nobody else has?
    let alone = || {
        task.throttled.is_none()
            && !covering.is_empty()
            && case.kept_from_cpu_ns().is_some_and(|ns| ns >= EVERYDAY_NS)
            && cpu_starved::runner(case).is_none()
    };
    if !marked && (growing.is_none() || task.throttled == Some(false)) && !alone() {
        return None;
    }
    let tightest = || covering.iter().min_by(|a, b| share(a).total_cmp(&share(b)));
    let Some(quota) = growing.or_else(tightest) else {
        return Some(Finding::new(
            Cause::CpuThrottled,
            Certainty::Likely,
            "is runnable but held back by a CPU quota that could not be told",
            "raise the CPU quota of its cgroup or of an ancestor, or wait longer",
        ));
    };
    let limit = format!("{} {}", quota.quota_us, quota.period_us);
    let mut finding = Finding::new(
        Cause::CpuThrottled,
        if marked && covering.len() == 1 { Certainty::Certain } else { Certainty::Likely },
        format!(
            "is runnable but held back by the CPU quota of {} ({} µs in {} µs)",
            quota.cgroup, quota.quota_us, quota.period_us
        ),
        format!(
            "raise the quota for the moment in {} (`max` in cpu.max, or -1 in cpu.cfs_quota_us), or wait longer",
            quota.cgroup
        ),
    );
    finding.waits_for.push(WaitsFor::Cgroup { path: quota.cgroup.clone(), limit: Some(limit) });
    Some(finding)
}

/// Part of a CPU the quota allows.
#[expect(clippy::cast_precision_loss, reason = "µs of a quota; only compared")]
fn share(quota: &CpuQuota) -> f64 {
    quota.quota_us as f64 / (quota.period_us.max(1)) as f64
}
