//! FUSE servers that are more than one process with one thread that answers.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Case, Expected, ExpectedCycle, Holder, Place, STUCK, Stage};
use crate::cgroup::{Cgroup, Hierarchy};
use crate::error::{Result, Tried as _};
use crate::fuse::SILENT_NAME;
use crate::scene::{Scene, WorkerId};
use crate::undo::Undo;
use crate::worker::{Asked, chain};
use crate::{Job, proc, wait};

pub(super) const ALL: [Case; 9] = [
    Case {
        name: "fuse-chain",
        about: "stat on a FUSE mount whose server waits for another FUSE mount whose server keeps silent",
        hierarchies: &Hierarchy::BOTH,
        set_up: |scene, place| {
            let cgroup = place.cgroup(scene)?;
            let (far, last) = scene.silent_fuse(None)?;
            let dir = scene.directory()?;
            let mut server = scene.server_on(&dir)?;
            server.first_stat = Some(far.join(SILENT_NAME));
            let first = started(scene, &Job::FuseServer(server))?;
            let client = client(scene, &cgroup, &Job::Stat(dir.join(SILENT_NAME)))?;
            scene[first].wait_stuck(scene[first].pid(), 'S', "request_wait_answer", STUCK)?;
            let way = [
                Holder::Mount(dir),
                Holder::running(scene, first),
                Holder::Mount(far),
                Holder::running(scene, last),
            ];
            Ok(stuck(scene, cgroup, client, "likely", &way).cycles([]))
        },
    },
    Case {
        name: "fuse-chain-inside",
        about: "the same with both servers in the same cgroup: the last one freezes before it answers",
        hierarchies: &Hierarchy::BOTH,
        set_up: chain_inside,
    },
    Case {
        name: "fuse-own-mount",
        about: "stat on a FUSE mount whose server waits for its own mount",
        hierarchies: &Hierarchy::BOTH,
        set_up: |scene, place| {
            let cgroup = place.cgroup(scene)?;
            let dir = scene.directory()?;
            let mut server = scene.server_on(&dir)?;
            server.first_stat = Some(dir.join(SILENT_NAME).with_extension("own"));
            let server = started(scene, &Job::FuseServer(server))?;
            let client = client(scene, &cgroup, &Job::Stat(dir.join(SILENT_NAME)))?;
            // It gets as far as the lock of its root directory, which its client holds.
            scene[server].wait_stuck(scene[server].pid(), 'D', "fuse_lock_inode", STUCK)?;
            let way = [Holder::Mount(dir), Holder::running(scene, server)];
            let circle = ExpectedCycle { cgroups: Vec::new(), order: Vec::new() };
            Ok(stuck(scene, cgroup, client, "likely", &way).cycles([circle]))
        },
    },
    Case {
        name: "fuse-server-one-thread-stuck",
        about: "stat on a FUSE mount whose server sits in the same cgroup: its thread with the request waits elsewhere",
        hierarchies: &Hierarchy::BOTH,
        set_up: one_thread_stuck,
    },
    Case {
        name: "fuse-server-two-processes",
        about: "stat on a FUSE mount whose silent server has forked a child that only keeps the device open",
        hierarchies: &Hierarchy::BOTH,
        set_up: |scene, place| {
            let cgroup = place.cgroup(scene)?;
            let dir = scene.directory()?;
            let (server, _) = server_with_heir(scene, &dir)?;
            let client = client(scene, &cgroup, &Job::Stat(dir.join(SILENT_NAME)))?;
            let way = [Holder::Mount(dir), Holder::running(scene, server)];
            Ok(stuck(scene, cgroup, client, "likely", &way))
        },
    },
    Case {
        name: "fuse-server-dead",
        about: "stat on a FUSE mount whose server has died, while a child it forked keeps the device open",
        hierarchies: &Hierarchy::BOTH,
        set_up: |scene, place| {
            let cgroup = place.cgroup(scene)?;
            let dir = scene.directory()?;
            let (server, heir) = server_with_heir(scene, &dir)?;
            let client = client(scene, &cgroup, &Job::Stat(dir.join(SILENT_NAME)))?;
            let pid = scene[server].pid();
            kill(Pid::from_raw(pid), Signal::SIGKILL).tried("kill", pid)?;
            wait::until(STUCK, || proc::state(pid).is_none_or(|state| state == 'Z'));
            let heir = Holder::Task { pid: heir, tid: None, frozen: false, cgroup: None };
            Ok(stuck(scene, cgroup, client, "likely", &[Holder::Mount(dir), heir]))
        },
    },
    Case {
        name: "fuse-no-server",
        about: "stat on a FUSE mount whose device lies in a message that nobody has read yet",
        // It waits for a slot to send its request, a sleep that v1 freezes in place.
        hierarchies: &[Hierarchy::V2],
        set_up: |scene, place| {
            let cgroup = place.cgroup(scene)?;
            let dir = scene.directory()?;
            let server = scene.server_on(&dir)?;
            started(scene, &Job::Chain(chain::Job::NoServer(server)))?;
            let client = scene.worker_in(&cgroup, &Job::Stat(dir.join(SILENT_NAME)))?;
            // It waits for a slot to send its request: the server has not even said INIT.
            scene[client].wait_stuck(scene[client].pid(), 'D', "fuse_get_req", STUCK)?;
            Ok(stuck(scene, cgroup, client, "likely", &[Holder::Mount(dir)]))
        },
    },
    Case {
        name: "fuse-server-pid-namespace",
        about: "stat on a FUSE mount whose silent server is process 1 of a pid namespace",
        hierarchies: &Hierarchy::BOTH,
        set_up: |scene, place| {
            let cgroup = place.cgroup(scene)?;
            let dir = scene.directory()?;
            let server = scene.server_on(&dir)?;
            let server = started(scene, &Job::Chain(chain::Job::ServerInPidNamespace(server)))?;
            let client = client(scene, &cgroup, &Job::Stat(dir.join(SILENT_NAME)))?;
            let pid = scene[server].tids()[1];
            let way = [Holder::Mount(dir), Holder::Task { pid, tid: None, frozen: false, cgroup: None }];
            Ok(stuck(scene, cgroup, client, "likely", &way))
        },
    },
    Case {
        name: "fuse-two-servers",
        about: "two FUSE mounts with a client each, of which one is in the cgroup",
        hierarchies: &Hierarchy::BOTH,
        set_up: |scene, place| {
            let cgroup = place.cgroup(scene)?;
            let (other, _) = scene.silent_fuse(None)?;
            let (dir, server) = scene.silent_fuse(None)?;
            let bystander = started(scene, &Job::Stat(other.join(SILENT_NAME)))?;
            scene[bystander].wait_stuck(scene[bystander].pid(), 'S', "request_wait_answer", STUCK)?;
            let client = client(scene, &cgroup, &Job::Stat(dir.join(SILENT_NAME)))?;
            let way = [Holder::Mount(dir), Holder::running(scene, server)];
            Ok(stuck(scene, cgroup, client, "likely", &way))
        },
    },
];

