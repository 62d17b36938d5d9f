//! What observing costs, by the kernel's own word: for the benchmark.

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use super::Witness;
use crate::source::{Scope, Stacks};

/// Costs, ns each; `None` where there is no BPF or no statistics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Costs {
    /// Mean run time of the `sched_switch` program while only tasks outside the watched cgroup run.
    pub sched_switch_outside_ns: Option<u64>,
    /// One walk over all tasks of the host, with their stacks.
    pub snapshot_ns: Option<u64>,
}

impl Witness {
    /// Measures; the watched cgroup must be frozen.
    pub fn costs(&mut self) -> Costs {
        let Some(observer) = &mut self.observer else { return Costs::default() };
        let statistics = aya::sys::enable_stats(aya::sys::Stats::RunTime);
        switch_back_and_forth(Duration::from_millis(200));
        let sched_switch_outside_ns =
            statistics.ok().and_then(|_enabled| observer.mean_run_ns("sched_switch"));
        // The first walk loads the iterator and reads the symbols.
        let walked = observer.snapshot(Scope::Host, Stacks::All).and_then(|_| {
            let begun = Instant::now();
            observer.snapshot(Scope::Host, Stacks::All).map(|_| begun.elapsed())
        });
        Costs {
            sched_switch_outside_ns,
            snapshot_ns: walked.ok().and_then(|took| u64::try_from(took.as_nanos()).ok()),
        }
    }
}

/// Two threads that hand a token to each other: the switches of a busy host. On an idle one the program would run so
/// rarely that each time all its data had to come from memory.
fn switch_back_and_forth(how_long: Duration) {
    let (there, here) = channel();
    let (back, answers) = channel();
    let echo = thread::spawn(move || here.into_iter().all(|token: ()| back.send(token).is_ok()));
    let begun = Instant::now();
    while begun.elapsed() < how_long && there.send(()).is_ok() && answers.recv().is_ok() {}
    drop(there);
    // It ends with the channel; it has nothing to panic about.
    drop(echo.join());
}
