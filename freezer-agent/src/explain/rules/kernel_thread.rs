//! `kernel-thread`: a kernel thread sits in a v2 cgroup, which can then never be frozen.
//!
//! What happens: v2 counts every task of the cgroup and waits until as many are frozen; it never asks kernel threads
//! to freeze, so the count is never reached. `cgroup.events` says `frozen 0` for ever.
//!
//! Confirm by hand: a task of `cgroup.threads` whose `/proc/TID/stat` flags have 0x00200000 (`PF_KTHREAD`), or whose
//! `/proc/TID/exe` leads nowhere.
//!
//! Release: thaw; write the thread's id to `cgroup.procs` of the root cgroup; freeze again. Moving it out alone does
//! not re-evaluate the freeze.
//!
//! Cost: limits of the cgroup no longer cover that thread.
//!
//! Kernels: all with the v2 freezer (5.2+). v1 leaves kernel threads out unless they are freezable.
//!
//! Source: `kernel/cgroup/freezer.c`, `cgroup_update_frozen`, `cgroup_do_freeze` (skips `PF_KTHREAD`).

use super::super::case::{Case, Finding};
use super::super::{Cause, Certainty};
use crate::model::Hierarchy;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    let task = case.task();
    if !task.kernel_thread || case.facts.hierarchy != Hierarchy::V2 {
        return None;
    }
    let place = task
        .cgroup_v2
        .and_then(|id| case.facts.cgroup_path(Hierarchy::V2, id))
        .unwrap_or(&case.facts.cgroup);
    let mut finding = Finding::new(
        Cause::KernelThread,
        Certainty::Certain,
        format!("is a kernel thread, which v2 never freezes but counts, in {place}"),
        format!("thaw; write {} to cgroup.procs of the root cgroup; freeze again", task.tid),
    );
    finding.impossible = Some(format!(
        "{place} holds the kernel thread {} ({}): a v2 cgroup with a kernel thread can never be frozen",
        task.tid, task.comm
    ));
    Some(finding)
}
