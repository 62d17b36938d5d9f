//! execve(2) of a process with several threads waits for the others to die (fs/exec.c, `de_thread`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::needs::is_linux;
use super::{Case, Expected, Holder, Place, Stage};
use crate::Job;
use crate::cgroup::{Cgroup, Hierarchy, State};
use crate::error::{Error, Result, Tried as _};
use crate::fuse::{SILENT_NAME, SLOW_DIR};
use crate::premise::Premise;
use crate::scene::{Scene, WorkerId};
use crate::worker::{Asked, tasks};

/// The thread cannot die: it waits for a silent FUSE server, which has read its request.
pub(super) const STUCK: Case = Case {
    name: "exec-stuck-thread",
    about: "execve while another thread is stuck in a stat on a silent FUSE mount",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| stuck(scene, place, false),
};

/// The same by the main thread.
pub(super) const STUCK_MAIN: Case = Case {
    name: "exec-stuck-thread-main",
    about: "the same where the main thread executes",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| stuck(scene, place, true),
};

fn stuck(scene: &mut Scene, place: &Place, main: bool) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let (dir, server) = scene.silent_fuse(None)?;
    let task = execer(scene, &cgroup, Some(dir.join(SILENT_NAME)), PathBuf::from("/"), main)?;
    let [first, second, third] = tids(scene, task)?;
    scene[task].wait_stuck(second, 'S', "request_wait_answer", super::STUCK)?;
    let by = if main { first } else { third };
    scene[task].go()?;
    scene[task].wait_stuck(by, 'D', "begin_new_exec", super::STUCK)?;
    let pid = scene[task].pid();
    let thread = Holder::Task { pid, tid: Some(second), frozen: false, cgroup: None };
    let at_fault = [Holder::Mount(dir), Holder::running(scene, server)];
    let waits = Expected::main_of(scene, task, "fuse-request").thread(second).waits_for(at_fault.clone());
    let mut way = vec![thread];
    way.extend(at_fault);
    let exec = Expected::main_of(scene, task, "exec-threads").thread(by).certainty("certain").waits_for(way);
    Ok(Stage::stuck(cgroup, vec![waits, exec]))
}

/// v1 cgroups take single threads: one of this process is frozen in another.
pub(super) const FROZEN_BEFORE: Case = Case {
    name: "exec-frozen-before",
    about: "execve while another thread sits in a v1 cgroup that is frozen",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let other = scene.cgroup(Hierarchy::V1)?;
        let task = execer(scene, &cgroup, None, PathBuf::from("/"), false)?;
        let [_, second, third] = tids(scene, task)?;
        other.add_thread(second)?;
        other.freeze()?;
        other.wait_state(State::Frozen, super::STUCK)?;
        scene[task].go()?;
        scene[task].wait_stuck(third, 'D', "begin_new_exec", super::STUCK)?;
        let frozen = Holder::Task {
            pid: scene[task].pid(),
            tid: Some(second),
            frozen: true,
            cgroup: Some(other.path().to_path_buf()),
        };
        let exec = Expected::main_of(scene, task, "exec-threads")
            .thread(third)
            .certainty("certain")
            .waits_for([frozen]);
        let mut blockers = vec![exec];
        if place.hierarchy == Hierarchy::V2 {
            // The frozen thread itself cannot be frozen by v2.
            blockers.push(
                Expected::main_of(scene, task, "frozen-elsewhere")
                    .thread(second)
                    .waits_for([Holder::Cgroup(other.path().to_path_buf())]),
            );
            return Ok(Stage { outcome: super::Outcome::Impossible, ..Stage::stuck(cgroup, blockers) });
        }
        Ok(Stage::stuck(cgroup, blockers))
    },
};

/// How long after the request the way to the program is found: the other threads are frozen by then.
const FOUND_AFTER: Duration = Duration::from_millis(500);

/// v1 has frozen the other threads by the time the execve gets to them.
pub(super) const DURING: Case = Case {
    name: "exec-during-freeze",
    about: "execve under way when the freeze begins, which freezes its other threads first",
    hierarchies: &[Hierarchy::V1],
    set_up: |scene, place| {
        let (cgroup, task) = during(scene, place)?;
        let [first, second, third] = tids(scene, task)?;
        let pid = scene[task].pid();
        let path = cgroup.path().to_path_buf();
        let frozen = |tid| Holder::Task { pid, tid: Some(tid), frozen: true, cgroup: Some(path.clone()) };
        let either = Holder::OneOf(vec![frozen(first), frozen(second)]);
        let exec = Expected::main_of(scene, task, "exec-threads")
            .thread(third)
            .certainty("certain")
            .waits_for([either.clone(), either]);
        let stage = Stage { limit: 2 * FOUND_AFTER, ..Stage::stuck(cgroup, vec![exec]) };
        let by = 9 * FOUND_AFTER / 5;
        Ok(stage.provided(Premise::Stuck { tid: third, function: "begin_new_exec", by }))
    },
};

