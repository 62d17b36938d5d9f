//! `request_key(2)` whose helper, `/sbin/request-key`, does not come back.
//!
//! The kernel runs that very path, in the first mount namespace: for the time of the case it is a link to a script of
//! the lab. A host that has a helper of its own keeps it, and the case cannot be set up there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{Case, Expected, Holder, STUCK, Stage};
use crate::Job as Work;
use crate::cgroup::{Cgroup, Hierarchy};
use crate::error::{Error, Result, Tried as _};
use crate::scene::{Scene, WorkerId};
use crate::undo::Undo;
use crate::wait;
use crate::worker::supervised::Job;

/// What the kernel runs (`security/keys/request_key.c`, `call_sbin_request_key`).
pub(super) const HELPER: &str = "/sbin/request-key";

/// All of this file.
pub(super) const ALL: [Case; 3] = [OUTSIDE, INSIDE, ONE_OF_TWO];

/// The helper runs and keeps silent.
const OUTSIDE: Case = Case {
    name: "key-upcall",
    about: "request_key whose helper keeps silent",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let dir = helper(scene)?;
        let (task, helper) = request(scene, &cgroup, &dir)?;
        let holder = Holder::Task { pid: helper, tid: None, frozen: false, cgroup: None };
        Ok(Stage::stuck(cgroup, vec![blocker(scene, task).waits_for([holder])]))
    },
};

/// Somebody has put the helper into the same cgroup.
const INSIDE: Case = Case {
    name: "key-upcall-inside",
    about: "request_key whose helper was moved into the same cgroup and freezes with it",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let dir = helper(scene)?;
        let (task, helper) = request(scene, &cgroup, &dir)?;
        cgroup.add(helper)?;
        let path = Some(cgroup.path().to_path_buf());
        let holder = Holder::Task { pid: helper, tid: None, frozen: true, cgroup: path };
        Ok(Stage::stuck(cgroup, vec![blocker(scene, task).waits_for([holder])]))
    },
};

/// A second helper, for somebody else's key.
const ONE_OF_TWO: Case = Case {
    name: "key-upcall-one-of-two",
    about: "request_key while a second helper works on a key for a task elsewhere",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let elsewhere = scene.cgroup(cgroup.hierarchy())?;
        let dir = helper(scene)?;
        let (task, helper) = request(scene, &cgroup, &dir)?;
        request(scene, &elsewhere, &dir)?;
        let holder = Holder::Task { pid: helper, tid: None, frozen: false, cgroup: None };
        Ok(Stage::stuck(cgroup, vec![blocker(scene, task).waits_for([holder])]))
    },
};

fn blocker(scene: &Scene, task: WorkerId) -> Expected {
    Expected::main_of(scene, task, "key-upcall").certainty("likely")
}

/// Puts the lab's helper in its place; the directory is where it leaves its process ids.
fn helper(scene: &mut Scene) -> Result<PathBuf> {
    let dir = scene.directory()?;
    let script = dir.join("request-key");
    fs::write(&script, text(&dir)).tried("write", script.display())?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).tried("make", "it a program")?;
    // Never over one that exists: symlink(2) fails then.
    std::os::unix::fs::symlink(&script, HELPER).tried("make a link to the lab's helper at", HELPER)?;
    scene.will_undo(Undo::RemoveLink { path: HELPER.into(), target: script })?;
    Ok(dir)
}

/// Arguments are: create KEY ... Keys that are not the lab's are refused at once, as where there is no helper. When
/// the link is gone it ends by itself, for nothing else wakes who waits for it.
fn text(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "#!/bin/sh\n\
         grep -q \"^$(printf %08x \"$2\") .*freezer-lab:\" /proc/keys || exit 1\n\
         key=$(sed -n \"s/^$(printf %08x \"$2\") .*freezer-lab:\\([0-9]*\\).*/\\1/p\" /proc/keys)\n\
         echo $$ > '{dir}'/new-$key && mv '{dir}'/new-$key '{dir}'/helper-of-$key\n\
         while [ -h {HELPER} ]; do sleep 0.1; done\n"
    )
}

/// A task in the cgroup that waits for its key, and the process id of the helper.
fn request(scene: &mut Scene, cgroup: &Cgroup, dir: &Path) -> Result<(WorkerId, i32)> {
    let number = fs::read_dir(dir).tried("list", dir.display())?.count();
    let key = format!("{}{number}", std::process::id());
    let task = scene.worker_in(cgroup, &Work::Supervised(Job::RequestKey(format!("freezer-lab:{key}"))))?;
    scene[task].wait_stuck(scene[task].pid(), 'D', "call_usermodehelper_exec", STUCK)?;
    let file = dir.join(format!("helper-of-{key}"));
    let pid = || fs::read_to_string(&file).ok()?.trim().parse::<i32>().ok();
    wait::became(STUCK, "helped", scene[task].pid(), || pid().is_some())?;
    let helper = pid().ok_or_else(|| Error::new("find", "the helper", "it has gone"))?;
    Ok((task, helper))
}
