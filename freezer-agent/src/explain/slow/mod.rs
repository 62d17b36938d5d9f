//! Where the time went of a task that froze late: by its events, and by looks taken while it had not frozen yet.
//!
//! The events alone tell *where* (asleep, waiting for a CPU, at work); the looks tell *why*, by the same rules that
//! name blockers. A look's word counts only where the events do not contradict it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::facts::StackSample;
use super::{Blocker, Cause, Certainty, Evidence, WaitsFor, work};
use crate::model::{Arrival, Name, Spent, TaskTimeline};

/// What a look during the wait found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// ns from the request to the look.
    pub after_ns: u64,
    /// Tasks that were not frozen, and why.
    pub blockers: Vec<Blocker>,
    /// What their time up to the look was spent on, by thread id, where /proc told it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spent: Vec<(i32, Spent)>,
}

/// A task that took longer than the limit of `--slow`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowTask {
    /// Thread id.
    pub tid: i32,
    /// Process id.
    pub tgid: Option<i32>,
    /// Name.
    pub comm: Option<Name>,
    /// ns from the request until it was frozen; `None` where no event told.
    pub request_to_frozen_ns: Option<u64>,
    /// ns from the request until it was gone without having frozen: exited, or moved out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_to_gone_ns: Option<u64>,
    /// ns from the request to the last look that found it not frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_not_frozen_ns: Option<u64>,
    /// ns from the request until it came, where it was forked or moved in after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_to_arrival_ns: Option<u64>,
    /// Where its time went.
    pub stages: SlowStages,
    /// Why, by the names of the causes of a blocker.
    pub cause: Cause,
    /// How sure cause and culprit are.
    pub certainty: Certainty,
    /// One sentence, as it was at that time: "waits for ...".
    pub summary: String,
    /// What that rests on.
    pub evidence: Evidence,
    /// Path to the culprit, nearest first.
    pub waits_for: Vec<WaitsFor>,
}

/// The way from the request to frozen, ns each; `None` where no event told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowStages {
    /// Request until the freezer asked this task (needs fentry or kprobe).
    pub until_asked_ns: Option<u64>,
    /// Asked until first woken.
    pub until_woken_ns: Option<u64>,
    /// First woken until it first got a CPU.
    pub waited_for_cpu_ns: Option<u64>,
    /// First on a CPU until frozen.
    pub until_frozen_ns: Option<u64>,
    /// All its time on a CPU.
    pub running_ns: Option<u64>,
    /// All its time runnable without a CPU.
    pub runnable_ns: Option<u64>,
    /// All its time asleep.
    pub asleep_ns: Option<u64>,
}

/// What a session saw of its tasks.
pub struct Seen<'a> {
    /// When the request was written, `CLOCK_MONOTONIC` ns.
    pub requested_at: u64,
    /// Every task.
    pub tasks: &'a [TaskTimeline],
    /// Looks during the wait, in their order.
    pub looks: &'a [Look],
    /// Timer samples by thread id.
    pub samples: &'a HashMap<i32, Vec<StackSample>>,
    /// Tasks that block in the end: they have a verdict of their own.
    pub blocking: &'a [i32],
}

/// Every task that took `limit_ns` or longer, slowest first.
#[must_use]
pub fn slow(seen: &Seen<'_>, limit_ns: u64) -> Vec<SlowTask> {
    let mut all: Vec<SlowTask> = Vec::new();
    for task in seen.tasks.iter().filter(|task| !seen.blocking.contains(&task.tid)) {
        all.extend(of_task(seen, task, limit_ns));
    }
    // Without events only the looks know of a task at all.
    let unknown = seen.looks.iter().rev().flat_map(|look| &look.blockers);
    for blocker in unknown {
        let known =
            seen.blocking.contains(&blocker.tid) || seen.tasks.iter().any(|task| task.tid == blocker.tid);
        if !known && !all.iter().any(|slow| slow.tid == blocker.tid) {
            let mut task = TaskTimeline::new(blocker.tid);
            task.tgid = Some(blocker.tgid);
            task.comm = Some(blocker.comm.clone());
            all.extend(of_task(seen, &task, limit_ns));
        }
    }
    all.sort_by_key(|task| (std::cmp::Reverse(task.took_ns()), task.tid));
    all
}

impl SlowTask {
    /// How long it kept the freeze waiting, at least.
    #[must_use]
    pub fn took_ns(&self) -> Option<u64> {
        let end = self.request_to_frozen_ns.or(self.request_to_gone_ns);
        end.or(self.last_seen_not_frozen_ns).or(self.request_to_arrival_ns)
    }
}

