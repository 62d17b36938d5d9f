//! `userfault`: the task touched memory that a userfaultfd serves, and nobody serves it.
//!
//! What happens: the fault waits for the process that holds the userfaultfd (a post-copy migration, a snapshot
//! restore, a checkpoint tool). A fault from user code freezes well; one from inside a system call goes round: the
//! freezer's signal ends the wait, the fault is retried, the wait ends at once, and so on. It shows as `R`.
//!
//! Confirm by hand: `handle_userfault` in some of many looks at `/proc/TID/stack`, and `pending` above 0 in
//! `/proc/PID/fdinfo/FD` of a process with an `anon_inode:[userfaultfd]` descriptor.
//!
//! Release: let the holder serve its faults (thaw it first if it is frozen), or end the holder: closing the last
//! descriptor ends the wait.
//!
//! Cost: a task whose pages are never served reads zeroes or dies of SIGBUS; the memory behind it is lost.
//!
//! Kernels: all with `CONFIG_USERFAULTFD`.
//!
//! Source: `fs/userfaultfd.c`, `handle_userfault`, `userfaultfd_show_fdinfo`; `mm/gup.c`, `faultin_page`.

use super::super::case::{Case, Finding};
use super::super::functions::Mechanism;
use super::super::{Cause, Certainty, follow};

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    if !case.at(Mechanism::Userfault) && !case.sampled_in(Mechanism::Userfault) {
        return None;
    }
    let holders = holders(case);
    let known = match holders.as_slice() {
        [only] => follow::holder(case, *only),
        _ => None,
    };
    let mut finding = match known {
        Some(holder) => {
            let own = holders.first() == Some(&case.task().tgid);
            let of = if own { "its own process".to_owned() } else { format!("{}, {}", holder.who, holder.state) };
            let release = if own {
                "thaw: a thread of its own must serve the memory; ending the process ends the wait".to_owned()
            } else if holder.frozen {
                format!("thaw; then freeze the process that serves the memory ({}) last", holder.who)
            } else {
                format!("make {} serve its faults; ending it ends the wait, and loses that memory", holder.who)
            };
            let mut finding = Finding::new(
                Cause::Userfault,
                Certainty::Likely,
                format!("faults on memory served through the userfaultfd of {of}"),
                release,
            );
            finding.waits_for = holder.chain;
            finding
        }
        None => Finding::new(
            Cause::Userfault,
            Certainty::Likely,
            "faults on memory that a userfaultfd serves; who holds it could not be told",
            "make the process that holds the userfaultfd serve its faults, thawing it first if it is frozen",
        ),
    };
    if holders.len() > 1 {
        let pids: Vec<String> = holders.iter().map(i32::to_string).collect();
        finding.notes.push(format!("userfaultfds that may serve it are held by pids {}", pids.join(", ")));
    }
    // An interruptible wait (a fault from user code) ends at the freezer's signal.
    finding.never_frozen_in_place = case.uninterruptible();
    Some(finding)
}

/// Who may hold the userfaultfd of this fault: the task's own process where it holds one and the memory is its own; else
/// whoever holds one with faults. A task that spins counts as a fault only part of the time: then all holders may.
fn holders(case: &Case<'_>) -> Vec<i32> {
    let all = &case.facts.userfaultfds;
    let others_memory = case.at(Mechanism::OthersMemory) || case.sampled_in(Mechanism::OthersMemory);
    let own = case.task().tgid;
    if !others_memory && all.iter().any(|fd| fd.pid == own) {
        return vec![own];
    }
    let counted = case.asleep() && all.iter().any(|fd| fd.total > 0);
    let mut holders: Vec<i32> = all.iter().filter(|fd| fd.total > 0 || !counted).map(|fd| fd.pid).collect();
    holders.sort_unstable();
    holders.dedup();
    holders
}

#[cfg(test)]
mod tests {
    use super::super::super::facts::{Facts, Userfaultfd};
    use super::super::super::{Blocker, WaitsFor, examples, judge};
    use crate::model::{Hierarchy, TaskState};

    fn fd(pid: i32, total: u64) -> Userfaultfd {
        Userfaultfd { pid, fd: 3, pending: total, total }
    }

    fn verdict(state: TaskState, stack: &[&str], fds: Vec<Userfaultfd>) -> Blocker {
        let mut task = examples::at(10, stack);
        task.task.state = state;
        let mut facts = Facts {
            tasks: vec![task],
            userfaultfds: fds,
            ..examples::empty(Hierarchy::V2)
        };
        facts.others = vec![examples::task(20, "uffd-server"), examples::task(30, "qemu")];
        judge(&facts).blockers.remove(0)
    }

    fn named(blocker: &Blocker) -> Vec<i32> {
        let pid = |waits: &WaitsFor| match waits {
            WaitsFor::Task { pid, .. } => Some(*pid),
            _ => None,
        };
        blocker.waits_for.iter().filter_map(pid).collect()
    }

    const OWN: &[&str] = &["handle_userfault", "exc_page_fault"];

    #[test]
    fn a_sleeper_s_fault_is_counted_where_it_waits() {
        let found = verdict(TaskState::Uninterruptible, OWN, vec![fd(20, 1), fd(30, 0)]);
        assert_eq!(named(&found), [20]);
    }

    #[test]
    fn a_spinning_task_is_not_laid_to_whoever_happens_to_have_faults() {
        let found = verdict(TaskState::Running, OWN, vec![fd(20, 0), fd(30, 1)]);
        assert_eq!(named(&found), [0; 0]);
        assert!(found.evidence.notes.iter().any(|note| note.contains("20, 30")), "{found:?}");
    }

    #[test]
    fn its_own_process_comes_first_whatever_others_wait_for() {
        let found = verdict(TaskState::Running, OWN, vec![fd(10, 0), fd(30, 1)]);
        assert_eq!(named(&found), [10]);
    }

    #[test]
    fn a_read_of_another_s_memory_is_not_laid_to_the_reader_s_own_userfaultfd() {
        let stack = ["handle_userfault", "__get_user_pages", "process_vm_rw"];
        let found = verdict(TaskState::Uninterruptible, &stack, vec![fd(10, 0), fd(20, 1)]);
        assert_eq!(named(&found), [20]);
    }
}
