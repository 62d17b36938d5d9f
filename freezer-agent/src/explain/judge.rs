//! Runs the rules over every task of the subtree and puts the blockers in order.

use std::cmp::Reverse;

use super::case::{Case, Finding};
use super::cycles;
use super::facts::FileFacts;
use super::standing::{Standing, standing};
use super::{Blocker, Cause, Evidence, Facts, Verdict, WaitsFor, rules, system};
use crate::model::Name;

/// Says which tasks of the subtree block the freeze, and why. Never blames a task frozen in this hierarchy, nor one
/// that cannot be told from frozen: those are in [`Verdict::unknown`].
#[must_use]
pub fn judge(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::default();
    for subject in &facts.tasks {
        let path = [subject.task.tid];
        let case = Case { facts, subject, path: &path };
        let finding = match standing(&case) {
            Standing::Done => continue,
            Standing::NotFrozen => Some(rules::judge(&case)),
            Standing::Doubtful => rules::waits(&case).filter(|finding| finding.never_frozen_in_place),
        };
        match finding {
            Some(finding) => {
                if verdict.impossible.is_none() {
                    verdict.impossible.clone_from(&finding.impossible);
                }
                verdict.blockers.push(blocker(&case, finding));
            }
            None => verdict.unknown.push(subject.task.tid),
        }
    }
    verdict.blockers.sort_by_key(|b| (is_fallback(b.cause), Reverse(b.since_ns), b.tid));
    verdict.cycles = cycles::find(facts, &verdict.blockers);
    verdict
}

/// Causes that only name a state come after those that explain it.
fn is_fallback(cause: Cause) -> bool {
    matches!(cause, Cause::Uninterruptible | Cause::Running)
}

pub(super) fn blocker(case: &Case<'_>, finding: Finding) -> Blocker {
    let task = case.task();
    let release = if case.facts.system.is_some() { system::release(case, &finding) } else { finding.release };
    Blocker {
        tid: task.tid,
        tgid: task.tgid,
        comm: task.comm.clone(),
        state: task.state,
        since_ns: task.since_ns,
        cause: finding.cause,
        certainty: finding.certainty,
        summary: finding.summary,
        evidence: Evidence { target: target(case, &finding.waits_for), ..case.evidence(finding.notes) },
        waits_for: finding.waits_for,
        release,
    }
}

/// Of the files that the call names, the one that is waited for, where that is known.
fn target(case: &Case<'_>, waits_for: &[WaitsFor]) -> Option<Name> {
    let awaited = |file: &&FileFacts| {
        let mount = file.mount.as_ref();
        waits_for.iter().any(|step| match step {
            WaitsFor::Mount { path, .. } => mount.is_some_and(|mount| mount.path == *path),
            _ => false,
        })
    };
    let mut files = case.files().iter();
    files.clone().find(awaited).or_else(|| files.next()).map(|file| file.path.clone())
}
