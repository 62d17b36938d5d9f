//! `lock-held`: the task waits for a mutex, semaphore or rwsem of the kernel.
//!
//! What happens: another task took the lock and cannot go on: it waits for a disk, a FUSE server, another lock; or it
//! was frozen with the lock held. The freezer cannot reach a task that sleeps for a lock uninterruptibly.
//!
//! Confirm by hand: the kernel's hung-task message names the owner on 6.16 and newer; otherwise compare the stacks of
//! the tasks in `D` (`echo w > /proc/sysrq-trigger`): one of them is in the same code, further on.
//!
//! Release: whatever lets the holder go on; the chain ends at it.
//!
//! Cost: that of the last link. The lock itself cannot be taken away.
//!
//! Kernels: the owner is known where the kernel has `task->blocker` (6.16+ with `CONFIG_DETECT_HUNG_TASK_BLOCKER`); before,
//! mutexes and rwsems are found by the entry of their queue on the waiter's stack. A VMA lock has no owner to read, nor has
//! a semaphore before 6.16. A readers' rwsem names its last reader only.
//!
//! Source: `include/linux/hung_task.h`; `kernel/hung_task.c`, `debug_show_blocker`; `kernel/locking/mutex.c`, `rwsem.c`.

use super::super::case::{Case, Finding};
use super::super::facts::TaskFacts;
use super::super::functions::{Mechanism, means};
use super::super::{Cause, Certainty, follow};
use crate::model::LockWait;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    if !case.asleep() {
        // The mark may outlast the wait by a moment; a runnable task waits for a CPU.
        return None;
    }
    match &case.task().lock {
        Some(lock) => Some(by_the_kernels_word(case, lock)),
        None => by_stack(case),
    }
}

fn by_the_kernels_word(case: &Case<'_>, lock: &LockWait) -> Finding {
    let what = wording(lock);
    let certainty = if lock.owner.is_some() && !lock.owner_is_reader { Certainty::Certain } else { Certainty::Likely };
    let mut finding = match lock.owner {
        None => Finding::new(
            Cause::LockHeld,
            certainty,
            format!("waits for {what} whose holder the kernel does not name"),
            "find its holder among the other tasks in D: one of them is in the same code, further on",
        ),
        Some(owner) => owned(case, lock, owner, certainty, what),
    };
    // The kernel's locks never sleep freezable.
    finding.never_frozen_in_place = true;
    finding
}

fn owned(case: &Case<'_>, lock: &LockWait, owner: i32, certainty: Certainty, what: &str) -> Finding {
    let Some(holder) = follow::holder(case, owner) else {
        return Finding::new(
            Cause::LockHeld,
            certainty.min(Certainty::Likely),
            format!("waits for {what} held by task {owner}, of which nothing is known"),
            format!("look at task {owner}: it must go on before this one can"),
        );
    };
    let held = if lock.owner_is_reader { "last read by" } else { "held by" };
    let release = match &holder.deeper {
        Some(finding) => finding.release.clone(),
        None if holder.frozen => {
            format!("thaw: the holder ({}) is frozen with the lock held; freeze both together or the holder later", holder.who)
        }
        None => format!("the holder ({}) must go on first: look at what keeps it", holder.who),
    };
    let mut finding = Finding::new(
        Cause::LockHeld,
        certainty,
        format!("waits for {what} {held} {}, {}", holder.who, holder.state),
        release,
    );
    finding.waits_for = holder.chain;
    finding
}

fn wording(lock: &LockWait) -> &'static str {
    match lock.kind.as_str() {
        "mutex" => "a mutex",
        "semaphore" => "a semaphore",
        "rwsem-read" => "an rwsem (to read)",
        "rwsem-write" => "an rwsem (to write)",
        _ => "a lock",
    }
}

/// Without the kernel's word: the stack alone says that it is a lock, not whose.
fn by_stack(case: &Case<'_>) -> Option<Finding> {
    if !case.uninterruptible() {
        return None;
    }
    let visible = case.at(Mechanism::LockSlowPath);
    let first = case.task().stack.first().map(String::as_str).or(case.wchan())?;
    if !visible && !means(first, Mechanism::LockCaller) {
        return None;
    }
    let mut finding = Finding::new(
        Cause::LockHeld,
        if visible { Certainty::Likely } else { Certainty::Guess },
        "waits for a lock of the kernel; this kernel does not name its holder",
        "find its holder among the other tasks in D: one of them is in the same code, further on",
    );
    finding.never_frozen_in_place = visible;
    finding.notes.extend(neighbours(case));
    Some(finding)
}

/// Tasks that wait in something a rule knows: one of them may hold the lock.
fn neighbours(case: &Case<'_>) -> Option<String> {
    let others: Vec<String> = case
        .facts
        .tasks
        .iter()
        .filter(|other| other.task.tid != case.task().tid && shares_a_file(case, other))
        .map(|other| other.task.tid.to_string())
        .collect();
    (!others.is_empty()).then(|| format!("on the same mount as tasks {}", others.join(", ")))
}

fn shares_a_file(case: &Case<'_>, other: &TaskFacts) -> bool {
    let theirs = other.details.as_ref().and_then(|d| d.syscall.as_ref()).map_or(&[][..], |call| &call.files);
    case.files().iter().any(|mine| {
        mine.mount.as_ref().is_some_and(|m| {
            theirs.iter().any(|file| file.mount.as_ref().is_some_and(|t| (t.major, t.minor) == (m.major, m.minor)))
        })
    })
}
