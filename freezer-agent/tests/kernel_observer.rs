//! The kernel side on the running kernel: real cgroups, real tasks. Needs root; says so loudly where it is not.

mod kernel_common;

use std::time::Duration;

use freezer_agent::{
    model::{Caller, Event, EventKind, Hierarchy, TaskSnapshot, TaskState},
    source::{Observer, ObserverOptions, Scope, Stacks, procfs},
};
use kernel_common::{Cgroup, Sleeper, observer, ready, settle};

fn find(tasks: &[TaskSnapshot], tid: i32) -> &TaskSnapshot {
    tasks.iter().find(|task| task.tid == tid).expect("the task is in the snapshot")
}

#[tokio::test]
async fn a_sleeper_frozen_in_place_by_v1_is_seen_as_frozen() {
    let Some(cgroup) = ready(Hierarchy::V1, "in-place") else { return };
    let sleeper = Sleeper::start(&cgroup);
    let mut observer = observer(&cgroup);
    let before = observer.snapshot(Scope::Watched, Stacks::All).expect("a snapshot");
    assert_eq!(find(&before, sleeper.tid()).frozen_v1, Some(false));
    cgroup.freeze();
    settle(|| cgroup.frozen());

    let tasks = observer.snapshot(Scope::Watched, Stacks::All).expect("a snapshot");
    let task = find(&tasks, sleeper.tid());
    assert_eq!(
        (task.frozen_v1, task.frozen_v2, task.state),
        (Some(true), Some(false), TaskState::Uninterruptible)
    );
    assert_eq!(task.cgroup_v1, Some(cgroup.id()));
    assert!(!task.stack.is_empty(), "asked for all stacks");
    assert!(tasks.iter().all(|task| task.cgroup_v1 == Some(cgroup.id())), "only the watched subtree");

    let frozen_left_out = observer.snapshot(Scope::Watched, Stacks::NotFrozen).expect("a snapshot");
    assert!(find(&frozen_left_out, sleeper.tid()).stack.is_empty());
}

#[tokio::test]
async fn a_sleeper_frozen_by_v2_is_seen_as_frozen_and_asked() {
    let Some(cgroup) = ready(Hierarchy::V2, "v2") else { return };
    let sleeper = Sleeper::start(&cgroup);
    cgroup.freeze();
    settle(|| cgroup.frozen());
    let tasks = observer(&cgroup).snapshot(Scope::Watched, Stacks::All).expect("a snapshot");
    let task = find(&tasks, sleeper.tid());
    assert_eq!((task.frozen_v1, task.frozen_v2, task.freeze_asked_v2), (Some(false), Some(true), Some(true)));
    assert_eq!(task.cgroup_v2, Some(cgroup.id()));

    let from_proc = procfs::snapshot(&[sleeper.tid()], true);
    assert_eq!(from_proc[0].frozen_v2, Some(true), "its stack: {:?}", from_proc[0].stack);
}

#[tokio::test]
async fn a_task_blocked_in_d_state_is_seen_as_not_frozen_where_proc_cannot_tell() {
    let Some(cgroup) = ready(Hierarchy::V1, "blocked") else { return };
    let parent = Sleeper::start_vfork_parent(&cgroup);
    settle(|| procfs::snapshot(&[parent.tid()], false)[0].state == TaskState::Uninterruptible);
    let tasks = observer(&cgroup).snapshot(Scope::Watched, Stacks::NotFrozen).expect("a snapshot");
    let task = find(&tasks, parent.tid());
    assert_eq!((task.frozen_v1, task.state), (Some(false), TaskState::Uninterruptible));
    assert!(!task.stack.is_empty());

    assert_eq!(task.frozen_v2, Some(true), "v2 counts every vfork parent, whether or not it was asked");
    assert_eq!(task.freeze_asked_v2, Some(false));

    let from_proc = &procfs::snapshot(&[parent.tid()], true)[0];
    assert_eq!(from_proc.frozen_v1, None);
    let names = |task: &TaskSnapshot| {
        (task.tid, task.tgid, task.parent, task.comm.clone(), task.switches, task.policy)
    };
    assert_eq!(names(from_proc), names(task));
    assert_eq!(from_proc.stack, task.stack);
    // /proc rounds to hundredths of a second.
    assert_eq!(from_proc.start_ns / 10_000_000, task.start_ns / 10_000_000);
}

