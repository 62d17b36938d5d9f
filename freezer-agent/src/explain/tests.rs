//! Each rule by what it must say, and by near misses it must leave alone.

use proptest::prelude::*;

use super::examples::{self, at, calls, connection, empty, fuse_waiter, mount, task};
use super::facts::{BeforeRequest, CpuQuota, Facts, KnownBy, StackSample, TaskFacts, Userfaultfd};
use super::{Blocker, Cause, Certainty, WaitsFor, arbitrary, judge};
use crate::model::{Hierarchy, LockWait, SchedPolicy, TaskState};

fn with(hierarchy: Hierarchy, tasks: Vec<TaskFacts>) -> Facts {
    Facts { tasks, ..empty(hierarchy) }
}

#[track_caller]
fn only(facts: &Facts) -> Blocker {
    let mut verdict = judge(facts);
    assert_eq!(verdict.blockers.len(), 1, "{verdict:?}");
    verdict.blockers.remove(0)
}

/// The cause of the only task of a v2 subtree.
#[track_caller]
fn cause(task: TaskFacts) -> Cause {
    only(&with(Hierarchy::V2, vec![task])).cause
}

fn unmarked(mut facts: TaskFacts) -> TaskFacts {
    (facts.task.frozen_v1, facts.task.frozen_v2) = (None, None);
    facts
}

fn before(mut facts: TaskFacts, state: TaskState, switches: u64) -> TaskFacts {
    facts.details.get_or_insert_default().before =
        Some(BeforeRequest { state, switches: Some(switches), times: None });
    facts
}

fn running(tid: i32) -> TaskFacts {
    let mut facts = task(tid, "busy");
    facts.task.state = TaskState::Running;
    facts
}

fn lock(owner: i32, owner_is_reader: bool) -> LockWait {
    LockWait { kind: "mutex".to_owned(), owner: Some(owner), owner_is_reader }
}

#[test]
fn a_fuse_waiter_names_mount_and_server_and_that_this_freeze_froze_it() {
    let blocker = only(&examples::facts());
    assert_eq!((blocker.cause, blocker.certainty), (Cause::FuseRequest, Certainty::Likely));
    assert_eq!(
        blocker.summary,
        "waits for the FUSE server of /mnt/data (sshfs, pid 20), frozen by this same freeze"
    );
    assert!(matches!(blocker.waits_for[0], WaitsFor::Mount { .. }));
    assert!(matches!(blocker.waits_for[1], WaitsFor::Task { pid: 20, frozen: true, .. }));
}

#[test]
fn one_of_several_possible_fuse_servers_is_a_guess() {
    let mut facts = examples::facts();
    facts.others.push(task(21, "rclone"));
    facts.fuse = vec![super::facts::FuseConnection { servers_certain: false, ..connection(39, &[20, 21]) }];
    assert_eq!(only(&facts).certainty, Certainty::Guess);
}

#[test]
fn an_idle_fuse_server_is_no_fuse_waiter() {
    assert_eq!(cause(at(1, &["fuse_dev_do_read", "fuse_dev_read"])), Cause::Uninterruptible);
}

#[test]
fn a_page_of_a_disk_filesystem_is_not_waited_for_at_a_fuse_server() {
    let mut task = at(1, &["folio_wait_bit_common", "filemap_read"]);
    task.details = Some(calls("read", "/a", KnownBy::Descriptor, mount(9, "/", "ext4")));
    assert_eq!(cause(task), Cause::Uninterruptible);
}

/// A call that copies from a disk to FUSE.
fn copies(stack: &[&str]) -> TaskFacts {
    let mut task = at(10, stack);
    let mut call = calls("copy_file_range", "/a", KnownBy::Descriptor, mount(9, "/", "ext4"));
    let onto = calls("", "/mnt/data/b", KnownBy::Descriptor, examples::fuse_mount());
    let files = onto.syscall.into_iter().flat_map(|call| call.files);
    call.syscall.as_mut().expect("a call").files.extend(files);
    task.details = Some(call);
    task
}

#[test]
fn a_page_of_a_fuse_file_that_another_task_fetches_is_waited_for_at_its_server() {
    let mut facts = examples::facts();
    let mut task = at(10, &["__folio_lock", "invalidate_inode_pages2_range", "fuse_open"]);
    task.details = Some(calls("openat", "/mnt/data/x", KnownBy::PathArgument, examples::fuse_mount()));
    facts.tasks[0] = task;
    assert_eq!(only(&facts).cause, Cause::FuseRequest);
}