fn of_task(seen: &Seen<'_>, task: &TaskTimeline, limit_ns: u64) -> Option<SlowTask> {
    let after = |at: u64| at.saturating_sub(seen.requested_at);
    let own: Vec<(u64, &Blocker)> = seen
        .looks
        .iter()
        .filter_map(|look| {
            Some((look.after_ns, look.blockers.iter().find(|blocker| blocker.tid == task.tid)?))
        })
        .collect();
    // One frozen in place by the write, or frozen before, did not keep anybody waiting.
    let frozen_ns = task.frozen_at.filter(|_| task.arrival == Some(Arrival::Entered)).map(after);
    // The move of any task of the host is an event: only what was seen inside was ever waited for.
    let was_inside = task.exited || !own.is_empty() || task.spent != Spent::default();
    let gone_ns = task.gone_at.filter(|_| task.gone && !task.was_frozen && was_inside).map(after);
    let last_look = own.last().map(|&(at, _)| at);
    let arrived_ns = task.late_at.map(after);
    // v1 freezes a sleeper in place as it is moved in: no event tells, but it was not sooner than that.
    let came_frozen = arrived_ns.filter(|_| task.arrival.is_some());
    let took = frozen_ns.or(gone_ns).or(last_look).or(came_frozen)?;
    // What was forked and gone again before it could freeze kept nobody waiting for long.
    let passed_by =
        frozen_ns.is_none() && gone_ns.is_some() && took.saturating_sub(arrived_ns.unwrap_or(0)) < limit_ns;
    if took < limit_ns || passed_by {
        return None;
    }
    let mut task = task.clone();
    if task.spent == Spent::default() {
        task.spent = spent_by_looks(seen, task.tid);
    }
    let stages = stages(seen, &task, frozen_ns.is_some());
    let why = why(seen, &task, &own, took, limit_ns);
    Some(SlowTask {
        tid: task.tid,
        tgid: task.tgid.or_else(|| own.first().map(|(_, blocker)| blocker.tgid)),
        comm: task.comm.or_else(|| own.first().map(|(_, blocker)| blocker.comm.clone())),
        request_to_frozen_ns: frozen_ns,
        request_to_gone_ns: gone_ns.filter(|_| frozen_ns.is_none()),
        last_seen_not_frozen_ns: last_look,
        request_to_arrival_ns: arrived_ns,
        stages,
        cause: why.cause,
        certainty: why.certainty,
        summary: why.summary,
        evidence: why.evidence,
        waits_for: why.waits_for,
    })
}

/// Without events: as the last look at it tells that knew.
fn spent_by_looks(seen: &Seen<'_>, tid: i32) -> Spent {
    let of_task =
        |look: &Look| look.spent.iter().find(|(looked_at, _)| *looked_at == tid).map(|&(_, spent)| spent);
    seen.looks.iter().rev().find_map(of_task).unwrap_or_default()
}

fn stages(seen: &Seen<'_>, task: &TaskTimeline, frozen: bool) -> SlowStages {
    let first = task.stages(seen.requested_at);
    let spent = (task.spent != Spent::default()).then_some(task.spent);
    SlowStages {
        until_asked_ns: task.asked_at.map(|at| at.saturating_sub(seen.requested_at)),
        until_woken_ns: first.until_woken_ns,
        waited_for_cpu_ns: first.waited_for_cpu_ns,
        until_frozen_ns: first.until_frozen_ns.filter(|_| frozen),
        running_ns: spent.map(|spent| spent.running_ns),
        runnable_ns: spent.map(|spent| spent.runnable_ns),
        asleep_ns: spent.map(|spent| spent.asleep_ns),
    }
}

struct Why {
    cause: Cause,
    certainty: Certainty,
    summary: String,
    evidence: Evidence,
    waits_for: Vec<WaitsFor>,
}

impl Why {
    fn new(cause: Cause, certainty: Certainty, summary: String) -> Self {
        Self { cause, certainty, summary, evidence: Evidence::default(), waits_for: Vec::new() }
    }
}

fn why(seen: &Seen<'_>, task: &TaskTimeline, own: &[(u64, &Blocker)], took: u64, limit_ns: u64) -> Why {
    let arrived = task.late_at.map(|at| at.saturating_sub(seen.requested_at));
    if let Some(arrived) = arrived
        && took.saturating_sub(arrived) < limit_ns
    {
        return late(task, arrived);
    }
    let samples = seen.samples.get(&task.tid).map_or(&[][..], Vec::as_slice);
    let mut why = match by_looks(task.spent, own, took, limit_ns) {
        Some(blocker) if blocker.cause == Cause::KernelWork => at_work(samples, blocker),
        Some(blocker) => told(blocker),
        None => by_events(task, samples, limit_ns),
    };
    if let Some(arrived) = arrived {
        why.evidence.notes.push(format!("it came {} ms after the request itself", arrived / 1_000_000));
    }
    why
}

