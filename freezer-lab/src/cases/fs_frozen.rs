//! Writers to a filesystem frozen by FIFREEZE.
//!
//! The wait for leave to write is freezable (include/linux/fs.h, `__sb_start_write`: for write(2) and its like since
//! 6.15, for page faults and the filesystem's own transactions too since 6.16), so v1 freezes such a writer in place;
//! older kernels do not, and neither does v2.

use std::path::PathBuf;

use super::needs::is_linux;
use super::{Case, Expected, Holder, Outcome, Place, STUCK, Stage};
use crate::Job;
use crate::cgroup::Hierarchy;
use crate::error::Result;
use crate::scene::Scene;

/// write(2) to an open file.
pub(super) const WRITE: Case = Case {
    name: "fs-frozen-write",
    about: "write to an open file of a frozen filesystem",
    hierarchies: &[Hierarchy::V2],
    set_up: |scene, place| writer(scene, place, Job::Write, Outcome::TimedOut),
};

/// The same under v1: harmless where the writer is frozen in place.
pub(super) const WRITE_V1: Case = Case {
    name: "fs-frozen-write-v1",
    about: "write to a frozen filesystem under v1, which freezes the writer in place (6.15+): harmless",
    hierarchies: &[Hierarchy::V1],
    set_up: |scene, place| {
        let outcome = if writers_freeze_in_place() { Outcome::Frozen } else { Outcome::TimedOut };
        writer(scene, place, Job::Write, outcome)
    },
};

/// Whether v1 freezes who waits in write(2) for leave to write.
pub(super) fn writers_freeze_in_place() -> bool {
    is_linux(6, 15)
}

/// mkdir(2) by path.
pub(super) const MKDIR: Case = Case {
    name: "fs-frozen-mkdir",
    about: "mkdir on a frozen filesystem",
    hierarchies: &[Hierarchy::V2],
    set_up: |scene, place| writer(scene, place, Job::Mkdir, Outcome::TimedOut),
};

/// A store into a shared mapping.
pub(super) const STORE: Case = Case {
    name: "fs-frozen-store",
    about: "a store into a mapped file of a frozen filesystem",
    hierarchies: &[Hierarchy::V2],
    set_up: |scene, place| writer(scene, place, Job::StoreIntoMapping, Outcome::TimedOut),
};

fn writer(scene: &mut Scene, place: &Place, job: fn(PathBuf) -> Job, outcome: Outcome) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let mount = scene.ext4()?;
    let writer = scene.worker(&job(mount.join("new")))?;
    scene[writer].put_in(&cgroup)?;
    scene.freeze_fs(&mount)?;
    scene[writer].go()?;
    scene[writer].wait_stuck(scene[writer].pid(), 'D', "percpu_rwsem_wait", STUCK)?;
    if outcome == Outcome::Frozen {
        return Ok(Stage::frozen(cgroup));
    }
    let blocker = Expected::main_of(scene, writer, "fs-frozen").waits_for([Holder::Mount(mount)]);
    Ok(Stage::stuck(cgroup, vec![blocker]))
}
