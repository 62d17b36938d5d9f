//! Long ways from a blocker to a frozen server, and freezes that wait for each other.

use super::chain_servers::{client, started, stuck};
use super::{Case, Expected, ExpectedCycle, Holder, Place, STUCK, Stage};
use crate::Job;
use crate::cgroup::{Hierarchy, State};
use crate::error::Result;
use crate::fuse::{SILENT_FILE, SILENT_NAME};
use crate::scene::Scene;
use crate::worker::chain;

/// Three locks.
pub(super) const LOCKS: Case = Case {
    name: "lock-chain",
    about: "a mutex held by a task that waits for an inode's lock, held by one that waits for a frozen server",
    hierarchies: &Hierarchy::BOTH,
    set_up: locks,
};

/// Two freezes.
pub(super) const CROSS: Case = Case {
    name: "freezes-cross",
    about: "two cgroups whose freezes wait for each other: each holds the FUSE server of a client in the other",
    hierarchies: &Hierarchy::BOTH,
    set_up: cross,
};

/// Not the server's own cgroup asked.
pub(super) const ANCESTOR: Case = Case {
    name: "fuse-server-frozen-by-ancestor",
    about: "stat on a FUSE mount whose server is frozen by the request of an ancestor of its cgroup",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        let (dir, server) = scene.silent_fuse(None)?;
        let client = client(scene, &cgroup, &Job::Stat(dir.join(SILENT_NAME)))?;
        let above = scene.cgroup(cgroup.hierarchy())?;
        let own = scene.child_of(&above, "server")?;
        scene[server].put_in(&own)?;
        above.freeze()?;
        above.wait_state(State::Frozen, STUCK)?;
        let way = [Holder::Mount(dir), Holder::frozen(scene, server, &own)];
        Ok(stuck(scene, cgroup, client, "likely", &way).cycles([]))
    },
};

fn locks(scene: &mut Scene, place: &Place) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let (dir, server) = scene.silent_fuse(None)?;
    let file = dir.join(SILENT_FILE);
    let writers = scene.worker(&Job::Chain(chain::Job::WriteTwice(file.clone())))?;
    scene[writers].put_in(&cgroup)?;
    let holder = started(scene, &Job::Chain(chain::Job::Write(file)))?;
    scene[holder].wait_stuck(scene[holder].pid(), 'S', "request_wait_answer", STUCK)?;
    let (pid, second) = (scene[writers].pid(), scene[writers].tids()[1]);
    scene[writers].go()?;
    scene[writers].wait_stuck(pid, 'D', "fuse", STUCK)?;
    scene[writers].go()?;
    scene[writers].wait_stuck(second, 'D', "fdget_pos", STUCK)?;
    let other = scene.cgroup(cgroup.hierarchy())?;
    scene[server].put_in(&other)?;
    other.freeze()?;
    other.wait_state(State::Frozen, STUCK)?;
    let end = [Holder::running(scene, holder), Holder::Mount(dir), Holder::frozen(scene, server, &other)];
    let first = Expected::main_of(scene, writers, "lock-held").certainty("certain").waits_for(end.clone());
    let owner = Holder::Task { pid, tid: Some(pid), frozen: false, cgroup: None };
    let second = Expected::main_of(scene, writers, "lock-held")
        .thread(second)
        .certainty("certain")
        .waits_for([&[owner][..], &end].concat());
    Ok(Stage::stuck(cgroup, vec![first, second]).cycles([]))
}

fn cross(scene: &mut Scene, place: &Place) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let other = scene.cgroup(cgroup.hierarchy())?;
    let (near, near_server) = scene.silent_fuse(None)?;
    let (far, far_server) = scene.silent_fuse(None)?;
    let inside = client(scene, &cgroup, &Job::Stat(far.join(SILENT_NAME)))?;
    let outside = client(scene, &other, &Job::Stat(near.join(SILENT_NAME)))?;
    scene[near_server].put_in(&cgroup)?;
    scene[far_server].put_in(&other)?;
    other.freeze()?;
    scene[outside].wait_stuck(scene[outside].pid(), 'D', "request_wait_answer", STUCK)?;
    let way = [Holder::Mount(far), Holder::frozen(scene, far_server, &other)];
    let pids = |workers: [_; 2]| workers.map(|worker| scene[worker].pid()).to_vec();
    let circle = ExpectedCycle {
        cgroups: [&cgroup, &other].map(|cgroup| cgroup.path().to_path_buf()).to_vec(),
        order: vec![pids([inside, outside]), pids([near_server, far_server])],
    };
    Ok(stuck(scene, cgroup, inside, "likely", &way).cycles([circle]))
}