fn late(task: &TaskTimeline, arrived: u64) -> Why {
    let how = match task.forked_by {
        Some(parent) => format!("was forked by task {parent}"),
        None => "was moved in".to_owned(),
    };
    Why::new(
        Cause::LateArrival,
        Certainty::Certain,
        format!("{how} {} ms after the request", arrived / 1_000_000),
    )
}

/// The look whose finding covers most of the time: each stands for the time since the one before, the last one also
/// for what came after it.
fn by_looks<'a>(spent: Spent, own: &[(u64, &'a Blocker)], took: u64, limit_ns: u64) -> Option<&'a Blocker> {
    let mut covered: Vec<(Cause, u64)> = Vec::new();
    let mut since = 0;
    for (n, &(at, blocker)) in own.iter().enumerate() {
        let until = if n + 1 == own.len() { at.max(took) } else { at };
        let ns = until.saturating_sub(since);
        since = until;
        match covered.iter_mut().find(|(cause, _)| *cause == blocker.cause) {
            Some((_, sum)) => *sum += ns,
            None => covered.push((blocker.cause, ns)),
        }
    }
    covered.retain(|&(cause, _)| fits(cause, spent, limit_ns));
    let (best, _) = covered.into_iter().max_by_key(|&(_, ns)| ns)?;
    // Its last word, for a chain is longest when nothing moves any more; but what it waited for may have ended under the
    // very last look.
    let of_cause = || own.iter().rev().map(|&(_, blocker)| blocker).filter(|blocker| blocker.cause == best);
    of_cause().find(|blocker| !blocker.waits_for.is_empty()).or_else(|| of_cause().next())
}

/// Whether a look's cause agrees with what the events say the task spent its time on.
fn fits(cause: Cause, spent: Spent, limit_ns: u64) -> bool {
    // Work that is slow by itself waits for its CPU the longer for being long.
    let long_work = spent.running_ns >= limit_ns;
    let most = spent.running_ns.max(spent.runnable_ns).max(spent.asleep_ns);
    if most == 0 {
        return true;
    }
    match cause {
        Cause::Running => false,
        Cause::CpuThrottled => spent.runnable_ns == most,
        Cause::CpuStarved => spent.runnable_ns == most && !long_work,
        Cause::KernelWork => spent.running_ns == most || long_work,
        // These go round: they sleep, wait and run by turns.
        Cause::Exiting | Cause::Userfault | Cause::LateArrival => true,
        _ => spent.asleep_ns == most,
    }
}

fn told(blocker: &Blocker) -> Why {
    Why {
        cause: blocker.cause,
        certainty: blocker.certainty,
        summary: blocker.summary.clone(),
        evidence: blocker.evidence.clone(),
        waits_for: blocker.waits_for.clone(),
    }
}

/// The samples of the whole wait say more than those up to the look.
fn at_work(samples: &[StackSample], blocker: &Blocker) -> Why {
    let mut why = told(blocker);
    if let Some(work) = work::at_work(samples) {
        why.summary = work.sentence();
        why.evidence.notes = vec![work.note()];
    }
    why
}

/// Nobody looked while it mattered: the events still say what kind of wait it was.
fn by_events(task: &TaskTimeline, samples: &[StackSample], limit_ns: u64) -> Why {
    let Spent { running_ns, runnable_ns, asleep_ns } = task.spent;
    let work = work::at_work(samples).filter(|work| work.kernel > work.user);
    let ms = |ns: u64| ns / 1_000_000;
    if task.exited {
        return Why::new(
            Cause::Exiting,
            Certainty::Certain,
            "began to exit after the request, and tore its memory or files down".to_owned(),
        );
    }
    if running_ns >= limit_ns || running_ns >= runnable_ns.max(asleep_ns) && running_ns > 0 {
        return match work {
            Some(work) => {
                let mut why = Why::new(Cause::KernelWork, Certainty::Likely, work.sentence());
                why.evidence.notes.push(work.note());
                why
            }
            None => Why::new(
                Cause::Running,
                Certainty::Guess,
                format!("ran for {} ms before it froze; at what was not seen", ms(running_ns)),
            ),
        };
    }
    if runnable_ns > asleep_ns {
        return Why::new(
            Cause::CpuStarved,
            Certainty::Guess,
            format!("was runnable for {} ms without a CPU; who had it was not seen", ms(runnable_ns)),
        );
    }
    let summary = if asleep_ns > 0 {
        format!("slept for {} ms where the freezer could not reach it; why was not seen", ms(asleep_ns))
    } else {
        "froze late; why was not seen".to_owned()
    };
    Why::new(Cause::Uninterruptible, Certainty::Guess, summary)
}

#[cfg(test)]
mod tests;
