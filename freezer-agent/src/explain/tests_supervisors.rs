//! The rules for tasks that wait for another process's answer: what they must say, and near misses.

use super::examples::{at, calls, connection, empty, fuse_mount, mount, task};
use super::facts::{
    Automount, Facts, FanotifyListener, FanotifyMark, KeyUpcall, KnownBy, MarkedObject, MountFacts,
    SeccompListener, SyscallFacts, TaskFacts, UsedFile, UserModeHelper,
};
use super::{Blocker, Cause, Certainty, WaitsFor, judge};
use crate::model::{Hierarchy, TaskState};

const OPEN_PERM: u64 = 0x10000;
const ACCESS_PERM: u64 = 0x20000;
const ON_CHILD: u64 = 0x0800_0000;

#[track_caller]
fn only(facts: &Facts) -> Blocker {
    let mut verdict = judge(facts);
    assert_eq!(verdict.blockers.len(), 1, "{verdict:?}");
    verdict.blockers.remove(0)
}

/// A v2 subtree with one blocked task, pid 1, and running processes outside.
fn blocked(task: TaskFacts, others: &[(i32, &str)]) -> Facts {
    let mut facts = empty(Hierarchy::V2);
    facts.tasks.push(task);
    facts.others = others.iter().map(|(pid, comm)| running(*pid, comm)).collect();
    facts
}

fn running(pid: i32, comm: &str) -> TaskFacts {
    let mut facts = task(pid, comm);
    facts.task.state = TaskState::Running;
    (facts.task.cgroup_v1, facts.task.cgroup_v2) = (None, None);
    facts
}

fn pid_of(blocker: &Blocker) -> Vec<i32> {
    let pids = blocker.waits_for.iter().filter_map(|step| match step {
        WaitsFor::Task { pid, .. } => Some(*pid),
        _ => None,
    });
    pids.collect()
}

fn held() -> TaskFacts {
    let mut facts =
        at(1, &["seccomp_do_user_notification.isra.0", "__seccomp_filter", "syscall_trace_enter"]);
    let call = SyscallFacts { name: "mount".to_owned(), files: Vec::new() };
    facts.details.get_or_insert_default().syscall = Some(call);
    facts
}

fn supervisor(holders: &[i32], unanswered: Option<bool>) -> SeccompListener {
    SeccompListener { holders: holders.to_vec(), unanswered, unreceived: unanswered.map(|_| false) }
}

#[test]
fn a_supervisor_is_named_with_the_call_it_holds() {
    let mut facts = blocked(held(), &[(2, "agent")]);
    facts.seccomp = vec![supervisor(&[2], Some(true))];
    let blocker = only(&facts);
    assert_eq!((blocker.cause, blocker.certainty), (Cause::SeccompNotify, Certainty::Likely));
    assert_eq!(blocker.summary, "waits, in mount, for a seccomp supervisor (agent, pid 2), which is running");
    assert_eq!(pid_of(&blocker), [2]);
}

#[test]
fn a_supervisor_whom_nobody_asks_anything_is_left_out() {
    let mut facts = blocked(held(), &[(2, "idle"), (3, "agent")]);
    facts.seccomp = vec![supervisor(&[2], Some(false)), supervisor(&[3], Some(true))];
    assert_eq!(pid_of(&only(&facts)), [3]);
    facts.seccomp.remove(1);
    let blocker = only(&facts);
    assert!(blocker.waits_for.is_empty(), "the one who is not asked is not blamed: {blocker:?}");
}

#[test]
fn of_supervisors_that_could_not_be_asked_none_is_picked() {
    for second in [Some(true), None] {
        let mut facts = blocked(held(), &[(2, "a"), (3, "b")]);
        facts.seccomp = vec![supervisor(&[2], Some(true)), supervisor(&[3], second)];
        let blocker = only(&facts);
        assert!(blocker.waits_for.is_empty(), "{blocker:?}");
        assert!(
            blocker.summary.contains("a, pid 2") && blocker.summary.contains("b, pid 3"),
            "{}",
            blocker.summary
        );
        assert_eq!(blocker.evidence.notes.len(), 1);
    }
}

