//! Where and how a worker is scheduled.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::job::Share;
use crate::error::{Result, Tried as _};

/// Runs this thread on one CPU only.
pub(super) fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu).tried("choose", format!("CPU {cpu}"))?;
    sched_setaffinity(Pid::from_raw(0), &set).tried("run on", format!("CPU {cpu}"))
}

/// Keeps this thread, and what it starts, off a CPU; where that is the only one, nothing changes.
#[derive(Debug)]
pub(crate) struct KeptOff {
    before: CpuSet,
}

impl KeptOff {
    /// Until it is dropped.
    pub(crate) fn from(cpu: usize) -> Result<Self> {
        let this = Pid::from_raw(0);
        let before = sched_getaffinity(this).tried("see", "the CPUs to run on")?;
        let mut rest = before;
        rest.unset(cpu).tried("leave", format!("CPU {cpu}"))?;
        if (0..CpuSet::count()).any(|cpu| rest.is_set(cpu).unwrap_or(false)) {
            sched_setaffinity(this, &rest).tried("leave", format!("CPU {cpu}"))?;
        }
        Ok(Self { before })
    }
}

impl Drop for KeptOff {
    fn drop(&mut self) {
        if let Err(errno) = sched_setaffinity(Pid::from_raw(0), &self.before) {
            eprintln!("freezer-lab: cannot run on all CPUs again: {errno}");
        }
    }
}

/// Sets this thread's share beside others.
pub(super) fn take(share: Share) -> Result<()> {
    match share {
        Share::Least => schedule(libc::SCHED_IDLE, 0).tried("become", "SCHED_IDLE"),
        Share::Much => {
            let nice = -10;
            // SAFETY: takes integers; 0 is the calling thread.
            let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
            Errno::result(result).map(drop).tried("set", format!("nice {nice}"))
        }
    }
}

/// Makes this thread a real-time one: nothing of the ordinary class runs beside it on its CPU but what the
/// kernel's fair server lets through (`kernel/sched/deadline.c` since 6.12: 50 ms of each second).
pub(super) fn fifo() -> Result<()> {
    schedule(libc::SCHED_FIFO, 1).tried("become", "SCHED_FIFO")
}

fn schedule(policy: libc::c_int, sched_priority: libc::c_int) -> std::result::Result<(), Errno> {
    let parameters = libc::sched_param { sched_priority };
    // SAFETY: the pointer is to a live sched_param; 0 is the calling thread.
    Errno::result(unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) }).map(drop)
}
