//! Tracers and traced tasks on both sides of the border.

use super::super::sight::{Sight, Trace};
use super::super::{Finding, Grade, Kind};
use crate::model::Hierarchy;

pub fn judge(sight: &Sight) -> Vec<Finding> {
    sight.traces.iter().map(|trace| one(trace, sight.hierarchy)).collect()
}

fn one(trace: &Trace, hierarchy: Hierarchy) -> Finding {
    let Trace { tracer, tracee } = trace;
    let detach = "detach the tracer first (end gdb, strace), or freeze both together";
    match (tracer.inside, tracee.inside) {
        (true, true) => {
            let summary = format!("{tracee} is traced by {tracer}, inside too: both freeze, stopped or not");
            Finding::new(Kind::Tracee, Grade::Note, summary, "nothing to do").about(tracee)
        }
        (true, false) => {
            let summary = format!(
                "{tracer} traces {tracee}, outside: at its next stop that one stands still until the thaw"
            );
            Finding::new(Kind::Tracer, Grade::Warn, summary, detach).about(tracer)
        }
        _ => {
            // v1 holds even a task that is in a ptrace stop (`__set_task_frozen`, 6.1+); v2 lets it out of its trap.
            let then = match hierarchy {
                Hierarchy::V1 => "a request of the tracer that must wait for it hangs until the thaw",
                Hierarchy::V2 => {
                    "the tracer may still stop and read it, and each time it leaves the frozen state for a moment"
                }
            };
            let summary = format!("{tracee} is traced by {tracer}, outside: {then}");
            Finding::new(Kind::Tracee, Grade::Warn, summary, detach).about(tracee)
        }
    }
}