#[test]
fn a_call_on_two_filesystems_waits_for_fuse_only_where_the_stack_says_so_and_shows_that_file() {
    assert_eq!(cause(copies(&["__folio_lock", "filemap_read"])), Cause::Uninterruptible);
    let mut facts = examples::facts();
    facts.tasks[0] = copies(&["request_wait_answer", "fuse_file_write_iter"]);
    let blocker = only(&facts);
    assert_eq!(blocker.cause, Cause::FuseRequest);
    assert_eq!(blocker.evidence.target, Some("/mnt/data/b".into()));
}

#[test]
fn a_writer_to_a_frozen_filesystem_is_certain_by_descriptor_only() {
    for (known_by, certainty) in
        [(KnownBy::Descriptor, Certainty::Certain), (KnownBy::PathArgument, Certainty::Likely)]
    {
        let mut task = at(1, &["percpu_rwsem_wait", "__percpu_down_read", "vfs_write.isra.0"]);
        task.details = Some(calls("write", "/mnt/a b/x", known_by, mount(9, "/mnt/a b", "ext4")));
        let blocker = only(&with(Hierarchy::V2, vec![task]));
        assert_eq!((blocker.cause, blocker.certainty), (Cause::FsFrozen, certainty));
        assert!(blocker.release.contains("fsfreeze -u '/mnt/a b'"), "{}", blocker.release);
    }
}

#[test]
fn a_fork_behind_a_cgroup_migration_is_not_a_frozen_filesystem() {
    assert_eq!(
        cause(at(1, &["percpu_rwsem_wait", "cgroup_can_fork", "copy_process"])),
        Cause::Uninterruptible
    );
    assert_eq!(cause(at(1, &["percpu_rwsem_wait", "exit_signals", "do_exit"])), Cause::Uninterruptible);
}

#[test]
fn a_lock_is_followed_to_what_its_owner_waits_for() {
    let mut facts = examples::facts();
    let mut waiter = at(11, &["filename_create"]);
    waiter.task.lock = Some(lock(10, false));
    facts.tasks.push(waiter);
    let blockers = judge(&facts).blockers;
    let blocker = blockers.iter().find(|b| b.tid == 11).expect("blocks");
    assert_eq!((blocker.cause, blocker.certainty), (Cause::LockHeld, Certainty::Certain));
    assert_eq!(blocker.waits_for.len(), 3, "{:?}", blocker.waits_for);
}

#[test]
fn a_readers_lock_names_its_last_reader_as_likely() {
    let mut waiter = task(1, "a");
    waiter.task.lock = Some(lock(2, true));
    let mut facts = with(Hierarchy::V2, vec![waiter]);
    facts.others.push(task(2, "b"));
    let blocker = only(&facts);
    assert_eq!(blocker.certainty, Certainty::Likely);
    assert!(blocker.summary.contains("last read by b"), "{}", blocker.summary);
}

#[test]
fn a_circle_of_locks_ends() {
    let (mut a, mut b) = (task(1, "a"), task(2, "b"));
    (a.task.lock, b.task.lock) = (Some(lock(2, false)), Some(lock(1, false)));
    for blocker in judge(&with(Hierarchy::V2, vec![a, b])).blockers {
        assert!(blocker.summary.contains("in turn"), "{}", blocker.summary);
    }
}

#[test]
fn a_kernel_thread_makes_v2_impossible_and_v1_unknown() {
    let mut thread = task(1, "jbd2");
    thread.task.kernel_thread = true;
    let v2 = judge(&with(Hierarchy::V2, vec![thread.clone()]));
    assert_eq!(v2.blockers[0].cause, Cause::KernelThread);
    assert!(v2.impossible.is_some());
    let v1 = judge(&with(Hierarchy::V1, vec![thread]));
    assert_eq!((v1.blockers.len(), v1.unknown, v1.impossible), (0, vec![1], None));
}

#[test]
fn a_task_frozen_in_v1_makes_v2_impossible_but_not_the_reverse() {
    let mut first = task(1, "a");
    first.task.frozen_v1 = Some(true);
    let v2 = judge(&with(Hierarchy::V2, vec![first]));
    assert_eq!(v2.blockers[0].cause, Cause::FrozenElsewhere);
    assert!(v2.impossible.is_some());
    let mut second = task(1, "a");
    (second.task.frozen_v2, second.task.state) = (Some(true), TaskState::Sleeping);
    assert_eq!(judge(&with(Hierarchy::V1, vec![second])), super::Verdict::default());
}

