//! `running`: the task runs or is about to, and nothing more is known.
//!
//! What happens: it was found runnable and not frozen. Most such tasks freeze a moment later.
//!
//! Confirm by hand: look again: `/proc/TID/stat`, `/proc/TID/stack`, a few times.
//!
//! Release: wait longer; if it stays, sample its stack (`perf record -t TID -g`).
//!
//! Cost: none.
//!
//! Kernels: all.
//!
//! Source: `kernel/freezer.c`, `freeze_task`.

use super::super::case::{Case, Finding};
use super::super::{Cause, Certainty};
use crate::model::TaskState;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    (case.task().state == TaskState::Running).then(|| {
        Finding::new(
            Cause::Running,
            Certainty::Guess,
            "is running or about to run, and not frozen yet; why is not known",
            "wait longer; if it stays, sample it: `perf record -g -t TID`".replace("TID", &case.task().tid.to_string()),
        )
    })
}
