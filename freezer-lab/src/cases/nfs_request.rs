//! A look-up on an NFS mount whose server takes the call and keeps silent.
//!
//! The wait is killable and freezable (net/sunrpc/sched.c, `__rpc_execute`; before 6.1 `rpc_wait_bit_killable` in a way that
//! v1 does not wait for): v1 freezes it, v2 is blocked.

use super::{Case, Expected, Holder, Place, STUCK, Stage};
use crate::Job;
use crate::cgroup::{Cgroup, Hierarchy};
use crate::error::{Error, Result};
use crate::nfs;
use crate::scene::{Scene, WorkerId};
use crate::undo::Undo;

pub(super) const ALL: [Case; 2] = [
    Case {
        name: "nfs-request",
        about: "stat on an NFS mount whose server keeps silent",
        hierarchies: &[Hierarchy::V2],
        set_up: |scene, place| {
            let (cgroup, client, dir) = client(scene, place)?;
            let server = Holder::Server(nfs::ADDRESS.to_owned());
            let blocker =
                Expected::main_of(scene, client, "nfs-request").waits_for([Holder::Mount(dir), server]);
            Ok(Stage::stuck(cgroup, vec![blocker]))
        },
    },
    Case {
        name: "nfs-request-v1",
        about: "stat on a silent NFS mount under v1, which freezes the task in place: harmless",
        hierarchies: &[Hierarchy::V1],
        set_up: |scene, place| Ok(Stage::frozen(client(scene, place)?.0)),
    },
];

fn client(scene: &mut Scene, place: &Place) -> Result<(Cgroup, WorkerId, std::path::PathBuf)> {
    let cgroup = place.cgroup(scene)?;
    let dir = scene.directory()?;
    scene.will_undo(Undo::ReleaseNfs(dir.clone()))?;
    let server = scene.worker(&Job::Nfs(nfs::Job::Serve))?;
    scene[server].go()?;
    let line = scene[server].line(STUCK)?;
    let port = line.trim().parse().map_err(|error| Error::new("read", "the server's port", error))?;
    let client = scene.worker(&Job::Nfs(nfs::Job::MountAndStat { dir: dir.clone(), port }))?;
    scene[client].put_in(&cgroup)?;
    scene[client].go()?;
    scene[client].wait_stuck(scene[client].pid(), 'D', "rpc_", STUCK)?;
    Ok((cgroup, client, dir))
}