#[test]
fn a_userfault_that_only_one_sample_of_many_shows_is_found() {
    let mut task = running(1);
    let sample = |count, frame: &str| StackSample { count, user: false, stack: vec![frame.to_owned()] };
    task.details.get_or_insert_default().samples =
        vec![sample(999, "fault_in_readable"), sample(1, "handle_userfault")];
    let mut facts = with(Hierarchy::V1, vec![task]);
    facts.userfaultfds = vec![Userfaultfd { pid: 2, fd: 3, pending: 0, total: 1 }];
    facts.others.push(super::examples::task(2, "criu"));
    let blocker = only(&facts);
    assert_eq!(blocker.cause, Cause::Userfault);
    assert!(blocker.summary.contains("criu, pid 2"), "{}", blocker.summary);
}

#[test]
fn exiting_is_said_only_where_nothing_more_specific_is() {
    let mut plain = at(1, &["exit_mmap"]);
    plain.task.exiting = true;
    assert_eq!(cause(plain), Cause::Exiting);
    let mut flushing = fuse_waiter(1);
    flushing.task.exiting = true;
    let blocker = only(&with(Hierarchy::V2, vec![flushing]));
    assert_eq!((blocker.cause, blocker.evidence.exiting), (Cause::FuseRequest, true));
}

#[test]
fn a_spent_quota_is_told_from_a_busy_cpu() {
    let quota = CpuQuota {
        cgroup: "/cpu/a".into(),
        quota_us: 1000,
        period_us: 100_000,
        throttled_times: Some(2),
        covers: vec![1],
    };
    let mut throttled = with(Hierarchy::V1, vec![running(1)]);
    throttled.quotas.push(quota.clone());
    assert_eq!(only(&throttled).cause, Cause::CpuThrottled);
    let mut elsewhere = with(Hierarchy::V1, vec![running(1)]);
    elsewhere.quotas.push(CpuQuota { covers: vec![2], ..quota });
    assert_eq!(only(&elsewhere).cause, Cause::CpuStarved, "a quota that does not cover it");
}

#[test]
fn a_starved_task_names_the_real_time_task_on_its_cpu_and_no_other() {
    let mut facts = with(Hierarchy::V1, vec![running(1)]);
    for (tid, cpu, policy) in [(2, 1, SchedPolicy::Fifo), (3, 0, SchedPolicy::Fifo)] {
        let mut hog = running(tid);
        (hog.task.cpu, hog.task.policy, hog.task.on_cpu) = (cpu, policy, Some(true));
        facts.others.push(hog);
    }
    let blocker = only(&facts);
    assert_eq!(blocker.cause, Cause::CpuStarved);
    assert!(matches!(blocker.waits_for[..], [WaitsFor::Task { pid: 3, .. }]), "{:?}", blocker.waits_for);
}

#[test]
fn a_real_time_task_that_wants_the_cpu_is_named_though_another_is_let_through() {
    let mut facts = with(Hierarchy::V1, vec![running(1)]);
    for (tid, policy, on_cpu) in [(2, SchedPolicy::Fair, true), (3, SchedPolicy::Fifo, false)] {
        let mut other = running(tid);
        (other.task.policy, other.task.on_cpu) = (policy, Some(on_cpu));
        facts.others.push(other);
    }
    let named = |facts: &Facts| match only(facts).waits_for[..] {
        [WaitsFor::Task { pid, .. }] => Some(pid),
        _ => None,
    };
    assert_eq!(named(&facts), Some(3));
    facts.others[1].task.state = TaskState::Sleeping;
    assert_eq!(named(&facts), Some(2), "one that sleeps takes nothing");
}

#[test]
fn a_short_wait_for_a_cpu_is_only_running() {
    let mut task = running(1);
    task.task.since_ns = Some(1_000_000);
    assert_eq!(cause(task), Cause::Running);
}

#[test]
fn kernel_samples_are_kernel_work_and_user_samples_are_not() {
    for (user, expected) in [(false, Cause::KernelWork), (true, Cause::Running)] {
        let mut task = running(1);
        task.task.on_cpu = Some(true);
        let stack = vec!["mincore_pte_range".to_owned()];
        task.details.get_or_insert_default().samples = vec![StackSample { count: 9, user, stack }];
        assert_eq!(cause(task), expected);
    }
}

