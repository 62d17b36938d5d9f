//! Work under way that a freeze cuts short or waits for: core dumps and execve(2).

use super::super::sight::{Party, Sight};
use super::super::{Finding, Grade, Kind, Obstacle};
use crate::explain::Cause;
use crate::model::Hierarchy;

pub fn judge(sight: &Sight) -> Vec<Finding> {
    let dumps = sight.dumping.iter().map(|who| dump(who, sight.hierarchy));
    dumps.chain(sight.executing.iter().map(exec)).collect()
}

/// `fs/coredump.c`, `dump_interrupted`: `freezing()`, which is v1 and suspend, ends the dump. v2's signal does not, and
/// the dumping task comes to no trap before the dump is written.
fn dump(who: &Party, hierarchy: Hierarchy) -> Finding {
    let wait = "wait until the dump is written";
    match hierarchy {
        Hierarchy::V1 => {
            let summary = format!("{who} writes a core dump, which a v1 freeze cuts short for good");
            Finding::new(Kind::Coredump, Grade::Warn, summary, wait).about(who)
        }
        Hierarchy::V2 => {
            let summary = format!("{who} writes a core dump: a v2 freeze waits until it is done");
            Finding::new(Kind::Coredump, Grade::NoGo, summary, wait).about(who).blocks(Obstacle::Stuck)
        }
    }
}

/// `fs/exec.c`, `de_thread`: the other threads must die first, and one that v1 froze cannot.
fn exec(who: &Party) -> Finding {
    let summary = format!(
        "{who} is in the middle of an execve: frozen before its other threads are dead, neither goes on"
    );
    let finding =
        Finding::new(Kind::Exec, Grade::Warn, summary, "look again in a moment: an execve is short")
            .about(who);
    Finding { cause: Some(Cause::ExecThreads), ..finding }
}
