//! Threads that a task of the subtree waits for to die, wherever they sit, and who traces them.

use std::collections::BTreeSet;

use crate::explain::facts::TaskFacts;
use crate::explain::functions::Mechanism;
use crate::model::TaskSnapshot;

/// Thread ids of the other threads of those processes in which a task waits for them, and of their tracers.
pub fn awaited(tasks: &[TaskFacts], host: &[TaskSnapshot]) -> BTreeSet<i32> {
    let waits = |facts: &&TaskFacts| {
        super::may_be(facts, Mechanism::ExecWait) || super::may_be(facts, Mechanism::CoredumpThread)
    };
    let processes: BTreeSet<i32> = tasks.iter().filter(waits).map(|facts| facts.task.tgid).collect();
    if processes.is_empty() {
        return BTreeSet::new();
    }
    let threads = host.iter().filter(|task| processes.contains(&task.tgid));
    threads.flat_map(|task| [Some(task.tid), task.tracer]).flatten().collect()
}
