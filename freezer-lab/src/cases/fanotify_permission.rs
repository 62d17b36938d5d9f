//! Access to files that a fanotify listener has to allow.
//!
//! The wait is killable (fs/notify/fanotify/fanotify.c, `fanotify_get_response`), and on newer kernels freezable: seen
//! on 6.12 and 6.18, not on 6.1. There v1 freezes the waiter in place, and only v2 is blocked.

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use super::needs::is_linux;
use super::{Case, Expected, Holder, STUCK, Stage};
use crate::Job as Work;
use crate::cgroup::{Cgroup, Hierarchy, State};
use crate::error::{Result, Tried as _};
use crate::scene::{Scene, WorkerId};
use crate::undo::Undo;
use crate::worker::supervised::{Job, Listener, Mark, Place as On};

/// All of this file.
pub(super) const ALL: [Case; 8] =
    [OUTSIDE, OUTSIDE_V1, INSIDE, FROZEN_ELSEWHERE, READ, EXEC, ONE_OF_TWO, TWO];

/// open(2) of a file in a marked mount.
const OUTSIDE: Case = Case {
    name: "fanotify-outside",
    about: "open that a fanotify listener, outside, keeps silent about",
    hierarchies: &[Hierarchy::V2],
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let file = files(scene)?.join("a");
        let listener = listen(scene, &file, On::Mount, libc::FAN_OPEN_PERM, None)?;
        let holder = Holder::running(scene, listener);
        stuck(scene, cgroup, Job::Open(file), listener, "likely", vec![holder])
    },
};

/// The same under v1: harmless where the kernel freezes the waiter in place.
const OUTSIDE_V1: Case = Case {
    name: "fanotify-outside-v1",
    about: "open that a silent fanotify listener holds, under v1, which freezes the waiter in place: harmless",
    hierarchies: &[Hierarchy::V1],
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let file = files(scene)?.join("a");
        let listener = listen(scene, &file, On::Mount, libc::FAN_OPEN_PERM, None)?;
        if !is_linux(6, 12) {
            let holder = Holder::running(scene, listener);
            return stuck(scene, cgroup, Job::Open(file), listener, "likely", vec![holder]);
        }
        waiter(scene, &cgroup, &Work::Supervised(Job::Open(file)), listener)?;
        Ok(Stage::frozen(cgroup))
    },
};

/// The listener gives leave within a second and a half, but the freeze catches it first.
const INSIDE: Case = Case {
    name: "fanotify-inside",
    about: "open that a slow fanotify listener in the same cgroup, frozen before it answers, holds",
    hierarchies: &[Hierarchy::V2],
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let file = files(scene)?.join("a");
        let listener = listen(scene, &file, On::Filesystem, libc::FAN_OPEN_PERM, Some(1500))?;
        scene[listener].put_in(&cgroup)?;
        let holder = Holder::frozen(scene, listener, &cgroup);
        stuck(scene, cgroup, Job::Open(file), listener, "likely", vec![holder])
    },
};

/// The listener sits in a cgroup that is frozen already.
const FROZEN_ELSEWHERE: Case = Case {
    name: "fanotify-frozen-elsewhere",
    about: "open that a fanotify listener in another cgroup, frozen before, holds",
    hierarchies: &[Hierarchy::V2],
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let file = files(scene)?.join("a");
        let listener = listen(scene, &file, On::Mount, libc::FAN_OPEN_PERM, None)?;
        let other = scene.cgroup(cgroup.hierarchy())?;
        let holder = Holder::frozen(scene, listener, &other);
        let stage = stuck(scene, cgroup, Job::Open(file), listener, "likely", vec![holder])?;
        scene[listener].put_in(&other)?;
        other.freeze()?;
        other.wait_state(State::Frozen, STUCK)?;
        Ok(stage)
    },
};

/// read(2) of an open file: the descriptor tells mount and inode, the kernel itself vouches for them.
const READ: Case = Case {
    name: "fanotify-read",
    about: "read from an open file that a silent fanotify listener has marked",
    hierarchies: &[Hierarchy::V2],
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let file = files(scene)?.join("a");
        let listener = listen(scene, &file, On::File, libc::FAN_ACCESS_PERM, None)?;
        let task = waiter(scene, &cgroup, &Work::Read(file), listener)?;
        let blocker = blocker(scene, task, "certain", vec![Holder::running(scene, listener)]);
        Ok(Stage::stuck(cgroup, vec![blocker]))
    },
};

