//! `uninterruptible`: the task sleeps where the freezer cannot reach it, and no other cause fits.
//!
//! What happens: it waits in the kernel for something, deaf to signals. Its stack is the evidence.
//!
//! Confirm by hand: state `D`, not frozen; `cat /proc/TID/stack`.
//!
//! Release: whatever lets it go on: the innermost functions of its stack name the subsystem. Thawing harms nothing.
//!
//! Cost: none for thawing.
//!
//! Kernels: all.
//!
//! Source: `kernel/freezer.c`, `freeze_task`, `__set_task_frozen`.

use super::super::case::{Case, Finding};
use super::super::{Cause, Certainty};

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    case.uninterruptible().then(|| nothing_known(case))
}

/// What is said of a task that is not frozen when no rule knows more.
pub fn nothing_known(case: &Case<'_>) -> Finding {
    let place = case.task().stack.first().map(String::as_str).or(case.wchan());
    let place = place.map_or_else(String::new, |place| format!(" in {place}"));
    Finding::new(
        Cause::Uninterruptible,
        Certainty::Guess,
        format!("sleeps{place} where the freezer cannot reach it; why is not known"),
        "thaw, or find what its stack waits for",
    )
}
