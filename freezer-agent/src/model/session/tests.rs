//! What a session makes of events and looks, in any order.

use super::*;
use crate::model::Frozen;

fn event(time_ns: u64, kind: EventKind) -> Event {
    Event { time_ns, cpu: 0, kind }
}

fn frozen_out(tid: i32) -> EventKind {
    EventKind::SwitchOut { tid, state: 0x8000, preempted: false, frozen: Frozen { v1: true, v2: false } }
}

#[test]
fn stages_tell_where_the_time_of_a_task_went() {
    let mut session = Session::new(Hierarchy::V1, 1000);
    session.observe(&event(1010, EventKind::Waking { tid: 7, by: 1 }));
    session.observe(&event(1500, EventKind::SwitchIn { tid: 7 }));
    session.observe(&event(1540, frozen_out(7)));
    let stages = session.timelines()[0].stages(1000);
    assert_eq!(
        (stages.until_woken_ns, stages.waited_for_cpu_ns, stages.until_frozen_ns),
        (Some(10), Some(490), Some(40))
    );
}

#[test]
fn events_before_the_request_do_not_count() {
    let mut session = Session::new(Hierarchy::V1, 1000);
    session.observe(&event(900, frozen_out(7)));
    assert!(session.timelines().is_empty());
}

#[test]
fn a_task_that_runs_again_is_no_longer_frozen() {
    let mut session = Session::new(Hierarchy::V1, 1000);
    session.observe(&event(1100, frozen_out(7)));
    session.observe(&event(1200, EventKind::SwitchIn { tid: 7 }));
    assert_eq!(session.timelines()[0].arrival, None);
    session.observe(&event(1300, frozen_out(7)));
    assert_eq!(session.latency(None).max_ns, Some(300));
}

#[test]
fn a_task_that_left_is_not_in_the_latency() {
    let mut session = Session::new(Hierarchy::V1, 1000);
    session.observe(&event(1100, frozen_out(7)));
    session.observe(&event(1200, EventKind::Attach { tid: 7, to: 1, into: false }));
    assert_eq!(session.latency(None).max_ns, None);
}

fn asked(cgroup: u64, comm: &str) -> EventKind {
    EventKind::FreezeAsked { cgroup, by: Caller { tid: 5, pid: 5, comm: comm.into() } }
}

#[test]
fn a_session_by_somebody_else_begins_with_the_first_request_for_the_cgroup_itself() {
    let mut session = Session::awaited(Hierarchy::V1, 40);
    session.observe(&event(900, frozen_out(7)));
    session.observe(&event(1000, asked(41, "inner")));
    assert_eq!((session.requested_by(), session.timelines().len()), (None, 0));
    session.observe(&event(1100, asked(40, "docker")));
    session.observe(&event(1150, asked(40, "impatient")));
    session.observe(&event(1200, frozen_out(7)));
    assert_eq!(session.requested_by().map(|by| by.comm.clone()), Some("docker".into()));
    assert_eq!(session.latency(None).max_ns, Some(100));
}

#[test]
fn a_thaw_ends_what_was_asked_before_it() {
    let mut session = Session::awaited(Hierarchy::V1, 40);
    session.observe(&event(1000, asked(40, "docker")));
    session.observe(&event(1100, frozen_out(7)));
    let by = Caller { tid: 6, pid: 6, comm: "sh".into() };
    session.observe(&event(1200, EventKind::ThawAsked { cgroup: 40, by }));
    session.observe(&event(1250, EventKind::SwitchIn { tid: 7 }));
    assert_eq!((session.thaw_asked_at(), session.latency(None).max_ns), (Some(1200), Some(100)));
    session.observe(&event(1300, asked(40, "runc")));
    assert_eq!((session.requested_at(), session.timelines().len()), (1300, 0));
}

