//! How long the tasks took: percentiles, histogram, the slowest by name and where their time went.

use super::NAMED;
use crate::model::units::{count, duration};
use crate::model::{Arrival, Latency, LatencyClock};
use crate::report::document::TaskDetail;
use crate::report::histogram;
use crate::report::style::Screen;

/// Empty where no task has a known time.
pub fn render(latency: &Latency, tasks: &[TaskDetail], screen: Screen) -> String {
    let (Some(p50), Some(p99), Some(max)) = (latency.p50_ns, latency.p99_ns, latency.max_ns) else {
        return String::new();
    };
    let timed: u64 = latency.histogram.iter().map(|bucket| bucket.count).sum();
    let mut text = format!(
        "request to frozen, {}: p50 {}, p99 {}, max {}\n\n",
        count(usize::try_from(timed).unwrap_or(usize::MAX), "task"),
        duration(p50),
        duration(p99),
        screen.strong(duration(max)),
    );
    text += &histogram::render(&latency.histogram);
    text += &slowest(tasks, screen);
    text += &without_own_time(&latency.clock, tasks);
    text += &clock(&latency.clock, screen);
    text
}

/// Nothing where each task's being asked is told, the sharpest that there is.
fn clock(clock: &LatencyClock, screen: Screen) -> String {
    if clock.asked.is_some() || clock.frozen.is_empty() {
        return String::new();
    }
    let frozen: Vec<&str> = clock.frozen.iter().map(|frozen| frozen.by.as_str()).collect();
    let text = format!("request: {}; frozen: {}", clock.requested, frozen.join(", "));
    format!("\n{}", screen.field(0, "clock", &text))
}

fn slowest(tasks: &[TaskDetail], screen: Screen) -> String {
    let ran: Vec<&TaskDetail> =
        tasks.iter().filter(|t| t.arrival == Some(Arrival::Entered)).take(NAMED).collect();
    if ran.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n{}\n",
        screen.faint(format_args!(
            "{:<26} {:>10} = {:>10} + {:>11} + {:>12}",
            "slowest tasks", "frozen", "until woken", "wait for CPU", "until frozen"
        ))
    );
    for task in ran {
        let name = task.comm.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
        let stage = |ns: Option<u64>| ns.map_or_else(|| "-".to_owned(), duration);
        let late = if task.late { "  came after the request" } else { "" };
        text += &format!(
            "{:<26} {:>10}   {:>11}   {:>12}   {:>12}{late}\n",
            format!("{name} ({})", task.tid),
            stage(task.frozen_after_ns),
            stage(task.until_woken_ns),
            stage(task.waited_for_cpu_ns),
            stage(task.until_frozen_ns),
        );
    }
    text
}

fn without_own_time(clock: &LatencyClock, tasks: &[TaskDetail]) -> String {
    let number = |arrival| tasks.iter().filter(|task| task.arrival == Some(arrival)).count();
    let mut text = String::new();
    let in_place = number(Arrival::InPlace);
    if in_place > 0 {
        let by_program =
            clock.asked.is_some() && clock.frozen.iter().all(|frozen| frozen.by != LatencyClock::WRITE_END);
        let counted = if by_program { "when the freezer came to it" } else { "at the end of its write" };
        let number = count(in_place, "task");
        text += &format!(
            "\n{number} frozen in place by the request itself, without running: counted {counted}\n"
        );
    }
    let before = number(Arrival::Before);
    if before > 0 {
        text += &format!("\n{} frozen before the request, not counted\n", count(before, "task"));
    }
    let seen = number(Arrival::Seen);
    if seen > 0 {
        text += &format!("\n{} found frozen, at a time no event told, not counted\n", count(seen, "task"));
    }
    text
}
