//! `kernel-work`: the task runs a long computation inside the kernel.
//!
//! What happens: a task freezes on its way back to user space. A system call that computes for seconds (dropping a huge
//! mapping, a large hash, a scan of directories) does not come back before it is done.
//!
//! Confirm by hand: state `R`, system time growing in `/proc/TID/stat`, and changing kernel stacks in `/proc/TID/stack`.
//!
//! Release: wait for the call to end, or kill the task (it dies at the call's end or at its next check for signals).
//!
//! Cost: none for waiting.
//!
//! Kernels: all.
//!
//! Source: `kernel/entry/common.c`, `exit_to_user_mode_loop`.

use super::super::case::{Case, Finding};
use super::super::{Cause, Certainty, work};
use crate::model::TaskState;

const RELEASE: &str = "wait for it to end: the task freezes on its way back to user code";
/// User code freezes at its next interrupt; who runs on for so long is in the kernel.
const LONG_NS: u64 = 50_000_000;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    let task = case.task();
    if task.state != TaskState::Running {
        return None;
    }
    let details = case.details();
    let count = |user: bool| -> u64 {
        details.map_or(0, |d| d.samples.iter().filter(|s| s.user == user).map(|s| u64::from(s.count)).sum())
    };
    let (kernel, user) = (count(false), count(true));
    if kernel + user == 0 {
        return by_times(case);
    }
    if kernel <= user {
        return None;
    }
    // Every look in the kernel, more than once: nothing else it could be doing.
    let certainty = if user == 0 && kernel > 1 { Certainty::Certain } else { Certainty::Likely };
    let samples = details.map_or(&[][..], |d| &d.samples);
    let work = work::at_work(samples);
    let call = details
        .and_then(|d| d.syscall.as_ref())
        .map_or_else(String::new, |call| format!(" in {}", call.name));
    let summary = work
        .as_ref()
        .map_or_else(|| format!("runs a long computation inside the kernel{call}"), work::Work::sentence);
    let mut finding = Finding::new(
        Cause::KernelWork,
        certainty,
        summary,
        RELEASE,
    );
    finding.notes.push(work.map_or_else(
        || format!("{kernel} of {} samples found it in the kernel", kernel + user),
        |work| work.note(),
    ));
    Some(finding)
}

/// Without samples: by the time it has run in the kernel since the request. A task in a userfault runs like that, too.
fn by_times(case: &Case<'_>) -> Option<Finding> {
    let (spent, system_ns) = case.spent()?;
    let busy = spent.running_ns >= LONG_NS && spent.asleep_ns == 0 && system_ns >= spent.running_ns / 2;
    if !busy || !case.facts.userfaultfds.is_empty() {
        return None;
    }
    let summary = "runs a long computation inside the kernel; which was not seen";
    let mut finding = Finding::new(Cause::KernelWork, Certainty::Likely, summary, RELEASE);
    let ms = spent.running_ns / 1_000_000;
    finding.notes.push(format!("ran for {ms} ms since the request, mostly in the kernel, and never slept"));
    Some(finding)
}
