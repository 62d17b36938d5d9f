//! Threads that a task of the subtree waits for to die, wherever they sit, and who traces them.

use std::collections::BTreeSet;

use super::procdir::ProcDir;
use crate::explain::facts::{AwaitedThread, TaskFacts};
use crate::explain::functions::Mechanism;
use crate::model::TaskSnapshot;

/// SIGKILL in a mask of signals.
const KILL: u64 = 1 << (libc::SIGKILL - 1);

/// The other threads of those processes in which a task waits for them, and the thread ids of their tracers.
pub fn awaited(
    tasks: &[TaskFacts],
    host: &[TaskSnapshot],
    proc: &ProcDir,
) -> (Vec<AwaitedThread>, BTreeSet<i32>) {
    let waits = |facts: &&TaskFacts| {
        super::may_be(facts, Mechanism::ExecWait) || super::may_be(facts, Mechanism::CoredumpThread)
    };
    let processes: BTreeSet<i32> = tasks.iter().filter(waits).map(|facts| facts.task.tgid).collect();
    if processes.is_empty() {
        return (Vec::new(), BTreeSet::new());
    }
    let threads: Vec<&TaskSnapshot> = host.iter().filter(|task| processes.contains(&task.tgid)).collect();
    let tracers = threads.iter().filter_map(|task| task.tracer).collect();
    (threads.into_iter().map(|task| look(proc, task.tid)).collect(), tracers)
}

fn look(proc: &ProcDir, tid: i32) -> AwaitedThread {
    let process = proc.process(tid);
    let kill_pending = process.read("status").as_deref().and_then(kill_pending);
    AwaitedThread { tid, kill_pending, wchan: process.wchan() }
}

/// `fs/proc/array.c`, `render_sigset_t`: hexadecimal, the thread's own and its process's.
fn kill_pending(status: &[u8]) -> Option<bool> {
    let mask = |key: &str| {
        let line = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(key.as_bytes()))?;
        u64::from_str_radix(std::str::from_utf8(line).ok()?.trim(), 16).ok()
    };
    Some((mask("SigPnd:")? | mask("ShdPnd:")?) & KILL != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pending_kill_is_read_from_either_mask() {
        let status = |own: &str, shared: &str| {
            kill_pending(format!("Name:\tx\nSigPnd:\t{own}\nShdPnd:\t{shared}\nSigBlk:\t0\n").as_bytes())
        };
        assert_eq!(status("0000000000000100", "0000000000000000"), Some(true));
        assert_eq!(status("0000000000000000", "0000000000000100"), Some(true));
        assert_eq!(status("0000000000000200", "0000000000010000"), Some(false));
        assert_eq!(kill_pending(b"Name:\tx\n"), None);
    }
}
