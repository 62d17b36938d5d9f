//! What a freeze breaks beyond the tasks it freezes: only what was found, never what might be.
//!
//! An outsider is hurt where a rule that names what a task waits for ends at a task frozen by this very freeze: a FUSE
//! server, the owner of a lock, whoever serves a userfaultfd. A tracer outside is told on its own: the kernel says
//! whose tracee a task is, and what its tracer sleeps in.
//!
//! Source: `kernel/ptrace.c`, `ptrace_attach` (waits for a tracee that v1 froze while it was stopped);
//! `fs/coredump.c`, `dump_interrupted` (`freezing()`: v1 and suspend only); `fs/userfaultfd.c`, `handle_userfault` (a
//! pending signal ends the wait, and nothing takes the signal away before the fault is served).

use serde::{Deserialize, Serialize};

use super::case::Case;
use super::facts::TaskFacts;
use super::functions::Mechanism;
use super::{Blocker, Certainty, Evidence, Facts, WaitsFor, rules};
use crate::model::{Hierarchy, Name, TaskState};

/// Something that a freeze broke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideEffect {
    /// A cause's name (`fuse-request`, `lock-held`, `userfault`, ...) for an outsider that waits for a frozen task;
    /// `tracer-waits`, `core-dump-cut` or `userfault-spin`.
    pub kind: String,
    /// Process that is hurt.
    pub pid: i32,
    /// Thread that is hurt.
    pub tid: i32,
    /// Its name.
    pub comm: Name,
    /// How sure that is.
    pub certainty: Certainty,
    /// One sentence: "waits for ...".
    pub summary: String,
    /// What that rests on.
    pub evidence: Evidence,
    /// Path to the frozen task, nearest first.
    pub waits_for: Vec<WaitsFor>,
    /// What ends it.
    pub release: String,
}

/// Outsiders that wait for tasks of the frozen subtree.
#[must_use]
pub fn harms(facts: &Facts) -> Vec<SideEffect> {
    let mut found: Vec<SideEffect> = Vec::new();
    for subject in &facts.others {
        let path = [subject.task.tid];
        let case = Case { facts, subject, path: &path };
        let frozen = subject.task.frozen_v1 == Some(true) || subject.task.frozen_v2 == Some(true);
        if subject.details.is_none() || frozen || case.in_subtree(&subject.task) {
            continue;
        }
        found.extend(waits_for_frozen(&case).or_else(|| tracer(&case)));
    }
    found.sort_by_key(|effect| (effect.kind.clone(), effect.tid));
    found
}

fn is_frozen_here(facts: &Facts, tid: i32) -> bool {
    facts.tasks.iter().any(|inside| {
        (inside.task.tid == tid || inside.task.tgid == tid)
            && inside.task.frozen_in(facts.hierarchy) == Some(true)
    })
}

fn waits_for_frozen(case: &Case<'_>) -> Option<SideEffect> {
    let finding = rules::waits(case)?;
    let ends_here = finding.waits_for.iter().any(
        |step| matches!(step, WaitsFor::Task { tid, frozen: true, .. } if is_frozen_here(case.facts, *tid)),
    );
    ends_here.then(|| SideEffect {
        kind: finding.cause.name().to_owned(),
        certainty: finding.certainty,
        summary: finding.summary,
        waits_for: finding.waits_for,
        release: "thaw this cgroup".to_owned(),
        ..of(case, finding.notes)
    })
}

/// A tracer that sleeps until its tracee stops, which it cannot while v1 holds it. v2 lets a frozen task stop for its
/// tracer (`do_freezer_trap` leaves the trap for `JOBCTL_TRAP_STOP`).
fn tracer(case: &Case<'_>) -> Option<SideEffect> {
    if case.facts.hierarchy != Hierarchy::V1 {
        return None;
    }
    let attaches = case.at(Mechanism::TracerAttach);
    if !attaches && !case.at(Mechanism::ChildWait) {
        return None;
    }
    let facts = case.facts;
    let tracees: Vec<&TaskFacts> = facts
        .tasks
        .iter()
        .chain(&facts.others)
        .filter(|task| task.task.tracer == Some(case.task().tid))
        .collect();
    let silent = |tracee: &&&TaskFacts| {
        is_frozen_here(facts, tracee.task.tid) && (attaches || tracee.task.state != TaskState::Traced)
    };
    let frozen: Vec<&&TaskFacts> = tracees.iter().filter(silent).collect();
    let tracee = frozen.first()?;
    // With other tracees any of them may end the wait.
    if !attaches && frozen.len() != tracees.len() {
        return None;
    }
    let who = format!("{} (task {})", tracee.task.comm, tracee.task.tid);
    let summary = if attaches {
        format!(
            "hangs in PTRACE_ATTACH: {who} was stopped, is frozen as it is, and cannot turn to its tracer"
        )
    } else {
        format!("waits for its tracee {who}, which is frozen and tells its tracer nothing")
    };
    let cgroup = tracee.task.cgroup_v1.and_then(|id| facts.cgroup_path(Hierarchy::V1, id)).cloned();
    Some(SideEffect {
        kind: "tracer-waits".to_owned(),
        // The attach itself names its tracee; a wait may also be for a child that is no tracee.
        certainty: if attaches { Certainty::Certain } else { Certainty::Likely },
        summary,
        waits_for: vec![WaitsFor::Task {
            pid: tracee.task.tgid,
            tid: tracee.task.tid,
            comm: tracee.task.comm.clone(),
            frozen: true,
            cgroup,
            frozen_by: Vec::new(),
            frozen_after_ns: None,
        }],
        release: "thaw this cgroup; a tracer in the attach itself can also be killed".to_owned(),
        ..of(case, Vec::new())
    })
}

