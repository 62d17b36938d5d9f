//! `exiting`: the task is tearing down its memory or files.
//!
//! What happens: a dying task never returns to user space, where it would freeze; the freeze waits until it is gone. A
//! large address space, many open files or a slow flush make that long.
//!
//! Confirm by hand: `/proc/TID/stat` flags have 0x4 (`PF_EXITING`); `/proc/TID/stack` shows `do_exit`.
//!
//! A thread of a process that dumps its core waits, before it goes, for the thread that writes the dump
//! (state `I` in `do_exit` or `coredump_task_exit`, `D` before 5.16; v2 only, for v1 freezes it in place or skips it).
//!
//! Release: wait. If it does not move, its stack says what it waits for.
//!
//! Cost: none.
//!
//! Kernels: all.
//!
//! Source: `kernel/exit.c`, `do_exit`; `kernel/cgroup/cgroup.c`, `cgroup_exit`.

use super::super::case::{Case, Finding};
use super::super::functions::{self, Mechanism};
use super::super::{Cause, Certainty, follow};
use super::threads;
use crate::model::TaskState;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    if let Some(finding) = coredump(case) {
        return Some(finding);
    }
    case.task().exiting.then(|| {
        Finding::new(
            Cause::Exiting,
            Certainty::Certain,
            "is exiting and still tears down its memory or files",
            "wait: it leaves the cgroup by itself; if it does not move, its stack says what it waits for",
        )
    })
}

impl Case<'_> {
    /// A dying thread that waits for a core dump, since 5.16.
    fn idles_for_dump(&self) -> bool {
        self.task().state == TaskState::Idle && self.at(Mechanism::CoredumpThread)
    }

    /// The same before 5.16 (kernel/exit.c, `exit_mm`, a part of `do_exit`), where it sleeps uninterruptibly.
    pub fn waits_for_dump(&self) -> bool {
        self.task().state == TaskState::Uninterruptible && self.innermost(Mechanism::CoredumpThread)
    }
}

/// It is dead but for its memory, which the thread that dumps core still reads.
fn coredump(case: &Case<'_>) -> Option<Finding> {
    if case.task().kernel_thread || !(case.idles_for_dump() || case.waits_for_dump()) {
        return None;
    }
    let dumper = threads::others(case)
        .find(|other| functions::contains(&other.task.stack, Mechanism::CoreDump))
        .and_then(|other| follow::holder(case, other.task.tid));
    let mut finding = Finding::new(
        Cause::Exiting,
        Certainty::Certain,
        match &dumper {
            Some(dumper) => format!("is dying and waits for the core dump of {}, {}", dumper.who, dumper.state),
            None => "is dying and waits for another thread of its process to write a core dump".to_owned(),
        },
        match dumper.as_ref().and_then(|dumper| dumper.deeper.as_ref()) {
            Some(finding) => finding.release.clone(),
            None => "wait for the core dump, or end it: `kill -9` of that process cuts it short".to_owned(),
        },
    );
    finding.waits_for = dumper.map_or_else(Vec::new, |dumper| dumper.chain);
    Some(finding)
}
