//! Facts for tests: small ones by hand, changed by the test that uses them.

use super::Facts;
use super::facts::{
    CgroupFacts, FileFacts, FuseConnection, KnownBy, MountFacts, SyscallFacts, TaskDetails, TaskFacts,
};
use crate::model::{Hierarchy, Name, SchedPolicy, TaskSnapshot, TaskState};

/// The subtree's only cgroup in the examples.
pub const CGROUP: u64 = 100;

/// A subtree with one task in `request_wait_answer` and its server, frozen by the same freeze.
pub fn facts() -> Facts {
    let mut facts = empty(Hierarchy::V1);
    facts.tasks.push(fuse_waiter(10));
    let mut server = task(20, "sshfs");
    server.task.frozen_v1 = Some(true);
    server.details = None;
    facts.tasks.push(server);
    facts.fuse.push(connection(39, &[20]));
    facts
}

/// No task at all.
pub fn empty(hierarchy: Hierarchy) -> Facts {
    Facts {
        kernel: "6.18.0".to_owned(),
        hierarchy,
        cgroup: Name::from("/cg/0"),
        subtree: vec![CGROUP],
        asked_ns_ago: Some(2_000_000_000),
        tasks: Vec::new(),
        others: Vec::new(),
        fuse: Vec::new(),
        userfaultfds: Vec::new(),
        quotas: Vec::new(),
        seccomp: Vec::new(),
        fanotify: Vec::new(),
        automounts: Vec::new(),
        helpers: Vec::new(),
        keys: Vec::new(),
        memory: Vec::new(),
        awaited: Vec::new(),
        storage: super::facts::StorageFacts::default(),
        cgroups: vec![CgroupFacts {
            hierarchy,
            id: CGROUP,
            path: Name::from("/cg/0"),
            freeze_asked: Some(true),
            asked_by: vec![Name::from("/cg/0")],
        }],
        system: None,
        gaps: Vec::new(),
        froze: Vec::new(),
    }
}

/// A task in `D` of which the marks say that it is not frozen.
pub fn task(tid: i32, comm: &str) -> TaskFacts {
    TaskFacts {
        task: TaskSnapshot {
            tid,
            tgid: tid,
            parent: 1,
            comm: Name::from(comm),
            start_ns: 1,
            state: TaskState::Uninterruptible,
            kernel_thread: false,
            exiting: false,
            frozen_v1: Some(false),
            frozen_v2: Some(false),
            freeze_asked_v2: None,
            cgroup_v1: Some(CGROUP),
            cgroup_v2: Some(CGROUP),
            on_cpu: Some(false),
            cpu: 0,
            policy: SchedPolicy::Fair,
            throttled: None,
            since_ns: Some(5_000_000_000),
            switches: Some(7),
            lock: None,
            tracer: None,
            times: None,
            stack: Vec::new(),
        },
        details: Some(TaskDetails::default()),
    }
}

/// A task with this kernel stack.
pub fn at(tid: i32, stack: &[&str]) -> TaskFacts {
    let mut facts = task(tid, "backup");
    facts.task.stack = stack.iter().map(|&frame| frame.to_owned()).collect();
    facts
}

/// A task that waits for an answer about a file it names by path.
pub fn fuse_waiter(tid: i32) -> TaskFacts {
    let mut facts = at(tid, &["request_wait_answer", "__fuse_simple_request", "fuse_lookup_name"]);
    facts.details = Some(calls("mkdir", "/mnt/data/x", KnownBy::PathArgument, fuse_mount()));
    facts
}

/// Details of a task inside a system call on one file.
pub fn calls(name: &str, path: &str, known_by: KnownBy, mount: MountFacts) -> TaskDetails {
    let files = vec![FileFacts { path: Name::from(path), known_by, mount: Some(mount) }];
    TaskDetails { syscall: Some(SyscallFacts { name: name.to_owned(), files }), ..TaskDetails::default() }
}

/// The mount of connection 39.
pub fn fuse_mount() -> MountFacts {
    mount(39, "/mnt/data", "fuse.sshfs")
}

/// A mount without a block device.
pub fn mount(minor: u32, path: &str, fstype: &str) -> MountFacts {
    MountFacts {
        id: 42,
        major: 0,
        minor,
        path: Name::from(path),
        fstype: Name::from(fstype),
        source: Name::from("host:/data"),
        fs_frozen: None,
    }
}

/// A connection whose servers the kernel names.
pub fn connection(number: u32, servers: &[i32]) -> FuseConnection {
    FuseConnection {
        number,
        mounts: vec![fuse_mount()],
        waiting: None,
        waiters: Vec::new(),
        servers: servers.to_vec(),
        servers_certain: true,
        readers: Vec::new(),
    }
}
