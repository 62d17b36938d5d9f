//! Freezes that succeed, but late: each with the task that was late, and why.
//!
//! What keeps a task begins right before the freeze and lasts longer than the agent takes to start and the limit of
//! `--slow` together.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::{Case, Expected, Holder, Place, STUCK, Slow, Stage};
use crate::cgroup::{Cgroup, Hierarchy, State};
use crate::error::{Error, Result};
use crate::fuse::SILENT_NAME;
use crate::scene::Scene;
use crate::worker::{Share, slow};
use crate::{Job, mounts, proc, wait};

/// How long what keeps a task lasts, from right before the agent starts.
const A_WHILE_MS: u64 = 900;

/// A server that answers at last.
pub(super) const FUSE: Case = Case {
    name: "slow-fuse",
    about: "stat on a FUSE mount whose server answers after 0.9 s: the freeze succeeds then",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (dir, server) = scene.silent_fuse(Some(A_WHILE_MS))?;
        let client = scene.worker(&Job::Stat(dir.join(SILENT_NAME)))?;
        scene[client].put_in(&cgroup)?;
        let expected = Expected::main_of(scene, client, "fuse-request")
            .waits_for([Holder::Mount(dir), Holder::running(scene, server)]);
        Ok(Stage::slow(cgroup, vec![Slow::new(expected)]).after(move |scene| {
            scene[client].go()?;
            scene[client].wait_stuck(scene[client].pid(), 'S', "request_wait_answer", STUCK)
        }))
    },
};

/// A lock whose holder outside goes on at last.
pub(super) const LOCK: Case = Case {
    name: "slow-lock",
    about: "mkdir in a directory whose lock a task outside holds for 0.9 s",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (dir, server) = scene.silent_fuse(Some(A_WHILE_MS))?;
        let holder = scene.worker(&Job::Mkdir(dir.join(SILENT_NAME)))?;
        let waiter = scene.worker(&Job::Mkdir(dir.join("other")))?;
        scene[waiter].put_in(&cgroup)?;
        let pid = scene[holder].pid();
        let owner = Holder::Task { pid, tid: Some(pid), frozen: false, cgroup: None };
        let expected = Expected::main_of(scene, waiter, "lock-held").certainty("certain").waits_for([
            owner,
            Holder::Mount(dir),
            Holder::running(scene, server),
        ]);
        Ok(Stage::slow(cgroup, vec![Slow::new(expected)]).after(move |scene| {
            scene[holder].go()?;
            scene[holder].wait_stuck(pid, 'S', "request_wait_answer", STUCK)?;
            scene[waiter].go()?;
            scene[waiter].wait_stuck(scene[waiter].pid(), 'D', "filename_create", STUCK)
        }))
    },
};

/// One system call at work in the kernel.
pub(super) const MLOCK: Case = Case {
    name: "slow-mlock",
    about: "mlock of 8 GiB of address space, about a second of work in the kernel",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| at_work(scene, place, slow::Job::LockMemory, "mlock"),
};

/// Another.
pub(super) const MUNMAP: Case = Case {
    name: "slow-munmap",
    about: "munmap of 48 GiB of page table entries, most of a second of work in the kernel",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| at_work(scene, place, slow::Job::Unmap, "munmap"),
};

fn at_work(scene: &mut Scene, place: &Place, job: slow::Job, call: &'static str) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let task = scene.worker(&Job::Slow(job))?;
    scene[task].put_in(&cgroup)?;
    let expected = Expected::main_of(scene, task, "kernel-work");
    Ok(Stage::slow(cgroup, vec![Slow::new(expected).saying(call)]).after(move |scene| {
        let pid = scene[task].pid();
        let before = proc::system_ticks(pid);
        scene[task].go()?;
        wait::became(STUCK, "busy in the kernel", pid, || proc::system_ticks(pid) > before)
    }))
}

/// A process that exits, and is gone at last.
pub(super) const EXIT: Case = Case {
    name: "slow-exit",
    about: "exit of a process with 64 GiB of page table entries, over in a second or two",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let task = scene.worker(&Job::ExitWithMuch)?;
        scene[task].put_in(&cgroup)?;
        let mut expected = Expected::main_of(scene, task, "exiting");
        expected.exiting = true;
        Ok(Stage::slow(cgroup, vec![Slow::new(expected)]).after(move |scene| {
            scene[task].go()?;
            let pid = scene[task].pid();
            wait::became(STUCK, "exiting", pid, || proc::is_exiting(pid))
        }))
    },
};

