//! stat(2) on a FUSE mount whose server does not answer: it is just silent, or frozen by this very freeze, or
//! frozen with another cgroup.

use super::{Case, Expected, ExpectedCycle, Holder, STUCK, Stage};
use crate::cgroup::{Hierarchy, State};
use crate::error::Result;
use crate::fuse::SILENT_NAME;
use crate::scene::{Scene, WorkerId};
use crate::{Cgroup, Job};

/// The server runs and keeps silent.
pub(super) const OUTSIDE: Case = Case {
    name: "fuse-server-outside",
    about: "stat on a FUSE mount whose server, outside, keeps silent",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        client(scene, cgroup, None, |scene, server, _| Ok(Holder::running(scene, server)))
    },
};

/// The server answers within a second and a half, but the freeze catches it first.
pub(super) const INSIDE: Case = Case {
    name: "fuse-server-inside",
    about: "stat on a FUSE mount whose slow server sits in the same cgroup and freezes before it answers",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        client(scene, cgroup, Some(1500), |scene, server, cgroup| {
            scene[server].put_in(cgroup)?;
            Ok(Holder::frozen(scene, server, cgroup))
        })
    },
};

/// The server sits in a cgroup that is frozen already.
pub(super) const FROZEN_ELSEWHERE: Case = Case {
    name: "fuse-server-frozen-elsewhere",
    about: "stat on a FUSE mount whose server sits in another cgroup, frozen before",
    hierarchies: &Hierarchy::BOTH,
    set_up: |scene, place| {
        let cgroup = place.cgroup(scene)?;
        client(scene, cgroup, None, |scene, server, cgroup| {
            let other = scene.cgroup(cgroup.hierarchy())?;
            scene[server].put_in(&other)?;
            other.freeze()?;
            other.wait_state(State::Frozen, STUCK)?;
            Ok(Holder::frozen(scene, server, &other))
        })
    },
};

fn client(
    scene: &mut Scene,
    cgroup: Cgroup,
    answer_after_ms: Option<u64>,
    place_server: impl FnOnce(&mut Scene, WorkerId, &Cgroup) -> Result<Holder>,
) -> Result<Stage> {
    let (dir, server) = scene.silent_fuse(answer_after_ms)?;
    let client = scene.worker_in(&cgroup, &Job::Stat(dir.join(SILENT_NAME)))?;
    scene[client].wait_stuck(scene[client].pid(), 'S', "request_wait_answer", STUCK)?;
    let holder = place_server(scene, server, &cgroup)?;
    let blocker = Expected::main_of(scene, client, "fuse-request")
        .certainty("likely")
        .waits_for([Holder::Mount(dir), holder]);
    let inside = answer_after_ms.is_some();
    let circle = ExpectedCycle {
        cgroups: vec![cgroup.path().to_path_buf()],
        order: vec![vec![scene[client].pid()], vec![scene[server].pid()]],
    };
    Ok(Stage::stuck(cgroup, vec![blocker]).cycles(if inside { vec![circle] } else { Vec::new() }))
}
