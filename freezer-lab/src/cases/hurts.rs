//! Freezes that hurt somebody: outsiders that wait for what was frozen, and what does not survive a freeze.

use std::fs;
use std::path::Path;

use super::{Case, Expected, Holder, Hurt, STUCK, Stage, fs_frozen};
use crate::cgroup::{Hierarchy, State};
use crate::error::{Error, Result};
use crate::fuse::SILENT_NAME;
use crate::worker::hurt;
use crate::{Job, proc, wait};

/// A FUSE server inside, its client outside: the most common harm.
pub(super) const FUSE: Case = Case {
    name: "hurts-fuse-client",
    about: "a FUSE server is frozen while a client outside waits for its answer",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (dir, server) = scene.silent_fuse(Some(1500))?;
        let client = scene.worker(&Job::Stat(dir.join(SILENT_NAME)))?;
        scene[client].go()?;
        let pid = scene[client].pid();
        scene[client].wait_stuck(pid, 'S', "request_wait_answer", STUCK)?;
        scene[server].put_in(&cgroup)?;
        let hurt = Hurt { kind: "fuse-request", pid, by: Some(scene[server].pid()) };
        Ok(Stage::frozen(cgroup).hurting([hurt]))
    },
};

/// A task frozen in place with a lock in its hands.
///
/// The wait for leave to write to a frozen filesystem is freezable (include/linux/fs.h, `__sb_start_write`), and
/// `write(2)` comes to it with the lock of the file's position held (`ksys_write`): whoever shares the
/// open file waits for that lock. On kernels where that wait is not freezable the writer blocks the freeze, which then hurts
/// nobody.
pub(super) const LOCK: Case = Case {
    name: "hurts-lock-waiter",
    about: "v1 freezes a task in place that holds a file's position lock, which a task outside waits for",
    hierarchies: &[Hierarchy::V1],
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let mount = scene.ext4()?;
        let file = mount.join("shared");
        let writer = scene.worker(&Job::Write(file.clone()))?;
        let holder = scene[writer].pid();
        scene[writer].put_in(&cgroup)?;
        let fd = descriptor_of(holder, &file)?;
        let waiter = scene.worker(&Job::Hurt(hurt::Job::WriteThrough { pid: holder, fd }))?;
        let pid = scene[waiter].pid();
        scene.freeze_fs(&mount)?;
        scene[writer].go()?;
        scene[writer].wait_stuck(holder, 'D', "percpu_rwsem_wait", STUCK)?;
        scene[waiter].go()?;
        scene[waiter].wait_stuck(pid, 'D', "fdget_pos", STUCK)?;
        if !fs_frozen::writers_freeze_in_place() {
            let blocker = Expected::main_of(scene, writer, "fs-frozen").waits_for([Holder::Mount(mount)]);
            return Ok(Stage::stuck(cgroup, vec![blocker]));
        }
        Ok(Stage::frozen(cgroup).hurting([Hurt { kind: "lock-held", pid, by: Some(holder) }]))
    },
};

fn descriptor_of(pid: i32, file: &Path) -> Result<i32> {
    let is_it = |fd: &i32| fs::read_link(format!("/proc/{pid}/fd/{fd}")).is_ok_and(|link| link == file);
    (3..64).find(is_it).ok_or_else(|| Error::new("find the descriptor of", file.display(), "it has none"))
}

/// A tracer that waits for its tracee.
pub(super) const TRACER: Case = Case {
    name: "hurts-tracer",
    about: "a tracer outside waits for a tracee that v1 freezes",
    hierarchies: &[Hierarchy::V1],
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let tracee = scene.worker_in(&cgroup, &Job::Spin)?;
        let traced = scene[tracee].pid();
        let tracer = scene.worker(&Job::Hurt(hurt::Job::TraceAndWait(traced)))?;
        scene[tracer].go()?;
        let pid = scene[tracer].pid();
        scene[tracer].wait_stuck(pid, 'S', "do_wait", STUCK)?;
        Ok(Stage::frozen(cgroup).hurting([Hurt { kind: "tracer-waits", pid, by: Some(traced) }]))
    },
};

/// A tracer that comes when its tracee is frozen already.
///
/// The tracee was stopped: `ptrace_attach` (kernel/ptrace.c) asks it to turn its stop into one for the tracer and waits in
/// `D` until it has, which a task that v1 froze as it stood (`__set_task_frozen`, 6.1+) cannot. It can be killed.
pub(super) const ATTACH: Case = Case {
    name: "hurts-attach",
    about: "a tracer outside attaches to a stopped task that v1 is about to freeze, and hangs in the attach",
    hierarchies: &[Hierarchy::V1],
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let tracee = scene.worker_in(&cgroup, &Job::Sleep)?;
        let traced = scene[tracee].pid();
        super::stopped::stop(scene, tracee)?;
        let tracer = scene.worker(&Job::Hurt(hurt::Job::Attach(traced)))?;
        let pid = scene[tracer].pid();
        // Frozen first, for the attach would not hang otherwise: the freeze that is examined finds it frozen already.
        cgroup.freeze()?;
        cgroup.wait_state(State::Frozen, STUCK)?;
        scene[tracer].go()?;
        scene[tracer].wait_stuck(pid, 'D', "ptrace_attach", STUCK)?;
        Ok(Stage::frozen(cgroup).hurting([Hurt { kind: "tracer-waits", pid, by: Some(traced) }]))
    },
};

/// v1 cuts it short.
pub(super) const CORE_DUMP: Case = Case {
    name: "hurts-core-dump",
    about: "v1 is asked to freeze a process that writes its core dump: the dump is cut short",
    hierarchies: &[Hierarchy::V1],
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let dir = scene.directory()?;
        let task = scene.worker(&Job::Hurt(hurt::Job::DumpCore(dir)))?;
        scene[task].put_in(&cgroup)?;
        let pid = scene[task].pid();
        let stage = Stage::frozen(cgroup).hurting([Hurt { kind: "core-dump-cut", pid, by: None }]);
        Ok(stage.after(move |scene| {
            scene[task].go()?;
            wait::became(STUCK, "dumping core", pid, || proc::is_dumping(pid))
        }))
    },
};
