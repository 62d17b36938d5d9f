//! Who traces whom across the border of the cgroup, and which of this command's own ancestors are inside.

use super::Look;
use crate::model::TaskSnapshot;
use crate::preflight::sight::{Party, Trace};

/// Every ptrace(2) relation with at least one side inside.
pub fn find(look: &Look<'_>) -> Vec<Trace> {
    let traced = look.host.iter().filter_map(|task| Some((task, look.task(task.tracer?)?)));
    traced
        .map(|(task, tracer)| Trace { tracer, tracee: look.party(task) })
        .filter(|trace| trace.tracer.inside || trace.tracee.inside)
        .collect()
}

/// The shells, multiplexers and sessions that this command runs in, as far as they are inside.
pub fn ancestry(look: &Look<'_>) -> Vec<(Party, &'static str)> {
    let Some(own) = look.proc.own_pid().and_then(|pid| look.by_tid.get(&pid)) else { return Vec::new() };
    let parent = |task: &&TaskSnapshot| look.by_tid.get(&task.parent).copied();
    let session = nix::unistd::getsid(None).map_or(0, nix::unistd::Pid::as_raw);
    let above =
        std::iter::successors(parent(own), parent).take_while(|task| task.tid > 1).take(look.host.len());
    above
        .enumerate()
        .filter(|(_, task)| look.inside.contains(&task.tid))
        .map(|(n, task)| {
            let role = match n {
                _ if task.tid == session => "leads the session this command runs in",
                0 => "has started this command",
                _ => "has started the shell of this command",
            };
            (look.party(task), role)
        })
        .collect()
}
