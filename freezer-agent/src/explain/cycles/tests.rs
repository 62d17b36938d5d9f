//! Circles by what must be said of them, and what is none.

use super::super::examples::{self, at, calls, connection, empty, fuse_waiter, mount, task};
use super::super::facts::{CgroupFacts, Froze, FuseConnection, KnownBy, TaskFacts};
use super::super::{Cycle, Facts, judge};
use crate::model::{Hierarchy, LockWait, Name};

fn cycles(facts: &Facts) -> Vec<Cycle> {
    judge(facts).cycles
}

#[track_caller]
fn only(facts: &Facts) -> Cycle {
    let mut found = cycles(facts);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

fn pids(cycle: &Cycle) -> Vec<Vec<i32>> {
    cycle.order.iter().map(|step| step.processes.iter().map(|process| process.pid).collect()).collect()
}

/// A task that waits for connection `number`.
fn waits_on(tid: i32, number: u32, path: &str) -> TaskFacts {
    let mut facts = at(tid, &["request_wait_answer", "fuse_lookup"]);
    facts.details =
        Some(calls("mkdir", &format!("{path}/x"), KnownBy::PathArgument, mount(number, path, "fuse.x")));
    facts
}

fn frozen(tid: i32, comm: &str) -> TaskFacts {
    let mut facts = task(tid, comm);
    (facts.task.frozen_v1, facts.details) = (Some(true), None);
    facts
}

#[test]
fn a_freeze_that_waits_for_its_own_server_says_when_it_was_frozen_and_which_order_works() {
    let mut facts = examples::facts();
    facts.froze.push(Froze { tid: 20, after_ns: Some(812_000) });
    let cycle = only(&facts);
    assert_eq!(
        cycle.summary,
        "cgroup /cg/0 cannot freeze: it waits for its own FUSE server (sshfs, pid 20), frozen 812 µs into this freeze"
    );
    assert_eq!((cycle.blockers.as_slice(), pids(&cycle)), (&[10][..], vec![vec![10], vec![20]]));
    assert!(cycle.advice.starts_with("freeze backup (pid 10)"), "{}", cycle.advice);
}

#[test]
fn clients_and_server_in_cgroups_of_their_own_are_frozen_one_after_the_other() {
    let mut facts = examples::facts();
    for (id, name) in [(101, "/cg/0/clients"), (102, "/cg/0/server")] {
        facts.subtree.push(id);
        facts.cgroups.push(CgroupFacts { id, path: name.into(), ..facts.cgroups[0].clone() });
    }
    facts.tasks[0].task.cgroup_v1 = Some(101);
    facts.tasks[1].task.cgroup_v1 = Some(102);
    let cycle = only(&facts);
    assert!(cycle.advice.contains("/cg/0/clients, then /cg/0/server"), "{}", cycle.advice);
    assert_eq!(cycle.order[1].cgroup, Some(Name::from("/cg/0/server")));
}

#[test]
fn a_server_frozen_before_in_another_cgroup_is_no_circle() {
    let mut facts = examples::facts();
    let mut server = facts.tasks.remove(1);
    server.task.cgroup_v1 = Some(7);
    facts.others.push(server);
    facts.cgroups.push(other_cgroup());
    assert_eq!(cycles(&facts), []);
}

fn other_cgroup() -> CgroupFacts {
    CgroupFacts {
        hierarchy: Hierarchy::V1,
        id: 7,
        path: "/cg/1/a".into(),
        freeze_asked: Some(true),
        asked_by: vec!["/cg/1".into()],
    }
}

#[test]
fn two_freezes_that_wait_for_each_others_servers_are_one_circle() {
    // 10 in /cg/0 waits for 21, frozen in /cg/1; 11 in /cg/1 waits for 20, frozen in /cg/0.
    let mut facts = empty(Hierarchy::V1);
    facts.tasks = vec![waits_on(10, 39, "/a"), frozen(20, "first")];
    facts.others = vec![waits_on(11, 40, "/b"), frozen(21, "second")];
    for other in &mut facts.others {
        other.task.cgroup_v1 = Some(7);
    }
    facts.cgroups.push(other_cgroup());
    facts.fuse = vec![connection(39, &[21]), connection(40, &[20])];
    let cycle = only(&facts);
    assert_eq!(
        cycle.summary,
        "cgroups /cg/0 and /cg/1 cannot both freeze: /cg/0 waits for second, pid 21, frozen by /cg/1; /cg/1 waits for \
         first, pid 20, frozen by /cg/0"
    );
    assert_eq!(pids(&cycle), [[10, 11], [20, 21]]);
}

#[test]
fn a_chain_of_servers_is_frozen_from_its_client_on() {
    let mut facts = empty(Hierarchy::V1);
    facts.tasks = vec![waits_on(10, 39, "/a"), waits_on(20, 40, "/b"), frozen(30, "last")];
    facts.fuse = vec![connection(39, &[20]), connection(40, &[30])];
    assert_eq!(pids(&only(&facts)), [[10], [20], [30]]);
}

#[test]
fn locks_held_crosswise_are_a_deadlock_with_no_order() {
    let lock =
        |owner| Some(LockWait { kind: "mutex".to_owned(), owner: Some(owner), owner_is_reader: false });
    let mut facts = empty(Hierarchy::V2);
    let (mut a, mut b) = (task(1, "a"), task(2, "b"));
    (a.task.lock, b.task.lock) = (lock(2), lock(1));
    facts.tasks = vec![a, b];
    let cycle = only(&facts);
    assert_eq!(cycle.summary, "a deadlock of locks: a (pid 1) and b (pid 2) wait for each other's");
    assert_eq!((cycle.order.len(), cycle.blockers), (0, vec![1, 2]));
}

#[test]
fn a_server_that_waits_for_its_own_mount_is_a_deadlock() {
    let mut facts = empty(Hierarchy::V2);
    facts.tasks = vec![fuse_waiter(10)];
    facts.others = vec![fuse_waiter(20)];
    facts.fuse = vec![connection(39, &[20])];
    let cycle = only(&facts);
    assert!(cycle.summary.contains("serves /mnt/data and waits for that mount itself"), "{}", cycle.summary);
    assert!(cycle.advice.starts_with("no order of freezing works"), "{}", cycle.advice);
}

#[test]
fn a_server_with_a_thread_free_is_in_no_circle_with_itself() {
    let mut facts = empty(Hierarchy::V2);
    facts.tasks = vec![fuse_waiter(10)];
    let mut free = at(21, &["fuse_dev_do_read", "fuse_dev_read"]);
    free.task.tgid = 20;
    facts.others = vec![fuse_waiter(20), free];
    facts.fuse = vec![FuseConnection { readers: vec![21], ..connection(39, &[20]) }];
    assert_eq!(cycles(&facts), []);
    let blocker = judge(&facts).blockers.remove(0);
    assert!(blocker.summary.contains("waits for further requests"), "{}", blocker.summary);
}
