//! Circles of waiting: what closes each, and the order of freezing that works.

use super::blockers::{branch, link};
use crate::explain::{Cycle, WaitsFor};
use crate::model::units::count;
use crate::report::style::Screen;

/// Circles shown; the others are counted.
const SHOWN: usize = 3;

/// All circles.
pub fn render(cycles: &[Cycle], screen: Screen) -> String {
    let mut text = format!("{}:\n", screen.bad(count(cycles.len(), "circle")));
    for cycle in cycles.iter().take(SHOWN) {
        text.push('\n');
        text += &screen.field(2, "", &cycle.summary);
        // One freeze with its own tasks: the blockers above show the way already.
        if cycle.steps.iter().filter(|step| matches!(step, WaitsFor::Cgroup { .. })).count() != 1 {
            for (depth, step) in cycle.steps.iter().enumerate() {
                let label = if depth == 0 { "round" } else { "" };
                text += &screen.field_behind(4, label, &branch(depth), &link(step));
            }
            text += &screen.field_behind(4, "", &branch(cycle.steps.len()), "and back");
        }
        text += &screen.field(4, "order", &cycle.advice);
    }
    if let Some(more) = cycles.len().checked_sub(SHOWN).filter(|&more| more > 0) {
        text += &format!("\n  and {} (--json lists all)\n", count(more, "more circle"));
    }
    text
}
