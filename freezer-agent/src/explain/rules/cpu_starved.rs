//! `cpu-starved`: the task is runnable, and others have the CPU.
//!
//! What happens: a task must run to freeze. A real-time task that never sleeps, a CPU set that is too small or a
//! very loaded host keeps it waiting.
//!
//! Confirm by hand: `/proc/TID/sched` shows a run time that does not grow while the state is `R`; `top` sorted by the
//! CPU column shows who runs there.
//!
//! Release: stop or slow down who runs there (`chrt --other`, `renice`), or widen the CPU set; otherwise wait longer.
//!
//! Cost: that of slowing the other task down.
//!
//! Kernels: all.
//!
//! Source: `kernel/sched/core.c`, `__pick_next_task`.

use super::super::case::{Case, Finding};
use super::super::facts::TaskFacts;
use super::super::{Cause, Certainty, WaitsFor, follow};
use crate::model::{SchedPolicy, TaskSnapshot, TaskState};

/// Shorter waits for a CPU are everyday scheduling: a few slices of `sched_base_slice` (3 ms).
pub(super) const EVERYDAY_NS: u64 = 20_000_000;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    let task = case.task();
    if task.state != TaskState::Running || task.on_cpu == Some(true) || task.throttled == Some(true) {
        return None;
    }
    if case.details().is_some_and(|details| !details.samples.is_empty()) {
        return None;
    }
    let waited = match (task.on_cpu, task.since_ns) {
        (Some(false), Some(since)) => since,
        // /proc does not tell whether it is on a CPU, but that it hardly was.
        _ => case.kept_from_cpu_ns().unwrap_or(0),
    };
    if waited < EVERYDAY_NS {
        return None;
    }
    let release = "give it CPU time: slow down or stop what runs there, or widen its CPU set; otherwise wait longer";
    let Some(runner) = runner(case) else {
        return Some(Finding::new(
            Cause::CpuStarved,
            Certainty::Guess,
            format!("is runnable and got no CPU for {} ms; who has CPU {} is not known", waited / 1_000_000, task.cpu),
            release,
        ));
    };
    let other = &runner.task;
    let real_time = if other.policy == SchedPolicy::Fair { "" } else { ", a real-time task" };
    // A quota may hold it back as well, which /proc does not tell.
    let quota = case.facts.quotas.iter().find(|quota| task.throttled.is_none() && quota.covers.contains(&task.tgid));
    let mut finding = Finding::new(
        Cause::CpuStarved,
        if quota.is_none() { Certainty::Likely } else { Certainty::Guess },
        format!(
            "is runnable and got no CPU for {} ms: CPU {} runs {} (pid {}){real_time}",
            waited / 1_000_000,
            task.cpu,
            other.comm,
            other.tgid
        ),
        release,
    );
    finding.notes.extend(quota.map(|quota| format!("or the CPU quota of {} holds it back: /proc does not tell", quota.cgroup)));
    finding.waits_for = follow::holder(case, other.tid).map_or_else(Vec::new, |holder| {
        holder.chain.into_iter().filter(|step| matches!(step, WaitsFor::Task { .. })).take(1).collect()
    });
    Some(finding)
}

/// Who has the task's CPU, real-time classes first: while one of those wants it, the others get what the fair server
/// (`kernel/sched/deadline.c`, since 6.12) or the throttling of real-time tasks lets through. /proc does not tell who is on
/// a CPU, but who ran there last: the times of one CPU are of one clock.
pub(super) fn runner<'a>(case: &Case<'a>) -> Option<&'a TaskFacts> {
    let task = case.task();
    let ran_since = |other: &TaskFacts| {
        let ran = other.task.since_ns.zip(task.since_ns);
        other.task.state == TaskState::Running && ran.is_some_and(|(other, own)| other + EVERYDAY_NS <= own)
    };
    let runs = |other: &&TaskFacts| other.task.on_cpu.unwrap_or_else(|| ran_since(other));
    case.facts
        .tasks
        .iter()
        .chain(&case.facts.others)
        .filter(|other| other.task.cpu == task.cpu && other.task.tid != task.tid)
        .filter(|other| runs(other) || wants_it_first(&other.task))
        .min_by_key(|other| (other.task.policy == SchedPolicy::Fair, !runs(other), other.task.since_ns))
}

fn wants_it_first(other: &TaskSnapshot) -> bool {
    other.policy != SchedPolicy::Fair && other.state == TaskState::Running && other.throttled != Some(true)
}