#[test]
fn a_task_s_own_copy_of_the_listening_end_answers_nothing() {
    let mut facts = blocked(held(), &[(2, "agent")]);
    facts.seccomp = vec![supervisor(&[1, 2], Some(true))];
    assert_eq!(pid_of(&only(&facts)), [2]);
    facts.seccomp = vec![supervisor(&[1], Some(true))];
    assert!(only(&facts).summary.contains("its own process"));
}

#[test]
fn a_wait_that_a_signal_still_ends_blocks_nothing() {
    let mut waiter = held();
    waiter.task.state = TaskState::Sleeping;
    let verdict = judge(&blocked(waiter, &[]));
    assert_eq!((verdict.blockers.len(), verdict.unknown), (0, vec![1]));
}

#[test]
fn a_filter_s_other_work_is_no_wait_for_a_supervisor() {
    let stack = ["io_schedule", "seccomp_do_user_notification", "__seccomp_filter"];
    assert_eq!(only(&blocked(at(1, &stack), &[])).cause, Cause::Uninterruptible);
}

fn asks_leave(known_by: KnownBy, used: UsedFile) -> TaskFacts {
    let mut facts = at(1, &["fanotify_handle_event", "fsnotify", "__fsnotify_parent"]);
    let name = if known_by == KnownBy::Descriptor { "read" } else { "openat" };
    let mut details = calls(name, "/data/a", known_by, mount(9, "/data", "tmpfs"));
    details.used_file = Some(used);
    facts.details = Some(details);
    facts
}

fn used(by_descriptor: bool) -> UsedFile {
    UsedFile { mount: 42, device: (0, 9), inode: Some(5), parent: Some(4), by_descriptor }
}

fn listener(pid: i32, on: MarkedObject, events: u64) -> FanotifyListener {
    FanotifyListener { holders: vec![pid], marks: vec![FanotifyMark { on, events, ignored: 0 }] }
}

#[test]
fn the_listener_that_marked_an_open_file_is_certain_by_descriptor_only() {
    for (known_by, events, certainty) in [
        (KnownBy::Descriptor, ACCESS_PERM, Certainty::Certain),
        (KnownBy::PathArgument, OPEN_PERM, Certainty::Likely),
    ] {
        let by_descriptor = known_by == KnownBy::Descriptor;
        let mut facts = blocked(asks_leave(known_by, used(by_descriptor)), &[(2, "clamonacc")]);
        facts.fanotify = vec![listener(2, MarkedObject::Inode(5, 0, 9), events)];
        let blocker = only(&facts);
        assert_eq!((blocker.cause, blocker.certainty), (Cause::FanotifyPermission, certainty));
        assert_eq!(
            blocker.summary,
            "waits for leave to use /data/a from a fanotify listener (clamonacc, pid 2), which is running"
        );
    }
}

#[test]
fn marks_on_other_places_and_for_other_events_are_left_out() {
    let near_misses = [
        listener(2, MarkedObject::Inode(6, 0, 9), OPEN_PERM),
        listener(2, MarkedObject::Inode(5, 0, 8), OPEN_PERM),
        listener(2, MarkedObject::Inode(4, 0, 9), OPEN_PERM),
        listener(2, MarkedObject::Inode(7, 0, 9), OPEN_PERM | ON_CHILD),
        listener(2, MarkedObject::Mount(43), OPEN_PERM),
        listener(2, MarkedObject::Filesystem(0, 8), OPEN_PERM),
        listener(2, MarkedObject::Mount(42), ACCESS_PERM),
    ];
    let hits = [
        listener(3, MarkedObject::Inode(4, 0, 9), OPEN_PERM | ON_CHILD),
        listener(3, MarkedObject::Mount(42), OPEN_PERM),
        listener(3, MarkedObject::Filesystem(0, 9), OPEN_PERM),
    ];
    for miss in &near_misses {
        for hit in &hits {
            let waiter = asks_leave(KnownBy::PathArgument, used(false));
            let mut facts = blocked(waiter, &[(2, "other"), (3, "right")]);
            facts.fanotify = vec![miss.clone(), hit.clone()];
            assert_eq!(pid_of(&only(&facts)), [3], "{miss:?} {hit:?}");
        }
    }
}

