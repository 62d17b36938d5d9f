//! `oom-wait`: the task waits for memory in a memory cgroup at its limit, with the OOM killer off.
//!
//! What happens: a page fault found the v1 memory cgroup full, and `memory.oom_control` has the killer disabled. The
//! task then sleeps, killable but deaf to the freezer, until somebody makes room.
//!
//! Confirm by hand: `cat /proc/TID/stack` shows `mem_cgroup_oom_synchronize`; `memory.oom_control` of the task's
//! memory cgroup or of an ancestor says `oom_kill_disable 1` and `under_oom 1`, and its usage is at its limit
//! (descendants say `under_oom 1` too).
//!
//! Release: raise `memory.limit_in_bytes` (`memory.memsw.limit_in_bytes` where that one is reached), or write 0 to
//! `memory.oom_control`, or end a process of that cgroup. The waiting tasks try again at once, freeze or not.
//!
//! Cost: raising the limit costs that memory; with the killer enabled the kernel kills a process of the cgroup.
//!
//! Kernels: all with the v1 memory controller; both freezers. v2 has no way to turn the killer off: a v2 task over
//! `memory.high` sleeps up to two seconds at a time in `mem_cgroup_handle_over_high`, which is not this.
//!
//! Source: `mm/memcontrol-v1.c` (`mm/memcontrol.c` before 6.11), `mem_cgroup_oom_synchronize`, `mem_cgroup_mark_under_oom`.

use super::super::case::{Case, Finding};
use super::super::facts::memory::{MemoryCgroup, MemoryLimit};
use super::super::functions::Mechanism;
use super::super::{Cause, Certainty, WaitsFor};

/// A charge of this size may have been refused while smaller ones still fit: a huge page, the largest tried.
const NEAR: u64 = 2 << 20;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    if !case.uninterruptible() || !case.at(Mechanism::OomWait) {
        return None;
    }
    let candidates = candidates(case);
    let mut finding = match candidates.as_slice() {
        [] => unknown(),
        // A charge goes from the task's own cgroup up and is refused by the first that is full.
        [(cgroup, limit), outer @ ..] => known(cgroup, limit, outer.is_empty()),
    };
    if candidates.len() > 1 {
        let others: Vec<String> = candidates[1..].iter().map(|(cgroup, _)| cgroup.cgroup.to_string()).collect();
        finding.notes.push(format!("also at their limit with the OOM killer off: {}", others.join(", ")));
    }
    // TASK_KILLABLE without TASK_FREEZABLE.
    finding.never_frozen_in_place = true;
    Some(finding)
}

/// Cgroups at a limit that a task waits in, deepest first. The mark alone does not do: it covers all descendants.
fn candidates<'a>(case: &Case<'a>) -> Vec<(&'a MemoryCgroup, &'a MemoryLimit)> {
    let mut found: Vec<_> = case
        .facts
        .memory
        .iter()
        .filter(|cgroup| cgroup.killer_off && cgroup.under_oom && cgroup.covers.contains(&case.task().tid))
        .filter_map(|cgroup| Some((cgroup, cgroup.limits.iter().find(|limit| is_reached(limit))?)))
        .collect();
    found.sort_by_key(|(cgroup, _)| std::cmp::Reverse(cgroup.depth));
    found
}

fn is_reached(limit: &MemoryLimit) -> bool {
    limit.usage.saturating_add(NEAR) >= limit.bytes
}

fn known(cgroup: &MemoryCgroup, limit: &MemoryLimit, only: bool) -> Finding {
    let (path, file) = (&cgroup.cgroup, &limit.file);
    let mut finding = Finding::new(
        Cause::OomWait,
        if only { Certainty::Certain } else { Certainty::Likely },
        format!(
            "waits for memory: {path} is at its limit ({} of {} bytes) with the OOM killer off",
            limit.usage, limit.bytes
        ),
        format!(
            "raise {file} in {path}; or `echo 0 > {path}/memory.oom_control`, which lets the kernel kill a process \
             there; or end one of its processes"
        ),
    );
    finding.waits_for.push(WaitsFor::Cgroup { path: path.clone(), limit: Some(limit.bytes.to_string()) });
    finding
}

fn unknown() -> Finding {
    Finding::new(
        Cause::OomWait,
        Certainty::Likely,
        "waits for memory in a memory cgroup with the OOM killer off that could not be told",
        "raise the memory limit of its memory cgroup (the `memory:` line of /proc/TID/cgroup) or of the ancestor that \
         is full, or write 0 to memory.oom_control there",
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::facts::Facts;
    use super::super::super::{Blocker, examples, judge};
    use super::*;
    use crate::model::Hierarchy;

    fn cgroup(path: &str, depth: usize, usage: u64, bytes: u64) -> MemoryCgroup {
        MemoryCgroup {
            cgroup: path.into(),
            depth,
            killer_off: true,
            under_oom: true,
            limits: vec![MemoryLimit { file: "memory.limit_in_bytes".to_owned(), bytes, usage }],
            covers: vec![1],
        }
    }

    fn blocker(memory: Vec<MemoryCgroup>) -> Blocker {
        let task = examples::at(1, &["mem_cgroup_oom_synchronize", "pagefault_out_of_memory"]);
        let facts = Facts { tasks: vec![task], memory, ..examples::empty(Hierarchy::V1) };
        judge(&facts).blockers.remove(0)
    }

    #[test]
    fn the_ancestor_at_its_limit_is_named_not_the_marked_descendant() {
        let found = blocker(vec![cgroup("/m/a/b", 4, 16 << 20, u64::MAX / 2), cgroup("/m/a", 3, 16 << 20, 16 << 20)]);
        assert_eq!((found.cause, found.certainty), (Cause::OomWait, Certainty::Certain));
        let limit = Some("16777216".to_owned());
        assert_eq!(found.waits_for, [WaitsFor::Cgroup { path: "/m/a".into(), limit }]);
    }

    #[test]
    fn of_two_full_ones_the_deeper_is_likely_and_the_other_told() {
        let found = blocker(vec![cgroup("/m/a", 3, 9 << 20, 9 << 20), cgroup("/m/a/b", 4, 8 << 20, 8 << 20)]);
        assert_eq!(found.certainty, Certainty::Likely);
        assert!(matches!(&found.waits_for[..], [WaitsFor::Cgroup { path, .. }] if path == &"/m/a/b".into()));
        assert!(found.evidence.notes[0].contains("/m/a"), "{:?}", found.evidence.notes);
    }

    #[test]
    fn a_full_cgroup_whose_killer_is_on_is_not_named() {
        let killer_on = MemoryCgroup { killer_off: false, ..cgroup("/m/a", 3, 9 << 20, 9 << 20) };
        let found = blocker(vec![killer_on]);
        assert_eq!((found.cause, found.waits_for.len()), (Cause::OomWait, 0));
    }
}
