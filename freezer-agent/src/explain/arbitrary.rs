//! Any facts at all, leaning towards those that rules look at.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::facts::{
    Automount, BeforeRequest, CpuQuota, FanotifyListener, FanotifyMark, FuseConnection, KeyUpcall, KnownBy,
    MarkedObject, SeccompListener, StackSample, TaskFacts, UserModeHelper, Userfaultfd,
};
use super::{Facts, examples};
use crate::model::{Hierarchy, LockWait, SchedPolicy, TaskState};

fn state() -> impl Strategy<Value = TaskState> {
    prop::sample::select(b"RSDTtZXIP?".to_vec()).prop_map(TaskState::from_letter)
}

fn stack() -> impl Strategy<Value = Vec<String>> {
    let known = prop::sample::select(vec![
        "request_wait_answer",
        "percpu_rwsem_wait",
        "mnt_want_write",
        "handle_userfault",
        "rwsem_down_read_slowpath",
        "walk_component",
        "__refrigerator",
        "get_signal",
        "kernel_clone",
        "folio_wait_bit_common",
        "io_schedule",
        "seccomp_do_user_notification",
        "fanotify_handle_event",
        "autofs_wait",
        "call_usermodehelper_exec",
    ])
    .prop_map(str::to_owned);
    vec(prop_oneof![4 => known, 1 => ".{0,8}"], 0..4)
}

fn lock() -> impl Strategy<Value = LockWait> {
    ("[a-z-]{0,8}", option::of(0..6_i32), any::<bool>()).prop_map(|(kind, owner, owner_is_reader)| LockWait {
        kind,
        owner,
        owner_is_reader,
    })
}

fn task() -> impl Strategy<Value = TaskFacts> {
    let marks = (any::<Option<bool>>(), any::<Option<bool>>(), any::<bool>(), any::<bool>());
    let cpu = (any::<Option<bool>>(), 0..2_u32, any::<Option<bool>>(), any::<Option<u64>>(), any::<bool>());
    let closer = (
        option::of((state(), option::of(0..3_u64))),
        vec((any::<u32>(), any::<bool>(), stack()), 0..3),
        option::of(stack()),
        any::<bool>(),
    );
    (0..6_i32, state(), stack(), option::of(lock()), marks, cpu, closer, 99..102_u64).prop_map(
        |(tid, state, stack, lock, marks, cpu, closer, cgroup)| {
            let mut facts = examples::fuse_waiter(tid);
            let task = &mut facts.task;
            (task.state, task.stack, task.lock) = (state, stack, lock);
            (task.frozen_v1, task.frozen_v2, task.kernel_thread, task.exiting) = marks;
            (task.on_cpu, task.cpu, task.throttled, task.since_ns) = (cpu.0, cpu.1, cpu.2, cpu.3);
            task.policy = if cpu.4 { SchedPolicy::Fifo } else { SchedPolicy::Fair };
            (task.cgroup_v1, task.cgroup_v2, task.switches) = (Some(cgroup), Some(cgroup), Some(1));
            let (before, samples, wchan, closer_look) = closer;
            if let Some(details) = facts.details.as_mut().filter(|_| closer_look) {
                details.before =
                    before.map(|(state, switches)| BeforeRequest { state, switches, times: None });
                details.samples = samples
                    .into_iter()
                    .map(|(count, user, stack)| StackSample { count, user, stack })
                    .collect();
                details.wchan = wchan.and_then(|stack| stack.into_iter().next());
                if let Some(call) = &mut details.syscall {
                    call.files[0].known_by = if cpu.4 { KnownBy::Descriptor } else { KnownBy::PathArgument };
                }
            } else {
                facts.details = None;
            }
            facts
        },
    )
}

/// Whoever holds a userfaultfd answers for everything else as well.
fn answering(facts: &mut Facts) {
    for fd in facts.userfaultfds.clone() {
        let holders = vec![fd.pid];
        let open = [None, Some(true), Some(false)][usize::try_from(fd.total).unwrap_or(0) % 3];
        facts.seccomp.push(SeccompListener { holders: holders.clone(), unanswered: open, unreceived: open });
        let mark = FanotifyMark { on: MarkedObject::Filesystem(0, 39), events: 0x10000, ignored: fd.total };
        facts.fanotify.push(FanotifyListener { holders: holders.clone(), marks: vec![mark] });
        facts.automounts.push(Automount {
            minor: 39,
            pipe: open.map(u64::from),
            readers: holders,
            group: Some(fd.pid),
        });
        let helper = UserModeHelper { pid: fd.pid, waited_for: true, age_ns: 0, arguments: Vec::new() };
        facts.helpers.push(helper);
        facts.keys.push(KeyUpcall { serial: 7, requester: fd.pid, key: None });
    }
}

/// Facts about a handful of tasks that hold, serve and starve each other.
pub fn facts() -> impl Strategy<Value = Facts> {
    let quota = (any::<u64>(), any::<u64>(), any::<Option<u64>>(), vec(0..6_i32, 0..3));
    (
        prop::sample::select(vec![Hierarchy::V1, Hierarchy::V2]),
        vec(task(), 0..5),
        vec(task(), 0..3),
        vec((38..41_u32, any::<Option<u64>>(), vec(0..6_i32, 0..3), any::<bool>()), 0..3),
        vec((0..6_i32, 0..3_u64), 0..3),
        vec(quota, 0..3),
        any::<Option<u64>>(),
    )
        .prop_map(|(hierarchy, tasks, others, fuse, userfaultfds, quotas, asked)| {
            let mut facts = examples::empty(hierarchy);
            (facts.tasks, facts.others, facts.asked_ns_ago) = (tasks, others, asked);
            facts.fuse = fuse
                .into_iter()
                .map(|(number, waiting, servers, servers_certain)| FuseConnection {
                    number,
                    mounts: vec![examples::fuse_mount()],
                    waiting,
                    servers,
                    servers_certain,
                    readers: Vec::new(),
                    waiters: Vec::new(),
                })
                .collect();
            facts.userfaultfds = userfaultfds
                .into_iter()
                .map(|(pid, total)| Userfaultfd { pid, fd: 3, pending: total, total })
                .collect();
            answering(&mut facts);
            facts.quotas = quotas
                .into_iter()
                .map(|(quota_us, period_us, throttled_times, covers)| CpuQuota {
                    cgroup: "/cg/cpu".into(),
                    quota_us,
                    period_us,
                    throttled_times,
                    covers,
                })
                .collect();
            facts
        })
}