/// execve(2) of a file in a directory whose children are marked.
const EXEC: Case = Case {
    name: "fanotify-exec",
    about: "execve that a silent fanotify listener holds, by a mark on the program's directory",
    hierarchies: &[Hierarchy::V2],
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let dir = files(scene)?;
        let program = dir.join("program");
        fs::copy("/bin/true", &program).tried("copy", "/bin/true")?;
        let events = libc::FAN_OPEN_EXEC_PERM | libc::FAN_EVENT_ON_CHILD;
        let listener = listen(scene, &dir, On::File, events, None)?;
        let holder = Holder::running(scene, listener);
        stuck(scene, cgroup, Job::Exec(program), listener, "likely", vec![holder])
    },
};

/// Two listeners on one filesystem, of which one has marked the file.
const ONE_OF_TWO: Case = Case {
    name: "fanotify-one-of-two",
    about: "open of a file that one of two silent fanotify listeners on its filesystem has marked",
    hierarchies: &[Hierarchy::V2],
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let dir = files(scene)?;
        listen(scene, &dir.join("b"), On::File, libc::FAN_OPEN_PERM, None)?;
        let listener = listen(scene, &dir.join("a"), On::File, libc::FAN_OPEN_PERM, None)?;
        let holder = Holder::running(scene, listener);
        stuck(scene, cgroup, Job::Open(dir.join("a")), listener, "likely", vec![holder])
    },
};

/// Two listeners that both have: one keeps silent, the other is never asked, or has allowed it.
const TWO: Case = Case {
    name: "fanotify-two",
    about: "open of a file that two fanotify listeners have marked: doubt",
    hierarchies: &[Hierarchy::V2],
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let file = files(scene)?.join("a");
        let listener = listen(scene, &file, On::Mount, libc::FAN_OPEN_PERM, None)?;
        listen(scene, &file, On::Filesystem, libc::FAN_OPEN_PERM, Some(0))?;
        stuck(scene, cgroup, Job::Open(file), listener, "likely", Vec::new())
    },
};

/// A filesystem of our own, with two files: whatever is marked there stops nobody else.
fn files(scene: &mut Scene) -> Result<PathBuf> {
    let dir = scene.directory()?;
    scene.will_undo(Undo::Unmount(dir.clone()))?;
    let (source, options) = (Some("freezer-lab"), Some("size=4m"));
    mount(source, &dir, Some("tmpfs"), MsFlags::empty(), options).tried("mount tmpfs on", dir.display())?;
    for name in ["a", "b"] {
        fs::write(dir.join(name), "text").tried("write", name)?;
    }
    Ok(dir)
}

fn listen(
    scene: &mut Scene,
    path: &Path,
    place: On,
    events: u64,
    answer_after_ms: Option<u64>,
) -> Result<WorkerId> {
    let marks = vec![Mark { path: path.to_path_buf(), place, events }];
    let listener = Listener { marks, answer_after_ms };
    let listener = scene.worker(&Work::Supervised(Job::FanotifyListener(listener)))?;
    scene[listener].go()?;
    Ok(listener)
}

/// A task in the cgroup that waits for the listener.
fn waiter(scene: &mut Scene, cgroup: &Cgroup, job: &Work, listener: WorkerId) -> Result<WorkerId> {
    let task = scene.worker_in(cgroup, job)?;
    scene[listener].line(STUCK)?;
    scene[task].wait_stuck(scene[task].pid(), 'D', "fanotify_handle_event", STUCK)?;
    Ok(task)
}

fn stuck(
    scene: &mut Scene,
    cgroup: Cgroup,
    job: Job,
    listener: WorkerId,
    certainty: &'static str,
    holders: Vec<Holder>,
) -> Result<Stage> {
    let task = waiter(scene, &cgroup, &Work::Supervised(job), listener)?;
    let blocker = blocker(scene, task, certainty, holders);
    Ok(Stage::stuck(cgroup, vec![blocker]))
}

fn blocker(scene: &Scene, task: WorkerId, certainty: &'static str, holders: Vec<Holder>) -> Expected {
    Expected::main_of(scene, task, "fanotify-permission").certainty(certainty).waits_for(holders)
}
