//! A process that takes seconds to tear its memory down, asked to freeze meanwhile.

use super::{Case, Expected, STUCK, Stage};
use crate::cgroup::Hierarchy;
use crate::error::Error;
use crate::{Job, proc, wait};

pub(super) const CASE: Case = Case {
    name: "exiting",
    about: "exit of a process with seconds' worth of page tables",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let task = scene.worker(&Job::ExitWithMuch)?;
        scene[task].put_in(&cgroup)?;
        let mut blocker = Expected::main_of(scene, task, "exiting");
        blocker.exiting = true;
        Ok(Stage::stuck(cgroup, vec![blocker]).after(move |scene| {
            scene[task].go()?;
            let pid = scene[task].pid();
            if wait::until(STUCK, || proc::is_exiting(pid)) {
                return Ok(());
            }
            Err(Error::new("see", format!("worker {pid} exit"), "it does not"))
        }))
    },
};
