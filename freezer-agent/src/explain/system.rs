//! The way out where the whole system is frozen: there is no cgroup to be frozen later or to be moved out of, and the
//! kernel itself has thawed everything by the time anybody reads this.

use super::case::{Case, Finding};
use super::verdict::WaitsFor;

/// How the release of a cgroup's freeze begins; the system is thawed already.
const THAW: [&str; 5] = ["thaw; then ", "thaw; ", "thaw, or ", "thaw, ", "thaw: "];

/// The finding's release, for the freeze of the whole system.
pub fn release(case: &Case<'_>, finding: &Finding) -> String {
    let frozen = finding.waits_for.iter().find_map(|step| match step {
        WaitsFor::Task { pid, comm, frozen: true, .. } => Some((*pid, comm)),
        _ => None,
    });
    let Some((pid, comm)) = frozen else {
        let text = finding.release.as_str();
        return THAW.iter().find_map(|thaw| text.strip_prefix(thaw)).unwrap_or(text).to_owned();
    };
    let task = case.task();
    let mut text = format!(
        "the kernel freezes both in no order that can be chosen: before the next suspend end what {} ({}) does there, or \
         freeze its cgroup while {comm} ({pid}) still answers",
        task.comm, task.tgid
    );
    for step in &finding.waits_for {
        if let WaitsFor::Mount { path, .. } = step {
            text += &format!(", or unmount {path}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::facts::{Facts, WholeSystem};
    use super::super::{examples, judge};
    use crate::model::{Caller, Hierarchy, TaskState};

    fn system() -> WholeSystem {
        let by = Caller { tid: 99, pid: 99, comm: "systemd-sleep".into() };
        WholeSystem { by: Some(by), exempt: vec![99], kernel_threads: vec![7] }
    }

    #[test]
    fn a_server_frozen_by_suspend_is_no_matter_of_the_order_of_cgroups() {
        let verdict = judge(&Facts { system: Some(system()), subtree: Vec::new(), ..examples::facts() });
        let blocker = &verdict.blockers[0];
        assert!(blocker.summary.contains("frozen by this same freeze"), "{}", blocker.summary);
        assert!(blocker.release.contains("before the next suspend"), "{}", blocker.release);
        assert!(!blocker.release.contains("last"), "{}", blocker.release);
        assert!(verdict.cycles.is_empty());
    }

    #[test]
    fn nobody_is_told_to_thaw_what_the_kernel_has_thawed() {
        let tasks = vec![examples::at(1, &["synchronize_rcu"])];
        let verdict = judge(&Facts { system: Some(system()), tasks, ..examples::empty(Hierarchy::V1) });
        assert_eq!(verdict.blockers[0].release, "find what its stack waits for");
    }

    #[test]
    fn the_caller_and_other_kernel_threads_are_not_waited_for() {
        let system = system();
        let mut task = examples::task(99, "systemd-sleep").task;
        assert!(!system.covers(&task));
        (task.tid, task.kernel_thread) = (7, true);
        assert!(system.covers(&task));
        task.tid = 8;
        assert!(!system.covers(&task));
    }

    #[test]
    fn a_kernel_thread_that_was_asked_is_a_blocker() {
        let mut thread = examples::at(7, &["synchronize_rcu"]);
        (thread.task.kernel_thread, thread.task.state) = (true, TaskState::Uninterruptible);
        let verdict =
            judge(&Facts { system: Some(system()), tasks: vec![thread], ..examples::empty(Hierarchy::V1) });
        assert_eq!(verdict.blockers.len(), 1);
    }
}