/// A quota that lets the task through in its next period.
pub(super) const QUOTA: Case = Case {
    name: "slow-quota",
    about: "a busy task under a quota of 5 ms of CPU in 0.9 s, just throttled",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let task = scene.worker(&Job::Spin)?;
        let pid = scene[task].pid();
        scene[task].put_in(&cgroup)?;
        let limited = quota(scene, &cgroup, pid)?;
        let expected =
            Expected::main_of(scene, task, "cpu-throttled").waits_for([Holder::Cgroup(limited.clone())]);
        Ok(Stage::slow(cgroup, vec![Slow::new(expected)]).after(move |scene| {
            scene[task].go()?;
            let before = throttled_times(&limited);
            wait::became(STUCK, "throttled", pid, || throttled_times(&limited) > before)
        }))
    },
};

fn quota(scene: &mut Scene, cgroup: &Cgroup, pid: i32) -> Result<PathBuf> {
    let period = (A_WHILE_MS * 1000).to_string();
    if mounts::controller("cpu").is_ok() {
        let limited = scene.controller_cgroup("cpu")?;
        limited.write("cpu.cfs_period_us", &period)?;
        limited.write("cpu.cfs_quota_us", "5000")?;
        limited.add(pid)?;
        return Ok(limited.path().to_path_buf());
    }
    if cgroup.hierarchy() == Hierarchy::V1 {
        return Err(Error::new("set", "a CPU quota", "the v2 cgroups of the workers are not the lab's"));
    }
    cgroup.write("cpu.max", &format!("5000 {period}"))?;
    Ok(cgroup.path().to_path_buf())
}

fn throttled_times(limited: &Path) -> Option<u64> {
    let stat = fs::read_to_string(limited.join("cpu.stat")).ok()?;
    stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.parse().ok())
}

/// A real-time task that lets go.
pub(super) const STARVED: Case = Case {
    name: "slow-starved",
    about: "a busy task on a CPU that a SCHED_FIFO task hogs for a second",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let cpu = thread::available_parallelism().map_or(1, usize::from) - 1;
        let victim = scene.worker_in(&cgroup, &Job::SpinOn { cpu, share: Share::Least, ms: None })?;
        let ms = A_WHILE_MS + 200;
        let hog = scene.worker(&Job::FifoHog { cpu, ms })?;
        let greedy = scene.worker(&Job::SpinOn { cpu, share: Share::Much, ms: Some(ms) })?;
        let either = Holder::OneOf([hog, greedy].map(|worker| Holder::running(scene, worker)).into());
        let expected = Expected::main_of(scene, victim, "cpu-starved").waits_for([either]);
        Ok(Stage::slow(cgroup, vec![Slow::new(expected)]).after(move |scene| {
            for worker in [greedy, hog] {
                scene[worker].go()?;
                let pid = scene[worker].pid();
                let before = proc::user_ticks(pid);
                wait::became(STUCK, "busy", pid, || proc::user_ticks(pid) > before)?;
            }
            Ok(())
        }))
    },
};

/// A task moved in while another keeps the freeze waiting.
pub(super) const LATE: Case = Case {
    name: "slow-late-arrival",
    about: "a task moved in 200 ms after the request, while a slow FUSE server keeps another waiting",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let stage = (FUSE.set_up)(scene, place)?;
        let latecomer = scene.worker(&Job::Sleep)?;
        scene[latecomer].go()?;
        let pid = scene[latecomer].pid();
        let cgroup = stage.cgroup.clone();
        let expected = Expected::main_of(scene, latecomer, "late-arrival").certainty("certain");
        let mut stage = stage.also_slow(Slow::new(expected));
        let first = stage.trigger.take();
        Ok(stage.after(move |scene| {
            first.map_or(Ok(()), |first| first(scene))?;
            thread::spawn(move || move_in_late(&cgroup, pid));
            Ok(())
        }))
    },
};

/// On a thread: what goes wrong shows as a latecomer that nobody tells of.
fn move_in_late(cgroup: &Cgroup, pid: i32) {
    if cgroup.wait_state(State::Freezing, STUCK).is_ok() {
        thread::sleep(Duration::from_millis(200));
        if let Err(error) = cgroup.add(pid) {
            eprintln!("freezer-lab: {error}");
        }
    }
}
