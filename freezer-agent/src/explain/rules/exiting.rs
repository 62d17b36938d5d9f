//! `exiting`: the task is tearing down its memory or files.
//!
//! What happens: a dying task never returns to user space, where it would freeze; the freeze waits until it is gone. A
//! large address space, many open files or a slow flush make that long.
//!
//! Confirm by hand: `/proc/TID/stat` flags have 0x4 (`PF_EXITING`); `/proc/TID/stack` shows `do_exit`.
//!
//! Release: wait. If it does not move, its stack says what it waits for.
//!
//! Cost: none.
//!
//! Kernels: all.
//!
//! Source: `kernel/exit.c`, `do_exit`; `kernel/cgroup/cgroup.c`, `cgroup_exit`.

use super::super::case::{Case, Finding};
use super::super::{Cause, Certainty};

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    case.task().exiting.then(|| {
        Finding::new(
            Cause::Exiting,
            Certainty::Certain,
            "is exiting and still tears down its memory or files",
            "wait: it leaves the cgroup by itself; if it does not move, its stack says what it waits for",
        )
    })
}