async fn events_of(observer: &mut Observer) -> Vec<Event> {
    let mut events = Vec::new();
    // Waits for the first, then takes what the next moments bring.
    let first = tokio::time::timeout(Duration::from_secs(5), observer.next_events(&mut events)).await;
    first.expect("an event within five seconds").expect("the ring can be read");
    tokio::time::sleep(Duration::from_millis(200)).await;
    observer.drain(&mut events);
    events
}

async fn watched_tasks_and_no_others(hierarchy: Hierarchy) {
    let Some(cgroup) = ready(hierarchy, "events") else { return };
    let mut observer = observer(&cgroup);
    let inside = Sleeper::start_forking(&cgroup);
    let outside = Sleeper::start_outside_forking();
    let events = events_of(&mut observer).await;
    let family = |tid: i32| inside.owns(tid);

    let mut kinds = std::collections::BTreeSet::new();
    for event in &events {
        let (kind, tid) = match &event.kind {
            EventKind::SwitchOut { tid, .. } => ("switch_out", *tid),
            EventKind::SwitchIn { tid } => ("switch_in", *tid),
            EventKind::Waking { tid, .. } => ("waking", *tid),
            EventKind::Fork { tid, parent, .. } => {
                assert!(family(*parent) && inside.note(*tid), "{event:?}");
                ("fork", *tid)
            }
            EventKind::Exec { tid, .. } => ("exec", *tid),
            EventKind::Exit { tid } => ("exit", *tid),
            // Other tests move their own tasks in this hierarchy meanwhile: the kernel does not say where from.
            EventKind::Attach { into: false, .. } => continue,
            EventKind::Attach { tid, into: true, to } => {
                assert_eq!(*to, cgroup.id());
                ("attach", *tid)
            }
            other => panic!("nobody froze anything: {other:?}"),
        };
        assert!(family(tid), "an event of a task that is not watched: {event:?}");
        kinds.insert(kind);
    }
    let expected = ["attach", "exec", "exit", "fork", "switch_in", "switch_out", "waking"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
    assert!(events.is_sorted_by_key(|event| event.time_ns / 100_000_000), "in the order of time, CPU by CPU");
    drop(outside);
    // The counters of a CPU are not read at one instant: wait until nothing happens in between.
    settle(|| {
        let counters = observer.counters().expect("counters");
        let adds_up = |hook: &freezer_agent::source::Counter| {
            hook.seen == hook.filtered + hook.submitted + hook.ring_full + hook.read_failed
        };
        counters.lost() == 0 && counters.hooks.iter().all(adds_up)
    });
}

#[tokio::test]
async fn events_of_watched_tasks_arrive_and_none_of_others_v1() {
    watched_tasks_and_no_others(Hierarchy::V1).await;
}

#[tokio::test]
async fn events_of_watched_tasks_arrive_and_none_of_others_v2() {
    watched_tasks_and_no_others(Hierarchy::V2).await;
}

#[tokio::test]
async fn a_v2_freeze_is_told_by_the_kernel_with_its_writer() {
    let Some(cgroup) = ready(Hierarchy::V2, "asked") else { return };
    let sleeper = Sleeper::start(&cgroup);
    let mut observer = observer(&cgroup);
    cgroup.freeze();
    settle(|| cgroup.frozen());
    let events = events_of(&mut observer).await;
    let me = nix::unistd::gettid().as_raw();
    let me = |by: &Caller| (by.tid, by.pid) == (me, nix::unistd::getpid().as_raw());
    let asked = |event: &Event| matches!(&event.kind, EventKind::FreezeAsked { cgroup: id, by } if *id == cgroup.id() && me(by));
    let notified =
        |event: &Event| event.kind == EventKind::NotifyFrozen { cgroup: cgroup.id(), frozen: true };
    let froze = |event: &Event| matches!(&event.kind, EventKind::SwitchOut { tid, frozen, .. } if *tid == sleeper.tid() && frozen.v2);
    for (what, found) in [("asked", events.iter().any(asked)), ("notified", events.iter().any(notified))] {
        assert!(found, "{what} is missing in {events:#?}");
    }
    assert!(events.iter().any(froze), "no switch-out of a frozen task in {events:#?}");
}

#[tokio::test]
async fn a_full_ring_is_counted() {
    let Some(cgroup) = ready(Hierarchy::V2, "full") else { return };
    let options = ObserverOptions { ring_bytes: 4096, ..ObserverOptions::default() };
    let mut observer = Observer::load(&cgroup.watch(), &options).expect("the kernel takes the programs");
    let sleeper = Sleeper::start_forking(&cgroup);
    settle(|| observer.counters().expect("counters").lost() > 0);
    drop(sleeper);
    let mut events = Vec::new();
    observer.drain(&mut events);
    assert!(!events.is_empty(), "what fitted is there");
}

#[tokio::test]
async fn a_spinning_task_is_sampled_in_user_code() {
    let Some(cgroup) = ready(Hierarchy::V1, "spin") else { return };
    let spinner = Sleeper::start_spinning(&cgroup);
    let mut observer = observer(&cgroup);
    observer.start_sampling(500).expect("the timer sample");
    tokio::time::sleep(Duration::from_millis(500)).await;
    observer.stop_sampling().expect("stops");
    let mut events = Vec::new();
    observer.drain(&mut events);
    let user = events
        .iter()
        .filter(|e| matches!(&e.kind, EventKind::Sample { tid, user: true, stack } if *tid == spinner.tid() && stack.is_empty()));
    assert!(user.count() > 10, "of {} events", events.len());
    let named =
        |e: &Event| matches!(&e.kind, EventKind::Sample { user: false, stack, .. } if stack.is_empty());
    assert!(!events.iter().any(named), "a sample in the kernel has a stack");
}

#[tokio::test]
async fn debug_lines_of_the_kernel_side_are_taken_by_the_verifier_too() {
    let Some(cgroup) = ready(Hierarchy::V2, "log") else { return };
    let options = ObserverOptions { log: true, ..ObserverOptions::default() };
    let observer = Observer::load(&cgroup.watch(), &options).expect("the kernel takes the programs");
    let tracepoint = |missing: &&freezer_agent::host::Missing| !missing.why.contains("fentry");
    assert_eq!(observer.missing().iter().find(tracepoint), None);
}

#[tokio::test]
async fn every_tracepoint_is_attached_on_this_kernel() {
    for hierarchy in [Hierarchy::V1, Hierarchy::V2] {
        let Some(cgroup) = ready(hierarchy, "attached") else { return };
        let observer = observer(&cgroup);
        let refused: Vec<_> =
            observer.missing().iter().filter(|missing| !missing.why.contains("fentry")).collect();
        assert!(refused.is_empty(), "{refused:?}");
    }
}

#[tokio::test]
async fn a_whole_host_snapshot_holds_this_very_task() {
    let Some(_cgroup) = ready(Hierarchy::V1, "host") else { return };
    let mut observer =
        Observer::for_snapshots(&ObserverOptions::default()).expect("the kernel takes the programs");
    let tasks = observer.snapshot(Scope::Host, Stacks::None).expect("a snapshot");
    let me = find(&tasks, nix::unistd::gettid().as_raw());
    assert_eq!((me.state, me.on_cpu, me.kernel_thread), (TaskState::Running, Some(true), false));
    assert!(find(&tasks, 2).kernel_thread, "kthreadd");
    assert!(me.since_ns.is_some_and(|since| since < 1_000_000_000), "{:?}", me.since_ns);
}

#[test]
fn every_cgroup_made_here_is_gone_after_a_panic() {
    let Some(cgroup) = ready(Hierarchy::V1, "panic") else { return };
    let path = cgroup.path().to_owned();
    let result = std::panic::catch_unwind(move || {
        let _sleeper = Sleeper::start(&cgroup);
        cgroup.freeze();
        let _moved: Cgroup = cgroup;
        panic!("as a failing test would");
    });
    assert!(result.is_err() && !path.exists());
}
