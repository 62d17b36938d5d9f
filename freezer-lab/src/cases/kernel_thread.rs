//! A kernel thread in a v2 cgroup: it counts as a task and is never asked to freeze (kernel/cgroup/freezer.c,
//! `cgroup_do_freeze`), so the cgroup never becomes frozen.
//!
//! The thread is the journal of a filesystem of the lab's own: most others refuse to be moved (EINVAL for
//! `PF_NO_SETAFFINITY`, kernel/cgroup/cgroup.c, `cgroup_procs_write_start`), and it ends with the mount.

use super::{Case, Expected, Outcome, STUCK, Stage};
use crate::cgroup::Hierarchy;
use crate::error::Error;
use crate::{proc, wait};

pub(super) const CASE: Case = Case {
    name: "kernel-thread",
    about: "the journal thread of an ext4 mount, moved into a v2 cgroup",
    hierarchies: &[Hierarchy::V2],
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let before = proc::named("jbd2/loop");
        scene.ext4()?;
        let mut new = None;
        wait::until(STUCK, || {
            new = proc::named("jbd2/loop").into_iter().find(|pid| !before.contains(pid));
            new.is_some()
        });
        let pid =
            new.ok_or_else(|| Error::new("find", "the journal thread of the mount", "there is none"))?;
        cgroup.add(pid)?;
        let blocker = Expected {
            tid: pid,
            pid,
            cause: "kernel-thread",
            certainty: Some("certain"),
            waits_for: Vec::new(),
            exiting: false,
        };
        Ok(Stage { outcome: Outcome::Impossible, ..Stage::stuck(cgroup, vec![blocker]) })
    },
};
