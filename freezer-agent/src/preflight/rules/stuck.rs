//! Tasks that would not freeze as they are now, by the very rules that explain a freeze.

use super::super::sight::{Party, Sight};
use super::super::{Finding, Grade, Kind, Obstacle};
use crate::explain::{Cause, Foreseen};
use crate::model::Hierarchy;

/// A wait that no rule knows is taken for a passing one (a disk, mostly) until it has lasted so long.
const PASSING_NS: u64 = 1_000_000_000;

pub fn judge(sight: &Sight) -> Vec<Finding> {
    let mut findings: Vec<Finding> = sight.foreseen.iter().map(stuck).collect();
    if sight.hierarchy == Hierarchy::V1 {
        findings.extend(sight.kernel_threads.iter().map(|(who, freezable)| kernel_thread(who, *freezable)));
    }
    findings
}

fn stuck(foreseen: &Foreseen) -> Finding {
    let blocker = &foreseen.blocker;
    let who = Party { pid: blocker.tgid, tid: blocker.tid, comm: blocker.comm.clone(), inside: true };
    let kind = match blocker.cause {
        Cause::KernelThread => Kind::KernelThread,
        Cause::FrozenElsewhere => Kind::FrozenElsewhere,
        _ => Kind::Stuck,
    };
    let lasts = foreseen.unmoved
        && match blocker.cause {
            Cause::Uninterruptible => blocker.since_ns.is_some_and(|ns| ns >= PASSING_NS),
            _ => true,
        };
    let finding = |summary: String, release: &str| Finding {
        cause: Some(blocker.cause),
        ..Finding::new(kind, Grade::Warn, summary, release).about(&who)
    };
    let summary = format!("{who} {}", blocker.summary);
    match (foreseen.impossible, lasts) {
        // The releases of a freeze begin with its thaw; here none stands.
        (true, _) => finding(summary, before_a_freeze(&blocker.release)).blocks(Obstacle::Impossible),
        (false, true) => finding(summary, before_a_freeze(&blocker.release)).blocks(Obstacle::Stuck),
        (false, false) => finding(
            format!("{summary}; it may be passing: it was at work a moment ago"),
            "look again; a freeze waits as long as such a wait lasts",
        ),
    }
}

fn before_a_freeze(release: &str) -> &str {
    ["thaw; then ", "thaw; ", "thaw: "].iter().find_map(|thaw| release.strip_prefix(thaw)).unwrap_or(release)
}

fn kernel_thread(who: &Party, freezable: bool) -> Finding {
    if freezable {
        let summary = format!(
            "{who} is a kernel thread that a v1 freeze stops: what it serves stands still for the whole host"
        );
        let release = format!("write {} to `tasks` of the root cgroup first", who.tid);
        Finding::new(Kind::KernelThread, Grade::Warn, summary, release).about(who)
    } else {
        let summary = format!("{who} is a kernel thread that v1 does not freeze and does not wait for");
        Finding::new(Kind::KernelThread, Grade::Note, summary, "nothing to do").about(who)
    }
}
