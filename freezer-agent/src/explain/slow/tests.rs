//! Where the time went, by made-up timelines and looks.

use super::*;
use crate::explain::WaitsFor;
use crate::model::TaskState;

const MS: u64 = 1_000_000;

fn task(tid: i32, frozen_ms: u64, spent: Spent) -> TaskTimeline {
    TaskTimeline {
        frozen_at: Some(frozen_ms * MS),
        arrival: Some(Arrival::Entered),
        was_frozen: true,
        spent,
        ..TaskTimeline::new(tid)
    }
}

fn asleep(ms: u64) -> Spent {
    Spent { asleep_ns: ms * MS, ..Spent::default() }
}

fn runnable(ms: u64) -> Spent {
    Spent { runnable_ns: ms * MS, ..Spent::default() }
}

fn running(ms: u64) -> Spent {
    Spent { running_ns: ms * MS, ..Spent::default() }
}

fn look(after_ms: u64, tid: i32, cause: Cause) -> Look {
    let blocker = Blocker {
        tid,
        tgid: tid,
        comm: "worker".into(),
        state: TaskState::Uninterruptible,
        since_ns: None,
        cause,
        certainty: Certainty::Likely,
        summary: format!("seen at {after_ms} ms"),
        evidence: Evidence::default(),
        waits_for: Vec::new(),
        release: "wait".to_owned(),
    };
    Look { after_ns: after_ms * MS, blockers: vec![blocker], spent: Vec::new() }
}

fn judge(tasks: &[TaskTimeline], looks: &[Look]) -> Vec<(i32, Cause)> {
    let seen = Seen { requested_at: 0, tasks, looks, samples: &HashMap::new(), blocking: &[99] };
    slow(&seen, 100 * MS).iter().map(|task| (task.tid, task.cause)).collect()
}

#[test]
fn quick_tasks_are_not_listed() {
    assert_eq!(judge(&[task(1, 99, asleep(99))], &[]), []);
}

#[test]
fn the_look_says_why_a_task_slept() {
    assert_eq!(
        judge(&[task(1, 300, asleep(299))], &[look(100, 1, Cause::FuseRequest)]),
        [(1, Cause::FuseRequest)]
    );
}

#[test]
fn a_look_that_the_events_contradict_does_not_count() {
    let looks = [look(100, 1, Cause::CpuStarved), look(200, 1, Cause::FuseRequest)];
    assert_eq!(judge(&[task(1, 300, asleep(290))], &looks), [(1, Cause::FuseRequest)]);
    assert_eq!(judge(&[task(1, 300, runnable(290))], &looks), [(1, Cause::CpuStarved)]);
}

#[test]
fn the_cause_that_covers_most_of_the_time_is_told() {
    let looks =
        [look(100, 1, Cause::FuseRequest), look(200, 1, Cause::LockHeld), look(400, 1, Cause::LockHeld)];
    assert_eq!(judge(&[task(1, 500, asleep(500))], &looks), [(1, Cause::LockHeld)]);
}

#[test]
fn a_look_that_came_as_the_wait_ended_does_not_hide_whom_it_was_for() {
    let mut named = look(200, 1, Cause::FuseRequest);
    let server = WaitsFor::Mount { path: "/mnt".into(), fstype: "fuse".into(), source: "fs".into() };
    named.blockers[0].waits_for = vec![server.clone()];
    let looks = [look(100, 1, Cause::FuseRequest), named, look(400, 1, Cause::FuseRequest)];
    let tasks = [task(1, 405, asleep(405))];
    let seen =
        Seen { requested_at: 0, tasks: &tasks, looks: &looks, samples: &HashMap::new(), blocking: &[] };
    assert_eq!(slow(&seen, 100 * MS)[0].waits_for, [server]);
}

#[test]
fn without_a_look_the_events_tell_the_kind_of_wait_and_no_culprit() {
    let all = [task(1, 300, asleep(300)), task(2, 200, runnable(200)), task(3, 150, running(150))];
    let causes = [(1, Cause::Uninterruptible), (2, Cause::CpuStarved), (3, Cause::Running)];
    assert_eq!(judge(&all, &[]), causes);
}

#[test]
fn a_task_that_came_late_and_froze_at_once_is_a_late_arrival() {
    let late = TaskTimeline { late: true, late_at: Some(200 * MS), ..task(1, 201, running(1)) };
    assert_eq!(judge(&[late], &[]), [(1, Cause::LateArrival)]);
    let stuck = TaskTimeline { late: true, late_at: Some(200 * MS), ..task(1, 500, asleep(290)) };
    assert_eq!(judge(&[stuck], &[look(400, 1, Cause::FuseRequest)]), [(1, Cause::FuseRequest)]);
}

#[test]
fn a_task_that_exits_instead_is_listed_unless_it_only_passed_by() {
    let gone = |late_at| TaskTimeline {
        gone: true,
        exited: true,
        gone_at: Some(300 * MS),
        late: true,
        late_at,
        spent: running(250),
        ..TaskTimeline::new(1)
    };
    assert_eq!(judge(&[gone(None)], &[]), [(1, Cause::Exiting)]);
    assert_eq!(judge(&[gone(Some(290 * MS))], &[]), []);
    let killed_while_frozen = TaskTimeline { was_frozen: true, ..gone(None) };
    assert_eq!(judge(&[killed_while_frozen], &[]), []);
}

#[test]
fn what_blocks_in_the_end_has_its_own_verdict() {
    assert_eq!(judge(&[task(99, 300, asleep(300))], &[]), []);
}

#[test]
fn without_events_the_looks_alone_name_the_slow() {
    assert_eq!(judge(&[], &[look(100, 7, Cause::FuseRequest)]), [(7, Cause::FuseRequest)]);
}

#[test]
fn the_move_of_a_task_that_was_never_inside_is_not_told() {
    let stranger = TaskTimeline { gone: true, gone_at: Some(300 * MS), ..TaskTimeline::new(1) };
    assert_eq!(judge(&[stranger], &[]), []);
}

#[test]
fn long_work_on_a_busy_cpu_is_work_still() {
    let spent = Spent { running_ns: 200 * MS, runnable_ns: 900 * MS, asleep_ns: 0 };
    let looks = [look(100, 1, Cause::KernelWork), look(200, 1, Cause::CpuStarved)];
    assert_eq!(judge(&[task(1, 1100, spent)], &looks), [(1, Cause::KernelWork)]);
}