#[test]
fn a_listener_that_ignores_the_file_is_left_out() {
    let mut ignoring = listener(2, MarkedObject::Filesystem(0, 9), OPEN_PERM);
    ignoring.marks.push(FanotifyMark { on: MarkedObject::Inode(5, 0, 9), events: 0, ignored: OPEN_PERM });
    let mut facts = blocked(asks_leave(KnownBy::PathArgument, used(false)), &[(2, "a"), (3, "b")]);
    facts.fanotify = vec![ignoring, listener(3, MarkedObject::Mount(42), OPEN_PERM)];
    assert_eq!(pid_of(&only(&facts)), [3]);
}

#[test]
fn of_listeners_that_marked_the_file_or_may_have_none_is_picked() {
    let unknown_inode = UsedFile { inode: None, parent: None, ..used(false) };
    for used_file in [used(false), unknown_inode] {
        let mut facts = blocked(asks_leave(KnownBy::PathArgument, used_file), &[(2, "a"), (3, "b")]);
        facts.fanotify = vec![
            listener(2, MarkedObject::Inode(5, 0, 9), OPEN_PERM),
            listener(3, MarkedObject::Mount(42), OPEN_PERM),
        ];
        let blocker = only(&facts);
        assert!(blocker.waits_for.is_empty(), "{blocker:?}");
        assert!(
            blocker.summary.contains("a, pid 2") && blocker.summary.contains("b, pid 3"),
            "{}",
            blocker.summary
        );
    }
}

#[test]
fn the_only_listener_is_named_where_the_file_is_not_known() {
    let mut facts = blocked(at(1, &["fanotify_handle_event", "fsnotify", "do_fault"]), &[(2, "hsm")]);
    facts.fanotify = vec![listener(2, MarkedObject::Filesystem(0, 9), 0x0010_0000)];
    let blocker = only(&facts);
    assert_eq!((pid_of(&blocker), blocker.certainty), (vec![2], Certainty::Likely));
}

#[test]
fn without_marks_of_the_freezer_v1_does_not_blame_a_waiter_it_may_have_frozen_in_place() {
    let mut waiter = asks_leave(KnownBy::PathArgument, used(false));
    (waiter.task.frozen_v1, waiter.task.frozen_v2) = (None, None);
    let mut facts = empty(Hierarchy::V1);
    facts.tasks.push(waiter);
    let verdict = judge(&facts);
    assert_eq!((verdict.blockers.len(), verdict.unknown), (0, vec![1]));
}

fn automount(minor: u32, readers: &[i32]) -> Automount {
    Automount { minor, pipe: Some(7), readers: readers.to_vec(), group: readers.first().copied() }
}

fn on_automount(path: &str, points: &[(u32, &str)]) -> TaskFacts {
    let mut facts = at(1, &["autofs_wait", "autofs_mount_wait", "autofs_d_automount"]);
    let mut details = calls("newfstatat", path, KnownBy::PathArgument, mount(3, "/net/a", "nfs"));
    details.automounts = points.iter().map(|(minor, path)| mount(*minor, path, "autofs")).collect();
    facts.details = Some(details);
    facts
}

#[test]
fn an_automount_daemon_is_told_by_the_pipe_it_reads() {
    let mut facts = blocked(on_automount("/net/a/b", &[(40, "/net")]), &[(2, "automount")]);
    facts.automounts = vec![automount(40, &[2])];
    let blocker = only(&facts);
    assert_eq!((blocker.cause, blocker.certainty), (Cause::Autofs, Certainty::Certain));
    assert_eq!(
        blocker.summary,
        "waits at /net for the automount daemon (automount, pid 2), which is running"
    );
    assert!(matches!(&blocker.waits_for[0], WaitsFor::Mount { path, .. } if path.as_bytes() == b"/net"));
}

