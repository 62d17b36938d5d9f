//! `exec-threads`: execve waits for the other threads of its process to die, and they cannot.
//!
//! What happens: execve of a process with several threads kills all but the calling one and waits for them, killable
//! but deaf to the freezer. A thread that is frozen in v1 keeps the kill pending until it is thawed; a thread stuck in
//! the kernel dies when it gets free; a traced thread that is dead stays until its tracer has waited for it.
//!
//! Confirm by hand: `/proc/TID/stack` shows `begin_new_exec` (or `de_thread`) innermost, and `/proc/PID/task` has other
//! threads, whose `SigPnd` in `status` holds bit 9 (0x100). Where none shows that, and none is dead, it is only likely.
//!
//! Release: thaw where those threads are frozen: they die at once and the execve goes on; then freeze again. A stuck
//! thread: whatever lets it go on. A traced one: its tracer must wait for it, or end.
//!
//! Cost: none for thawing. Ending the tracer loses its session.
//!
//! Kernels: v1: all. v2 kills frozen threads, so there only stuck, traced and v1-frozen threads hold it up.
//!
//! Source: `fs/exec.c`, `de_thread`; `kernel/signal.c`, `zap_other_threads`; `kernel/freezer.c`, `__refrigerator`.

use super::super::case::{Case, Finding};
use super::super::functions::{Mechanism, means};
use super::super::{Cause, Certainty};
use super::threads;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    // A lock that begin_new_exec takes is a lock's wait.
    if !case.uninterruptible() || case.task().lock.is_some() {
        return None;
    }
    let place = case.task().stack.first().map(String::as_str).or(case.wchan())?;
    if !means(place, Mechanism::ExecWait) {
        return None;
    }
    let threads = threads::follow(case, threads::others(case));
    let Some(last) = threads.named.last() else {
        // Once its threads are gone it is another wait, of which nothing is known.
        return None;
    };
    let release = match &last.deeper {
        Some(finding) => finding.release.clone(),
        None if last.chain.len() > 1 => {
            "make the tracer wait for that thread (or thaw it first), or end the tracer".to_owned()
        }
        None if threads.named.iter().any(|holder| holder.frozen) => {
            "thaw where those threads are frozen: they die at once and the execve goes on; then freeze again".to_owned()
        }
        None => "wait: those threads are dying; if one stays, see what it does".to_owned(),
    };
    let mut finding = Finding::new(
        Cause::ExecThreads,
        // All are killed at once; without that word it may be another wait of the execve.
        if threads::are_dying(case, threads::others(case)) { Certainty::Certain } else { Certainty::Likely },
        format!("execve waits for the other threads of its process to die: {}", threads.wording()),
        release,
    );
    finding.waits_for = threads.named.into_iter().flat_map(|holder| holder.chain).collect();
    // TASK_KILLABLE without TASK_FREEZABLE.
    finding.never_frozen_in_place = true;
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::super::super::facts::{AwaitedThread, Facts, TaskFacts};
    use super::super::super::{Verdict, WaitsFor, examples, judge};
    use super::*;
    use crate::model::{Hierarchy, LockWait, TaskState};

    fn execer() -> TaskFacts {
        examples::at(10, &["begin_new_exec", "load_elf_binary", "bprm_execve"])
    }

    fn thread(tid: i32) -> TaskFacts {
        let mut thread = examples::task(tid, "worker");
        thread.task.tgid = 10;
        thread
    }

    fn verdict(hierarchy: Hierarchy, tasks: Vec<TaskFacts>) -> Verdict {
        judge(&Facts { tasks, ..examples::empty(hierarchy) })
    }

    #[test]
    fn frozen_threads_are_named() {
        let mut frozen = thread(11);
        frozen.task.frozen_v1 = Some(true);
        let mut facts = Facts { tasks: vec![execer(), frozen], ..examples::empty(Hierarchy::V1) };
        assert_eq!(judge(&facts).blockers[0].certainty, Certainty::Likely);
        facts.awaited.push(AwaitedThread { tid: 11, kill_pending: Some(true), wchan: None });
        let found = judge(&facts).blockers.remove(0);
        assert_eq!((found.cause, found.certainty), (Cause::ExecThreads, Certainty::Certain));
        assert!(matches!(found.waits_for[..], [WaitsFor::Task { tid: 11, frozen: true, .. }]), "{found:?}");
        assert!(found.summary.contains("frozen by this same freeze"), "{}", found.summary);
    }

    #[test]
    fn a_stuck_thread_is_followed_to_what_it_waits_for() {
        let mut facts = examples::facts();
        facts.tasks[0].task.tgid = 30;
        let mut execer = execer();
        (execer.task.tid, execer.task.tgid) = (30, 30);
        facts.tasks.push(execer);
        let blockers = judge(&facts).blockers;
        let found = blockers.iter().find(|blocker| blocker.tid == 30).expect("blocks");
        assert_eq!((found.cause, found.waits_for.len()), (Cause::ExecThreads, 3));
    }

    #[test]
    fn a_dead_thread_waits_for_its_tracer_and_a_dead_leader_for_nobody() {
        let (mut dead, tracer) = (thread(11), examples::task(20, "gdb"));
        (dead.task.state, dead.task.tracer) = (TaskState::Zombie, Some(20));
        let mut facts = Facts { tasks: vec![execer(), dead], ..examples::empty(Hierarchy::V2) };
        facts.others.push(tracer);
        let found = judge(&facts).blockers.remove(0);
        assert!(matches!(found.waits_for[..], [_, WaitsFor::Task { pid: 20, .. }]), "{found:?}");
        facts.tasks[1].task.tid = 10;
        facts.tasks[0].task.tid = 11;
        facts.tasks[0].task.tgid = 10;
        assert_eq!(judge(&facts).blockers[0].cause, Cause::Uninterruptible);
    }

    #[test]
    fn a_traced_thread_that_v1_froze_in_its_stop_waits_for_its_tracer_too() {
        let mut traced = thread(11);
        (traced.task.frozen_v1, traced.task.tracer) = (Some(true), Some(20));
        let mut facts = Facts { tasks: vec![execer(), traced], ..examples::empty(Hierarchy::V1) };
        facts.others.push(examples::task(20, "gdb"));
        assert_eq!(judge(&facts).blockers[0].waits_for.len(), 1, "traced, but in no stop that is known");
        let wchan = Some("ptrace_stop".to_owned());
        facts.awaited.push(AwaitedThread { tid: 11, kill_pending: Some(false), wchan });
        let found = judge(&facts).blockers.remove(0);
        let [WaitsFor::Task { tid: 11, frozen: true, .. }, WaitsFor::Task { pid: 20, .. }] = found.waits_for[..] else {
            panic!("{found:?}")
        };
        assert!(found.summary.contains("frozen by this same freeze, in a stop for its tracer"), "{}", found.summary);
    }

    #[test]
    fn an_execve_of_one_thread_or_behind_a_lock_is_no_wait_for_threads() {
        let alone = verdict(Hierarchy::V2, vec![execer()]);
        assert_eq!(alone.blockers[0].cause, Cause::Uninterruptible);
        let mut locked = execer();
        locked.task.lock = Some(LockWait { kind: "rwsem-write".to_owned(), owner: None, owner_is_reader: false });
        let mut frozen = thread(11);
        frozen.task.frozen_v2 = Some(true);
        assert_eq!(verdict(Hierarchy::V2, vec![locked, frozen]).blockers[0].cause, Cause::LockHeld);
    }
}