fn of(case: &Case<'_>, notes: Vec<String>) -> SideEffect {
    let task = case.task();
    SideEffect {
        kind: String::new(),
        pid: task.tgid,
        tid: task.tid,
        comm: task.comm.clone(),
        certainty: Certainty::Guess,
        summary: String::new(),
        evidence: case.evidence(notes),
        waits_for: Vec::new(),
        release: String::new(),
    }
}

/// A task that went on spinning in its fault, seen at `stack`, after the freeze was taken back.
#[must_use]
pub fn spin(blocker: &Blocker, stack: &[String], ran_ns: u64, over_ns: u64) -> SideEffect {
    let note = format!("ran for {} of {} ms after the thaw", ran_ns / 1_000_000, over_ns / 1_000_000);
    SideEffect {
        kind: "userfault-spin".to_owned(),
        pid: blocker.tgid,
        tid: blocker.tid,
        comm: blocker.comm.clone(),
        certainty: Certainty::Certain,
        summary: "goes round in its page fault, taking a CPU, though the freeze is over: the freezer's signal is still \
                  pending, and it never comes to where that is taken away"
            .to_owned(),
        evidence: Evidence { stack: stack.to_vec(), notes: vec![note], ..Evidence::default() },
        waits_for: blocker.waits_for.clone(),
        // Any signal but SIGKILL changes nothing (arch/x86/mm/fault.c, do_user_addr_fault).
        release: "let whoever holds the userfaultfd serve the fault; killing this task, or ending the holder, ends it too"
            .to_owned(),
    }
}

/// A process that was writing its core dump when the freeze was asked for, and ended.
#[must_use]
pub fn dump_cut(pid: i32, comm: &Name) -> SideEffect {
    SideEffect {
        kind: "core-dump-cut".to_owned(),
        pid,
        tid: pid,
        comm: comm.clone(),
        // It may just have come to its end by itself.
        certainty: Certainty::Likely,
        summary: "was writing its core dump when the freeze was asked for, and ended: v1 cuts a dump short"
            .to_owned(),
        evidence: Evidence {
            notes: vec![
                "CoreDumping was 1 in its /proc status right before the request, and it is dead now"
                    .to_owned(),
            ],
            ..Evidence::default()
        },
        waits_for: Vec::new(),
        release: "none: the dump is lost; wait for dumps to end before freezing in v1, or freeze in v2"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    /// The example's client, outside, and its server, frozen inside.
    fn client_outside() -> Facts {
        let mut facts = examples::facts();
        let mut client = facts.tasks.remove(0);
        client.task.cgroup_v1 = Some(7);
        facts.others.push(client);
        facts
    }

    #[test]
    fn a_client_outside_of_a_frozen_server_is_hurt() {
        let found = harms(&client_outside());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].kind.as_str(), found[0].tid), ("fuse-request", 10));
    }

    #[test]
    fn a_client_of_a_server_that_is_not_frozen_here_is_not() {
        let mut facts = client_outside();
        facts.tasks[0].task.frozen_v1 = Some(false);
        assert_eq!(harms(&facts), []);
    }

    fn traced(function: &str, other_tracee: bool) -> Facts {
        let mut facts = examples::empty(Hierarchy::V1);
        let mut tracee = examples::task(10, "server");
        tracee.task.frozen_v1 = Some(true);
        tracee.task.tracer = Some(20);
        facts.tasks.push(tracee);
        let mut debugger = examples::task(20, "gdb");
        debugger.task.cgroup_v1 = Some(7);
        debugger.task.stack = vec![function.to_owned()];
        facts.others.push(debugger);
        if other_tracee {
            let mut other = examples::task(30, "other");
            other.task.cgroup_v1 = Some(7);
            other.task.tracer = Some(20);
            facts.others.push(other);
        }
        facts
    }

    #[test]
    fn a_tracer_in_attach_or_wait_is_hurt_by_its_frozen_tracee() {
        let kinds = |facts: &Facts| -> Vec<(String, Certainty)> {
            harms(facts).into_iter().map(|effect| (effect.kind, effect.certainty)).collect()
        };
        assert_eq!(kinds(&traced("ptrace_attach", true)), [("tracer-waits".to_owned(), Certainty::Certain)]);
        assert_eq!(kinds(&traced("do_wait", false)), [("tracer-waits".to_owned(), Certainty::Likely)]);
        assert_eq!(kinds(&traced("do_wait", true)), [], "the other tracee may end the wait");
    }

    #[test]
    fn v2_lets_a_frozen_task_stop_for_its_tracer() {
        let mut facts = traced("do_wait", false);
        facts.hierarchy = Hierarchy::V2;
        facts.tasks[0].task.frozen_v2 = Some(true);
        assert_eq!(harms(&facts), []);
    }
}
