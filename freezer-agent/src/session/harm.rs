//! What a freeze broke, looked for once it is settled.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use super::Witness;
use crate::cgroupfs::Cgroup;
use crate::explain::functions::{Mechanism, contains};
use crate::explain::harm::{SideEffect, dump_cut, harms, spin};
use crate::explain::{Blocker, Cause, Facts};
use crate::gather::{self, Frozen, Subject};
use crate::model::{Hierarchy, Name};
use crate::source::procfs;

/// Before the request no more time than this is spent on looking for dumps under way.
const DUMP_LOOK: Duration = Duration::from_millis(5);
/// How long a task is watched that may spin.
const SPIN_LOOK: Duration = Duration::from_millis(400);
/// As much as it must have run meanwhile, ns.
const SPIN_RUN_NS: u64 = 10_000_000;

/// A process that writes its core dump.
#[derive(Clone, Debug)]
pub struct Dump {
    pid: i32,
    comm: Name,
}

/// Processes of the subtree that write a core dump right now. Only v1 cuts dumps short; in v2 they end in peace.
pub fn dumps_under_way(cgroup: &Cgroup) -> Vec<Dump> {
    if cgroup.hierarchy != Hierarchy::V1 {
        return Vec::new();
    }
    let until = Instant::now() + DUMP_LOOK;
    let cgroups = cgroup.subtree().unwrap_or_default();
    let tasks = cgroups.iter().flat_map(|cgroup| cgroup.tasks().unwrap_or_default());
    tasks.take_while(|_| Instant::now() < until).filter_map(dump).collect()
}

fn dump(tid: i32) -> Option<Dump> {
    let status = fs::read(format!("/proc/{tid}/status")).ok()?;
    let mut lines = status.split(|&byte| byte == b'\n');
    let comm = lines.next()?.strip_prefix(b"Name:\t")?;
    let is = |line: &[u8], wanted: &str| line == wanted.as_bytes();
    // The line is one of the process: told once, of its main thread.
    let (mut dumping, mut main) = (false, false);
    for line in lines {
        dumping |= is(line, "CoreDumping:\t1");
        main |= is(line, &format!("Tgid:\t{tid}"));
    }
    (dumping && main).then(|| Dump { pid: tid, comm: Name::from(comm) })
}

/// Those of the dumps that ended.
pub fn dumps_cut(dumps: &[Dump]) -> Vec<SideEffect> {
    let ended = dumps.iter().filter(|before| dump(before.pid).is_none());
    ended.map(|dump| dump_cut(dump.pid, &dump.comm)).collect()
}

/// Outsiders that wait for tasks of the subtree; all of these are frozen where `all_frozen`.
pub fn outsiders_hurt(witness: &mut Witness, all_frozen: bool) -> Vec<SideEffect> {
    harms(&outsiders(witness, all_frozen))
}

/// The facts that [`outsiders_hurt`] rests on.
pub fn outsiders(witness: &mut Witness, all_frozen: bool) -> Facts {
    let host = witness.look_at_host_without_stacks();
    let cgroup = witness.cgroup();
    let subject = Subject {
        frozen: Frozen::Cgroup(cgroup),
        froze: Vec::new(),
        host,
        asked_ns_ago: None,
        samples: HashMap::new(),
        joined: HashMap::new(),
        before: HashMap::new(),
    };
    gather::bystanders(&subject, all_frozen)
}

/// Tasks that blocked in a userfault and spin on after the thaw.
pub fn spins(blockers: &[Blocker]) -> Vec<SideEffect> {
    let suspects: Vec<(&Blocker, u64)> = blockers
        .iter()
        .filter(|blocker| blocker.cause == Cause::Userfault)
        .filter_map(|blocker| Some((blocker, ran_ns(blocker.tid)?)))
        .collect();
    let spins = |&(blocker, before): &(&Blocker, u64)| spins_on(blocker, before);
    suspects.iter().filter_map(spins).collect()
}

/// Watches one task until it is seen in its fault after having run for a while, or gives up.
fn spins_on(blocker: &Blocker, before: u64) -> Option<SideEffect> {
    let begun = Instant::now();
    let mut faults = false;
    while begun.elapsed() < SPIN_LOOK {
        // Its stack is told only while it is off its CPU, which a spinning task is for a moment in each round.
        faults |= contains(&procfs::stack(blocker.tid), Mechanism::Userfault);
        let over_ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let ran = ran_ns(blocker.tid)?.saturating_sub(before);
        // One that was served has better to do; a loaded machine leaves a spinning one only a part of its CPU.
        if faults && ran >= SPIN_RUN_NS && ran * 8 >= over_ns {
            return Some(spin(blocker, ran, over_ns));
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    None
}

/// Time on a CPU so far, ns: the first number of `schedstat` (`fs/proc/base.c`, `proc_pid_schedstat`).
fn ran_ns(tid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{tid}/schedstat")).ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}