#[test]
fn of_several_automount_points_the_innermost_on_the_path_counts() {
    let points = [(40, "/net"), (41, "/net/deep"), (42, "/ne"), (43, "/net/deeper")];
    let mut facts = blocked(on_automount("/net/deep/x", &points), &[(2, "a"), (3, "b")]);
    facts.automounts = vec![automount(40, &[2]), automount(41, &[3]), automount(42, &[2])];
    let blocker = only(&facts);
    assert_eq!((pid_of(&blocker), blocker.certainty), (vec![3], Certainty::Likely));
}

#[test]
fn an_automount_point_that_the_path_does_not_tell_is_doubt() {
    let mut facts =
        blocked(on_automount("/home/link", &[(40, "/net"), (41, "/misc")]), &[(2, "a"), (3, "b")]);
    facts.automounts = vec![automount(40, &[2]), automount(41, &[3])];
    let blocker = only(&facts);
    assert!(blocker.waits_for.is_empty(), "{blocker:?}");
    assert!(blocker.evidence.notes[0].contains("/net, /misc"), "{:?}", blocker.evidence.notes);
    facts.automounts[1].readers = vec![2];
    facts.automounts[1].group = Some(2);
    assert_eq!(pid_of(&only(&facts)), [2], "one daemon serves them all");
}

#[test]
fn without_a_pipe_number_the_group_s_leader_is_the_likely_daemon() {
    let mut facts = blocked(on_automount("/net/a", &[(40, "/net")]), &[(2, "systemd")]);
    facts.automounts = vec![Automount { minor: 40, pipe: None, readers: Vec::new(), group: Some(2) }];
    let blocker = only(&facts);
    assert_eq!((pid_of(&blocker), blocker.certainty), (vec![2], Certainty::Likely));
}

#[test]
fn an_automount_point_without_a_daemon_says_so() {
    let mut facts = blocked(on_automount("/net/a", &[(40, "/net")]), &[]);
    facts.automounts = vec![Automount { minor: 40, pipe: Some(7), readers: Vec::new(), group: Some(2) }];
    let blocker = only(&facts);
    assert!(blocker.summary.contains("no process was found"), "{}", blocker.summary);
    assert_eq!(blocker.certainty, Certainty::Likely);
}

fn asks_for_a_key() -> TaskFacts {
    let mut facts = at(1, &["call_usermodehelper_exec", "call_sbin_request_key", "request_key_and_link"]);
    facts.task.since_ns = Some(5_000_000_000);
    facts
}

fn helper(pid: i32, age_ns: u64, arguments: &[&str]) -> UserModeHelper {
    let arguments = arguments.iter().map(|&argument| argument.into()).collect();
    UserModeHelper { pid, waited_for: true, age_ns, arguments }
}

fn upcall(serial: u32, requester: i32) -> KeyUpcall {
    KeyUpcall { serial, requester, key: Some("user backup:k".into()) }
}

#[test]
fn a_key_s_helper_is_told_by_the_key_s_number_also_behind_an_interpreter() {
    let mut facts = blocked(asks_for_a_key(), &[(2, "request-key"), (3, "request-key")]);
    facts.helpers = vec![
        helper(2, 4_000_000_000, &["/sbin/request-key", "create", "77"]),
        helper(3, 4_000_000_000, &["/bin/sh", "/sbin/request-key", "create", "78"]),
    ];
    facts.keys = vec![upcall(77, 9), upcall(78, 1)];
    let blocker = only(&facts);
    assert_eq!((blocker.cause, blocker.certainty), (Cause::KeyUpcall, Certainty::Likely));
    assert_eq!(
        blocker.summary,
        "waits for the user-mode helper that is to make the key \"user backup:k\" (request-key, pid 3), which is running"
    );
}

