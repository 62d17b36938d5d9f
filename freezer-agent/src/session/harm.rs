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
use crate::model::{EventKind, Hierarchy, Name};
use crate::source::procfs;

/// Before the request no more time than this is spent on looking for dumps under way.
const DUMP_LOOK: Duration = Duration::from_millis(5);
/// How long tasks are watched that may spin, how often, and how often a second a CPU is sampled.
const SPIN_PAUSE: Duration = Duration::from_micros(500);
const SPIN_HZ: u64 = 997;
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
        open_files: witness.open_files(),
    };
    gather::bystanders(&subject, all_frozen)
}

/// Tasks that blocked in a userfault and spin on after the thaw.
pub fn spins(witness: &mut Witness, blockers: &[Blocker]) -> Vec<SideEffect> {
    let blocked = blockers.iter().filter(|blocker| blocker.cause == Cause::Userfault);
    let mut suspects: Vec<Suspect> = blocked.filter_map(Suspect::new).collect();
    if suspects.is_empty() {
        return Vec::new();
    }
    witness.start_sampling(SPIN_HZ);
    let (begun, mut events) = (Instant::now(), Vec::new());
    while begun.elapsed() < SPIN_LOOK && suspects.iter().any(|suspect| suspect.spins.is_none()) {
        std::thread::sleep(SPIN_PAUSE);
        witness.drain(&mut events);
        for event in events.drain(..) {
            let EventKind::Sample { tid, stack, .. } = event.kind else { continue };
            suspects.iter_mut().filter(|suspect| suspect.blocker.tid == tid).for_each(|it| it.see(&stack));
        }
        for suspect in &mut suspects {
            suspect.look(begun.elapsed());
        }
    }
    witness.stop_sampling();
    suspects.into_iter().filter_map(|suspect| suspect.spins).collect()
}

/// A task that may spin: seen in its fault, and to have run for a while, it does.
struct Suspect<'b> {
    blocker: &'b Blocker,
    ran_before: u64,
    fault: Option<Vec<String>>,
    spins: Option<SideEffect>,
}

impl<'b> Suspect<'b> {
    fn new(blocker: &'b Blocker) -> Option<Self> {
        Some(Self { blocker, ran_before: ran_ns(blocker.tid)?, fault: None, spins: None })
    }

    fn see(&mut self, stack: &[String]) {
        if self.fault.is_none() && contains(stack, Mechanism::Userfault) {
            self.fault = Some(stack.to_vec());
        }
    }

    /// `over`: how long it has been watched.
    fn look(&mut self, over: Duration) {
        if self.spins.is_some() {
            return;
        }
        if self.fault.is_none() {
            // Where nothing samples: told only while it is off its CPU, which a spinning task is for moments.
            self.see(&procfs::stack(self.blocker.tid));
        }
        let over_ns = u64::try_from(over.as_nanos()).unwrap_or(u64::MAX);
        let ran = ran_ns(self.blocker.tid).map_or(0, |ran| ran.saturating_sub(self.ran_before));
        // One that was served has better to do; a loaded machine leaves a spinning one only a part of its CPU.
        if ran >= SPIN_RUN_NS && ran * 8 >= over_ns {
            self.spins = self.fault.as_deref().map(|stack| spin(self.blocker, stack, ran, over_ns));
        }
    }
}

/// Time on a CPU so far, ns: the first number of `schedstat` (`fs/proc/base.c`, `proc_pid_schedstat`).
fn ran_ns(tid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{tid}/schedstat")).ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}