#[test]
fn without_marks_a_sleeper_that_never_ran_since_was_frozen_in_place() {
    let sleeper = before(unmarked(at(1, &["hrtimer_nanosleep"])), TaskState::Sleeping, 7);
    assert_eq!(judge(&with(Hierarchy::V1, vec![sleeper])), super::Verdict::default());
}

#[test]
fn without_marks_v1_blames_only_sleeps_that_never_freeze_in_place() {
    let fuse = only(&with(Hierarchy::V1, vec![unmarked(fuse_waiter(1))]));
    assert_eq!(fuse.cause, Cause::FuseRequest);
    let disk = before(unmarked(at(1, &["io_schedule"])), TaskState::Uninterruptible, 7);
    assert_eq!(only(&with(Hierarchy::V1, vec![disk])).cause, Cause::Uninterruptible);
    let writer = unmarked(at(1, &["percpu_rwsem_wait", "mnt_want_write"]));
    for doubtful in
        [writer.clone(), before(writer, TaskState::Uninterruptible, 7), unmarked(at(1, &["io_schedule"]))]
    {
        let verdict = judge(&with(Hierarchy::V1, vec![doubtful]));
        assert_eq!((verdict.blockers.len(), verdict.unknown), (0, vec![1]));
    }
}

#[test]
fn stopped_traced_dead_and_vfork_parents_are_frozen_enough() {
    let mut parent = unmarked(at(1, &["kernel_clone"]));
    for state in [TaskState::Stopped, TaskState::Traced, TaskState::Zombie, TaskState::Dead] {
        let mut task = task(2, "x");
        task.task.state = state;
        assert_eq!(judge(&with(Hierarchy::V1, vec![task])), super::Verdict::default(), "{state:?}");
    }
    for hierarchy in [Hierarchy::V1, Hierarchy::V2] {
        parent.task.frozen_v2 = None;
        assert_eq!(judge(&with(hierarchy, vec![parent.clone()])), super::Verdict::default());
    }
}

#[test]
fn explained_blockers_come_first_then_the_longest_waiting() {
    let (mut old, mut young) = (fuse_waiter(2), fuse_waiter(1));
    (old.task.since_ns, young.task.since_ns) = (Some(2), Some(1));
    let tids: Vec<i32> =
        judge(&with(Hierarchy::V2, vec![task(3, "d"), young, old])).blockers.iter().map(|b| b.tid).collect();
    assert_eq!(tids, [2, 1, 3]);
}

proptest! {
    #[test]
    fn a_frozen_task_is_never_a_blocker_and_nothing_panics(facts in arbitrary::facts()) {
        let verdict = judge(&facts);
        // Thread ids may repeat in made-up facts: a blocker needs at least one task that is not frozen.
        for blocker in &verdict.blockers {
            let could_block = facts.tasks.iter().any(|f| {
                f.task.tid == blocker.tid
                    && f.task.frozen_in(facts.hierarchy) != Some(true)
                    && !matches!(
                        f.task.state,
                        TaskState::Zombie | TaskState::Dead | TaskState::Stopped | TaskState::Traced
                    )
            });
            prop_assert!(could_block, "{:?}", blocker);
        }
        prop_assert!(verdict.blockers.len() + verdict.unknown.len() <= facts.tasks.len());
    }
}

#[test]
fn a_task_whose_call_names_no_mount_waits_where_others_do_not_account_for_all_requests() {
    let mut exiting = at(1, &["request_wait_answer", "__fuse_simple_request", "fuse_flush", "do_exit"]);
    exiting.task.exiting = true;
    let mut facts = with(Hierarchy::V1, vec![exiting]);
    let busy = |number, waiting, waiters: &[i32]| crate::explain::facts::FuseConnection {
        waiting: Some(waiting),
        waiters: waiters.to_vec(),
        mounts: vec![mount(number, &format!("/mnt/{number}"), "fuse.sshfs")],
        ..connection(number, &[])
    };
    let mount_of = |facts: &Facts| match only(facts).waits_for.first() {
        Some(WaitsFor::Mount { path, .. }) => Some(path.to_string()),
        _ => None,
    };
    facts.fuse = vec![busy(38, 1, &[50]), busy(39, 1, &[])];
    assert_eq!(mount_of(&facts).as_deref(), Some("/mnt/39"));
    // Somebody has one more request on the other: a page read ahead, say.
    facts.fuse = vec![busy(38, 2, &[50]), busy(39, 1, &[])];
    assert_eq!(mount_of(&facts), None);
}