#[test]
fn without_the_key_table_a_helper_is_told_by_name_and_age() {
    let mut facts = blocked(asks_for_a_key(), &[(2, "request-key"), (3, "request-key"), (4, "other")]);
    facts.helpers = vec![
        helper(2, 9_000_000_000, &["/sbin/request-key", "create", "77"]),
        helper(3, 4_900_000_000, &["/sbin/request-key", "create", "78"]),
        helper(4, 4_900_000_000, &["/sbin/bridge-stp"]),
    ];
    assert_eq!(pid_of(&only(&facts)), [3]);
    facts.helpers[0].age_ns = 1_000_000_000;
    assert!(only(&facts).waits_for.is_empty(), "two that fit: none is picked");
}

#[test]
fn a_module_s_helper_is_modprobe() {
    let stack = ["call_usermodehelper_exec", "__request_module", "__sock_create"];
    let mut facts = blocked(at(1, &stack), &[(2, "modprobe"), (3, "request-key")]);
    facts.helpers = vec![
        helper(2, 1, &["/sbin/modprobe", "-q", "--", "net-pf-12"]),
        helper(3, 1, &["/sbin/request-key"]),
    ];
    let blocker = only(&facts);
    assert!(blocker.summary.contains("to load a module (modprobe, pid 2)"), "{}", blocker.summary);
}

#[test]
fn who_waits_for_a_key_asked_for_by_another_task_came_after_the_helper() {
    let mut waiter = at(1, &["wait_for_key_construction", "request_key_tag", "dns_query"]);
    waiter.task.since_ns = Some(1_000_000_000);
    let mut facts = blocked(waiter, &[(2, "request-key")]);
    facts.helpers = vec![helper(2, 4_000_000_000, &["/sbin/request-key", "create", "77"])];
    facts.keys = vec![upcall(77, 9)];
    assert_eq!(pid_of(&only(&facts)), [2]);
}

#[test]
fn the_chain_goes_on_from_a_server_that_waits_for_an_automount_daemon() {
    let mut client = at(1, &["request_wait_answer"]);
    client.details = Some(calls("stat", "/mnt/data/x", KnownBy::PathArgument, fuse_mount()));
    let mut facts = blocked(client, &[(3, "automount")]);
    let mut server = on_automount("/net/a", &[(40, "/net")]);
    (server.task.tid, server.task.tgid) = (2, 2);
    (server.task.cgroup_v1, server.task.cgroup_v2) = (None, None);
    facts.others.push(server);
    facts.fuse.push(connection(39, &[2]));
    facts.automounts = vec![automount(40, &[3])];
    let blocker = only(&facts);
    assert_eq!((blocker.cause, pid_of(&blocker)), (Cause::FuseRequest, vec![2, 3]));
    assert!(blocker.summary.contains("itself waits at /net for the automount daemon"), "{}", blocker.summary);
}

#[test]
fn two_that_wait_for_each_other_s_answer_are_told_as_a_circle() {
    let mut supervisor = on_automount("/net/a", &[(40, "/net")]);
    (supervisor.task.tid, supervisor.task.tgid) = (2, 2);
    let mut facts = blocked(held(), &[]);
    facts.tasks.push(supervisor);
    facts.seccomp = vec![self::supervisor(&[2], Some(true))];
    facts.automounts = vec![automount(40, &[1])];
    for blocker in judge(&facts).blockers {
        assert!(blocker.summary.contains("in turn"), "{}", blocker.summary);
    }
}

#[test]
fn points_are_compared_by_whole_names() {
    let table: Vec<MountFacts> = vec![mount(40, "/net", "autofs"), mount(41, "/other", "autofs")];
    let mut waiter = on_automount("/network/a", &[]);
    waiter.details.get_or_insert_default().automounts = table;
    let mut facts = blocked(waiter, &[(2, "a"), (3, "b")]);
    facts.automounts = vec![automount(40, &[2]), automount(41, &[3])];
    assert!(only(&facts).waits_for.is_empty());
}
