//! Freezes that succeed, but late: each with the task that was late, and why.
//!
//! What keeps a task lasts, where it can be made to, until well after the request itself; work in the kernel only begins
//! right before, and the case is set up again where it was over too soon.

use std::time::Duration;

use super::{Case, Expected, Holder, Place, STUCK, Slow, Stage, cpu_starved, cpu_throttled, kernel_work};
use crate::cgroup::{Cgroup, Hierarchy};
use crate::error::Result;
use crate::fuse::SILENT_NAME;
use crate::premise::Premise;
use crate::scene::Scene;
use crate::worker::{Asked, slow, tasks};
use crate::{Job, proc, wait};

/// How long what keeps a task lasts after the request: clearly more than counts as slow.
const A_WHILE: Duration = Duration::from_secs(1);

/// What lasts no longer than this after the request is no slow freeze: 100 ms, and some for taking its time.
const STILL_SLOW: Duration = Duration::from_millis(140);

/// A server that answers at last.
pub(super) const FUSE: Case = Case {
    name: "slow-fuse",
    about: "stat on a FUSE mount whose server answers a second after the request: the freeze succeeds then",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let until = Asked::after(&cgroup, A_WHILE);
        fuse(scene, cgroup, until)
    },
};

fn fuse(scene: &mut Scene, cgroup: Cgroup, until: Asked) -> Result<Stage> {
    let (dir, server) = scene.slow_fuse(until)?;
    let client = scene.worker_in(&cgroup, &Job::Stat(dir.join(SILENT_NAME)))?;
    scene[client].wait_stuck(scene[client].pid(), 'S', "request_wait_answer", STUCK)?;
    let expected = Expected::main_of(scene, client, "fuse-request")
        .waits_for([Holder::Mount(dir), Holder::running(scene, server)]);
    Ok(Stage::slow(cgroup, vec![Slow::new(expected)]))
}

/// A lock whose holder outside goes on at last.
pub(super) const LOCK: Case = Case {
    name: "slow-lock",
    about: "mkdir in a directory whose lock a task outside holds until a second after the request",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (dir, server) = scene.slow_fuse(Asked::after(&cgroup, A_WHILE))?;
        let holder = scene.worker(&Job::Mkdir(dir.join(SILENT_NAME)))?;
        let pid = scene[holder].pid();
        scene[holder].go()?;
        scene[holder].wait_stuck(pid, 'S', "request_wait_answer", STUCK)?;
        let waiter = scene.worker_in(&cgroup, &Job::Mkdir(dir.join("other")))?;
        scene[waiter].wait_stuck(scene[waiter].pid(), 'D', "filename_create", STUCK)?;
        let owner = Holder::Task { pid, tid: Some(pid), frozen: false, cgroup: None };
        let expected = Expected::main_of(scene, waiter, "lock-held").certainty("certain").waits_for([
            owner,
            Holder::Mount(dir),
            Holder::running(scene, server),
        ]);
        Ok(Stage::slow(cgroup, vec![Slow::new(expected)]))
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
    let pid = scene[task].pid();
    let stage = Stage::slow(cgroup, vec![Slow::new(expected).saying(call)]);
    Ok(stage
        .provided(Premise::AtWork { tid: pid, until: STILL_SLOW })
        .after(move |scene| kernel_work::set_to_work(scene, task)))
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
        let pid = scene[task].pid();
        let stage = Stage::slow(cgroup, vec![Slow::new(expected)]);
        Ok(stage.provided(Premise::AtWork { tid: pid, until: STILL_SLOW }).after(move |scene| {
            scene[task].go()?;
            wait::became(STUCK, "exiting", pid, || proc::is_exiting(pid))
        }))
    },
};

/// A quota that is raised at last.
pub(super) const QUOTA: Case = Case {
    name: "slow-quota",
    about: "a busy task under a quota of 1 ms of CPU per second, which is lifted a second after the request",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (task, limited) = cpu_throttled::throttled(scene, &cgroup, A_WHILE)?;
        let (file, text) =
            if limited == cgroup.path() { ("cpu.max", "max") } else { ("cpu.cfs_quota_us", "-1") };
        let lift = tasks::Job::WriteWhen {
            asked: Asked::after(&cgroup, A_WHILE),
            file: limited.join(file),
            text: text.to_owned(),
        };
        let lifter = scene.worker(&Job::Tasks(lift))?;
        scene[lifter].go()?;
        let tid = scene[task].pid();
        let expected = Expected::main_of(scene, task, "cpu-throttled").waits_for([Holder::Cgroup(limited)]);
        let stage = Stage::slow(cgroup, vec![Slow::new(expected)]);
        Ok(stage.provided(Premise::Starved { tid, until: Some(STILL_SLOW) }))
    },
};

/// A real-time task that lets go.
pub(super) const STARVED: Case = Case {
    name: "slow-starved",
    about: "a busy task on a CPU that a SCHED_FIFO task hogs until a second after the request",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (expected, hog) = cpu_starved::starved(scene, &cgroup, A_WHILE)?;
        let premise = Premise::Starved { tid: expected.tid, until: Some(STILL_SLOW) };
        let stage = Stage {
            trigger: Some(hog),
            taken_cpu: Some(super::last_cpu()),
            ..Stage::slow(cgroup, vec![Slow::new(expected)])
        };
        Ok(stage.provided(premise))
    },
};

/// When somebody moves a task in, after the request: so late that its arrival counts as slow.
const LATE_BY: Duration = Duration::from_millis(200);

/// A task moved in while another keeps the freeze waiting.
pub(super) const LATE: Case = Case {
    name: "slow-late-arrival",
    about: "a task moved in 200 ms after the request, while a slow FUSE server keeps another waiting",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let latecomer = scene.worker(&Job::Sleep)?;
        scene[latecomer].go()?;
        let pid = scene[latecomer].pid();
        // Whatever the move takes: it waits for grace periods.
        let until = Asked::after(&cgroup, LATE_BY).with(pid);
        let stage = fuse(scene, cgroup.clone(), until)?;
        let path = cgroup.path().to_path_buf();
        let mover = tasks::Job::WriteWhen {
            asked: Asked::after(&cgroup, LATE_BY),
            file: path.join("cgroup.procs"),
            text: pid.to_string(),
        };
        let mover = scene.worker(&Job::Tasks(mover))?;
        scene[mover].go()?;
        let expected = Expected::main_of(scene, latecomer, "late-arrival").certainty("certain");
        Ok(stage.also_slow(Slow::new(expected)))
    },
};
