//! What a freeze of the whole system has to tell beyond that of a cgroup.

use super::blockers;
use crate::explain::Blocker;
use crate::model::units::{count, duration};
use crate::report::document::{Document, Outcome, SystemFreeze};
use crate::report::style::Screen;

/// Who did it, by what, and how it ended.
pub fn told(freeze: &SystemFreeze, document: &Document, screen: Screen) -> String {
    let mut text = String::new();
    if let Some(by) = &freeze.by {
        let through =
            freeze.through.as_ref().map_or_else(String::new, |through| format!(" through {through}"));
        text += &screen.field(0, "", &format!("asked for by {} (pid {}){through}", by.comm, by.pid));
    }
    if freeze.kernel_threads {
        text += &screen.field(0, "", "user space was frozen, then kernel threads were asked");
    }
    if document.outcome == Outcome::TimedOut {
        let own = freeze.kernel_limit_ns.filter(|own| freeze.limit_ns.is_some_and(|limit| limit < *own));
        let own = own
            .map_or_else(String::new, |own| format!("; by itself it would have tried for {}", duration(own)));
        text += &screen.field(0, "", &format!("the kernel gave up and thawed every task{own}"));
    } else if document.outcome == Outcome::Frozen && document.restored {
        text += &screen.field(0, "", "every task is thawed again");
    }
    text
}

/// Tasks that would refuse now.
pub fn would_refuse(tasks: &[Blocker], screen: Screen) -> String {
    let number = screen.notable(count(tasks.len(), "task"));
    blockers::under(&format!("{number} would refuse to freeze now:\n"), tasks, screen)
}