/// A worker outside, at its job.
pub(super) fn started(scene: &mut Scene, job: &Job) -> Result<WorkerId> {
    let id = scene.worker(job)?;
    scene[id].go()?;
    Ok(id)
}

/// The heir outlives it.
fn server_with_heir(scene: &mut Scene, dir: &Path) -> Result<(WorkerId, i32)> {
    let server = scene.server_on(dir)?;
    let server = started(scene, &Job::Chain(chain::Job::ServerAndHeir(server)))?;
    let heir = scene[server].tids()[1];
    if let Some(start) = proc::start_time(heir) {
        scene.will_undo(Undo::Kill { pid: heir, start })?;
    }
    Ok((server, heir))
}

/// A worker inside that waits for an answer.
pub(super) fn client(scene: &mut Scene, cgroup: &Cgroup, job: &Job) -> Result<WorkerId> {
    let client = scene.worker_in(cgroup, job)?;
    scene[client].wait_stuck(scene[client].pid(), 'S', "request_wait_answer", STUCK)?;
    Ok(client)
}

/// A freeze that only this client keeps from completing.
pub(super) fn stuck(
    scene: &Scene,
    cgroup: Cgroup,
    client: WorkerId,
    certainty: &'static str,
    way: &[Holder],
) -> Stage {
    let blocker = Expected::main_of(scene, client, "fuse-request").certainty(certainty).waits_for(way);
    Stage::stuck(cgroup, vec![blocker])
}

fn chain_inside(scene: &mut Scene, place: &Place) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let (far, last) = scene.slow_fuse(Asked::after(&cgroup, Duration::from_millis(1500)))?;
    let dir = scene.directory()?;
    let mut server = scene.server_on(&dir)?;
    server.first_stat = Some(far.join(SILENT_NAME));
    let first = started(scene, &Job::FuseServer(server))?;
    let client = client(scene, &cgroup, &Job::Stat(dir.join(SILENT_NAME)))?;
    scene[first].wait_stuck(scene[first].pid(), 'S', "request_wait_answer", STUCK)?;
    scene[first].put_in(&cgroup)?;
    scene[last].put_in(&cgroup)?;
    let end = [Holder::Mount(far), Holder::frozen(scene, last, &cgroup)];
    let way = [&[Holder::Mount(dir), Holder::running(scene, first)][..], &end].concat();
    let waits = Expected::main_of(scene, client, "fuse-request").certainty("likely").waits_for(way);
    let second = Expected::main_of(scene, first, "fuse-request").certainty("likely").waits_for(end);
    let order = [client, first, last].map(|worker| vec![scene[worker].pid()]).to_vec();
    let circle = ExpectedCycle { cgroups: vec![cgroup.path().to_path_buf()], order };
    Ok(Stage::stuck(cgroup, vec![waits, second]).cycles([circle]))
}

fn one_thread_stuck(scene: &mut Scene, place: &Place) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let (far, last) = scene.silent_fuse(None)?;
    let dir = scene.directory()?;
    let mut server = scene.server_on(&dir)?;
    server.first_stat = Some(far.join(SILENT_NAME));
    let server = started(scene, &Job::Chain(chain::Job::Server(server, 4)))?;
    let client = client(scene, &cgroup, &Job::Stat(dir.join(SILENT_NAME)))?;
    let waits = |tid: &&i32| proc::stack(**tid).iter().any(|frame| frame == "request_wait_answer");
    let tids = scene[server].tids().to_vec();
    wait::until(STUCK, || tids.iter().any(|tid| waits(&tid)));
    let tid = *tids.iter().find(waits).unwrap_or(&tids[0]);
    scene[server].wait_stuck(tid, 'S', "request_wait_answer", STUCK)?;
    scene[server].put_in(&cgroup)?;
    let end = [Holder::Mount(far), Holder::running(scene, last)];
    let thread = Holder::Task { pid: scene[server].pid(), tid: Some(tid), frozen: false, cgroup: None };
    let way = [&[Holder::Mount(dir), thread][..], &end].concat();
    let waits = Expected::main_of(scene, client, "fuse-request").certainty("likely").waits_for(way);
    let second =
        Expected::main_of(scene, server, "fuse-request").thread(tid).certainty("likely").waits_for(end);
    Ok(Stage::stuck(cgroup, vec![waits, second]).cycles([]))
}
