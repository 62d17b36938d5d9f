//! `seccomp-notify`: a seccomp filter handed the task's system call to a supervisor, which has not answered.
//!
//! What happens: container managers and sandboxes let a process of theirs decide on some system calls. Where the filter
//! was set with `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`, only a fatal signal ends the wait once the supervisor has
//! received the question: the task sleeps `S` until the freezer's own signal, and then goes on waiting in `D`. Without
//! that flag the signal ends the wait, the task freezes, and asks again after the thaw.
//!
//! Confirm by hand: `cat /proc/TID/stack` shows `seccomp_do_user_notification`, `/proc/TID/syscall` the call that is
//! held; `ls -l /proc/*/fd | grep 'seccomp notify'` finds who holds listening ends. Nothing in /proc says which of them
//! belongs to which task; a copy of the descriptor (`pidfd_getfd`) polls writable while a question that was received
//! has no answer.
//!
//! Release: let the supervisor answer (thaw it first if it is frozen). When the last copy of the listening end is
//! closed, the system call fails with `ENOSYS`.
//!
//! Cost: none for thawing. A supervisor that ends takes its answers along: calls that it would have carried out fail.
//!
//! Kernels: 5.19 and newer (the flag). Both hierarchies.
//!
//! Source: `kernel/seccomp.c`, `seccomp_do_user_notification`, `should_sleep_killable`, `seccomp_notify_poll`.

use super::super::case::{Case, Finding};
use super::super::facts::SeccompListener;
use super::super::functions::Mechanism;
use super::super::{Cause, Certainty};
use super::answer;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    if case.task().lock.is_some() || !case.asleep() || !case.innermost(Mechanism::SeccompNotify) {
        return None;
    }
    let listeners = listeners(case);
    let owing = answer::owing(case, listeners.iter().flat_map(|listener| listener.holders.iter().copied()));
    let held = case.details().and_then(|details| details.syscall.as_ref());
    let held = held.map_or_else(String::new, |call| format!(", in {},", call.name));
    let mut finding = Finding::new(
        Cause::SeccompNotify,
        Certainty::Likely,
        format!("waits{held} for {}", owing.told("a seccomp supervisor")),
        owing.release("supervisor", "when its listening end is closed the call fails with ENOSYS"),
    );
    if owing.sole().is_none() && !listeners.is_empty() {
        finding.notes.push(doubt(case, &listeners));
    }
    finding.waits_for = owing.chain();
    // Asleep interruptibly it has not been received, or the freezer's signal is still to come: that ends such a wait.
    finding.never_frozen_in_place = case.uninterruptible();
    Some(finding)
}

/// Those with a question open. A waiter in `D` has had its question received; where nobody shows one, those that
/// could not be asked.
fn listeners<'a>(case: &Case<'a>) -> Vec<&'a SeccompListener> {
    let all = &case.facts.seccomp;
    let which = |fits: fn(&SeccompListener) -> bool| all.iter().filter(|l| fits(l)).collect::<Vec<_>>();
    let received = which(|listener| listener.unanswered == Some(true));
    // In `S` it may as well wait to be received.
    let mut open = which(|listener| listener.unanswered == Some(true) || listener.unreceived == Some(true));
    if case.uninterruptible() && !received.is_empty() {
        open = received;
    }
    // One that could not be asked may be the one.
    open.extend(which(|listener| listener.unanswered.is_none()));
    open
}

fn doubt(case: &Case<'_>, listeners: &[&SeccompListener]) -> String {
    let parent = case.task().parent;
    let related = listeners.iter().any(|listener| listener.holders.contains(&parent));
    let open = match listeners {
        [_] => "one listening end, held by several processes, has a question open".to_owned(),
        several => format!("{} listening ends have, or may have, a question open", several.len()),
    };
    let hint = if related { format!("; pid {parent} is the task's parent") } else { String::new() };
    format!("{open}: the kernel does not tell which task's{hint}")
}
