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
use super::super::{Cause, Certainty, Facts, follow};

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    if !case.at(Mechanism::Userfault) && !case.sampled_in(Mechanism::Userfault) {
        return None;
    }
    let holders = holders(case.facts);
    let known = match holders.as_slice() {
        [only] => follow::holder(case, *only),
        _ => None,
    };
    let mut finding = match known {
        Some(holder) => {
            let mut finding = Finding::new(
                Cause::Userfault,
                Certainty::Likely,
                format!("faults on memory served through the userfaultfd of {}, {}", holder.who, holder.state),
                if holder.frozen {
                    format!("thaw; then freeze the process that serves the memory ({}) last", holder.who)
                } else {
                    format!("make {} serve its faults; ending it ends the wait, and loses that memory", holder.who)
                },
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

/// Who holds a userfaultfd with faults; where none shows any (a spinning task counts only part of the time), who holds
/// one at all.
fn holders(facts: &Facts) -> Vec<i32> {
    let with_faults = facts.userfaultfds.iter().any(|fd| fd.total > 0);
    let fitting = facts.userfaultfds.iter().filter(|fd| fd.total > 0 || !with_faults);
    let mut holders: Vec<i32> = fitting.map(|fd| fd.pid).collect();
    holders.sort_unstable();
    holders.dedup();
    holders
}