#[test]
fn the_time_in_the_refrigerator_is_that_from_each_entry_to_its_return() {
    let mut session = Session::new(Hierarchy::V2, 1000);
    let (entered, left) = (EventKind::Refrigerated { tid: 7 }, EventKind::LeftRefrigerator { tid: 7 });
    for (at, kind) in [(1100, &entered), (1300, &left), (1400, &entered), (1450, &left), (1500, &left)] {
        session.observe(&event(at, kind.clone()));
    }
    assert_eq!(session.timelines()[0].refrigerated_ns, Some(250));
}

#[test]
fn who_froze_in_place_did_so_when_the_freezer_came_to_it_or_else_by_the_end_of_the_write() {
    let mut session = Session::new(Hierarchy::V1, 1000);
    session.write_ended(1900);
    session.observe(&event(1200, EventKind::TaskAsked { tid: 7 }));
    let frozen = |tid| TaskSnapshot { frozen_v1: Some(true), ..seen(tid, tid) };
    session.look(&[frozen(7), frozen(8)]);
    let told: Vec<_> =
        session.timelines().iter().map(|task| (task.tid, task.frozen_at, task.clock)).collect();
    assert_eq!(
        told,
        [(8, Some(1900), Some(FrozenClock::WriteEnd)), (7, Some(1200), Some(FrozenClock::Asked))]
    );
}

fn moved_in(tid: i32) -> EventKind {
    EventKind::Attach { tid, to: 1, into: true }
}

fn seen(tid: i32, process: i32) -> TaskSnapshot {
    let mut task = crate::model::joined::tests::task(tid, 0);
    task.tgid = process;
    task
}

#[test]
fn a_move_within_the_subtree_brings_nobody_in() {
    let mut session = Session::new(Hierarchy::V1, 1000);
    session.were_inside([7]);
    session.observe(&event(900, moved_in(8)));
    session.observe(&event(1100, moved_in(7)));
    session.observe(&event(1100, moved_in(8)));
    session.observe(&event(1200, moved_in(9)));
    let joined = session.joined(1500);
    assert_eq!(joined.keys().collect::<Vec<_>>(), [&9]);
    assert_eq!(joined[&9], Joined { how: JoinedBy::Move, ago_ns: Some(300) });
}

#[test]
fn who_left_and_comes_back_is_late() {
    let mut session = Session::new(Hierarchy::V1, 1000);
    session.were_inside([7]);
    session.observe(&event(1100, EventKind::Attach { tid: 7, to: 1, into: false }));
    session.observe(&event(1200, moved_in(7)));
    assert!(session.joined(1500).contains_key(&7));
}

#[test]
fn the_threads_of_a_moved_process_came_with_it_but_for_those_that_were_there() {
    let mut session = Session::new(Hierarchy::V1, 1000);
    session.were_inside([12]);
    session.observe(&event(1200, moved_in(10)));
    session.look(&[seen(10, 10), seen(11, 10), seen(12, 10), seen(20, 20)]);
    let joined = session.joined(1500);
    assert_eq!((joined.get(&11), joined.get(&12), joined.get(&20)), (joined.get(&10), None, None));
    assert!(session.timelines().iter().all(|task| task.late == [10, 11].contains(&task.tid)));
}

#[test]
fn an_execve_after_the_request_joins_and_a_fork_stays_a_fork() {
    let mut session = Session::new(Hierarchy::V2, 1000);
    let exec = |tid| EventKind::Exec { tid, comm: "sh".into() };
    session.observe(&event(900, exec(6)));
    session.observe(&event(1100, exec(7)));
    session.observe(&event(1100, EventKind::Fork { parent: 7, tid: 8, tgid: Some(8) }));
    session.observe(&event(1200, exec(8)));
    let joined = session.joined(1500);
    assert_eq!(joined.get(&6), None);
    assert_eq!(joined[&7], Joined { how: JoinedBy::Exec, ago_ns: Some(400) });
    assert_eq!(joined[&8].how, JoinedBy::Fork { parent: Some(7) });
}