/// v2 kills frozen tasks.
pub(super) const DURING_V2: Case = Case {
    name: "exec-during-freeze-v2",
    about: "the same under v2, which lets frozen threads die: harmless",
    hierarchies: &[Hierarchy::V2],
    set_up: |scene, place| {
        let (cgroup, task) = during(scene, place)?;
        // The server's time is more than what counts as slow.
        let may_be_slow = vec![scene[task].pid()];
        Ok(Stage { may_be_slow, ..Stage::frozen(cgroup) })
    },
};

fn during(scene: &mut Scene, place: &Place) -> Result<(Cgroup, WorkerId)> {
    let cgroup = place.cgroup(scene)?;
    let (dir, _server) = scene.slow_fuse(Asked::after(&cgroup, FOUND_AFTER))?;
    let up = dir.components().skip(1).fold(dir.join(SLOW_DIR).join(".."), |path, _| path.join(".."));
    let task = execer(scene, &cgroup, None, up, false)?;
    let [_, _, third] = tids(scene, task)?;
    scene[task].go()?;
    scene[task].wait_stuck(third, 'S', "request_wait_answer", super::STUCK)?;
    Ok((cgroup, task))
}

/// A thread that is traced stays, dead, until its tracer has waited for it.
pub(super) const DEAD_TRACED: Case = Case {
    name: "exec-dead-traced",
    about: "execve while another thread stops, dying, for a tracer that does not wait for it",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let task = execer(scene, &cgroup, None, PathBuf::from("/"), false)?;
        let [_, second, third] = tids(scene, task)?;
        let tracer = scene.worker(&Job::Tasks(tasks::Job::TraceExit(second)))?;
        scene[task].go()?;
        scene[task].wait_stuck(third, 'D', "begin_new_exec", super::STUCK)?;
        let pid = scene[task].pid();
        let thread = |frozen| Holder::Task { pid, tid: Some(second), frozen, cgroup: None };
        // v1 freezes the thread in its ptrace stop, v2 counts it as frozen there.
        let way = [thread(true), Holder::running(scene, tracer)];
        let exec = Expected::main_of(scene, task, "exec-threads").thread(third).waits_for(way);
        Ok(Stage::stuck(cgroup, vec![exec]))
    },
};

/// The other thread is dead but for its memory, which is being dumped. v1 freezes it in place; v2 waits.
pub(super) const CORE_DUMP: Case = Case {
    name: "core-dump",
    about: "a core dump to a silent FUSE mount, which another thread of the process waits for",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let file = Path::new("/proc/sys/kernel/core_pattern");
        if !std::fs::read_to_string(file).tried("read", file.display())?.starts_with("core") {
            // Many hosts hand dumps to a program, which would read this one and not hang in it.
            scene.set(file, "core")?;
        }
        let cgroup = place.cgroup(scene)?;
        let (dir, server) = scene.silent_fuse(None)?;
        let task = scene.worker_in(&cgroup, &Job::Tasks(tasks::Job::DumpCore(dir.clone())))?;
        let pid = scene[task].pid();
        // `do_coredump` up to 6.12 (seen), `vfs_coredump` on 6.18.
        scene[task].wait_stuck(pid, 'S', "_coredump", super::STUCK)?;
        let at_fault = [Holder::Mount(dir), Holder::running(scene, server)];
        let mut blockers = vec![Expected::main_of(scene, task, "fuse-request").waits_for(at_fault.clone())];
        if place.hierarchy == Hierarchy::V2 {
            let second = scene[task].tids()[1];
            let mut way = vec![Holder::Task { pid, tid: Some(pid), frozen: false, cgroup: None }];
            way.extend(at_fault);
            let mut dying = Expected::main_of(scene, task, "exiting").thread(second).waits_for(way);
            // kernel/exit.c: `exit_signals` marks it first, and `exit_mm` waits; since 5.16 `coredump_task_exit` waits before.
            dying.exiting = !is_linux(5, 16);
            blockers.push(dying);
        }
        Ok(Stage::stuck(cgroup, blockers))
    },
};

fn execer(
    scene: &mut Scene,
    cgroup: &Cgroup,
    stat: Option<PathBuf>,
    root: PathBuf,
    main: bool,
) -> Result<WorkerId> {
    scene.worker_in(cgroup, &Job::Tasks(tasks::Job::Exec { stat, root, main }))
}

fn tids(scene: &Scene, task: WorkerId) -> Result<[i32; 3]> {
    let tids = scene[task].tids();
    tids.try_into().map_err(|_| Error::new("find", "three threads", format!("{tids:?}")))
}
