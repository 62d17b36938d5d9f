//! How long tasks took from the request to frozen: percentiles and a log2 histogram.

use serde::{Deserialize, Serialize};

/// One bucket of the histogram: tasks that took less than `le_ns`, and not less than half of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Upper bound, ns, a power of two.
    pub le_ns: u64,
    /// Tasks in it.
    pub count: u64,
}

/// Which clocks the figures come from: a program is named by its way and its target, as `doctor` does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyClock {
    /// Told the request, from which all is counted: a program, or the `write` of this command.
    pub requested: String,
    /// Tells when each task was asked; `None`: nobody does, and a task's way is counted from the request.
    pub asked: Option<String>,
    /// Told when the tasks froze.
    pub frozen: Vec<FrozenBy>,
}

impl LatencyClock {
    /// This command's own request: the time is taken right before it is written.
    pub const WRITE: &str = "write";
    /// When those froze at the latest that the write froze in place, where no program saw it come to them.
    pub const WRITE_END: &str = "end of the write";
}

/// What told when some tasks froze.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenBy {
    /// A program, or the `end of the write`; those frozen in place are told by what asked them.
    pub by: String,
    /// How many.
    pub tasks: usize,
}

/// Latency of a whole freeze and of its tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Request to the whole subtree known to be frozen, ns; `None` when it never was, or nobody confirmed it.
    pub request_to_frozen_ns: Option<u64>,
    /// Median over tasks, ns.
    pub p50_ns: Option<u64>,
    /// 99th percentile over tasks, ns (nearest rank).
    pub p99_ns: Option<u64>,
    /// Slowest task, ns.
    pub max_ns: Option<u64>,
    /// Thread id of the slowest task.
    pub slowest_tid: Option<i32>,
    /// Non-empty stretch of log2 buckets, ascending.
    pub histogram: Vec<Bucket>,
    /// Where the figures come from.
    #[serde(default)]
    pub clock: LatencyClock,
}

impl Latency {
    /// From `(tid, ns)` of every task that froze.
    #[must_use]
    pub fn of(tasks: &[(i32, u64)], request_to_frozen_ns: Option<u64>) -> Self {
        let mut times: Vec<u64> = tasks.iter().map(|&(_, ns)| ns).collect();
        times.sort_unstable();
        Self {
            request_to_frozen_ns,
            p50_ns: nearest_rank(&times, 50),
            p99_ns: nearest_rank(&times, 99),
            max_ns: times.last().copied(),
            slowest_tid: tasks.iter().max_by_key(|&&(_, ns)| ns).map(|&(tid, _)| tid),
            histogram: log2_histogram(&times),
            clock: LatencyClock::default(),
        }
    }
}

fn nearest_rank(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

/// The power of two above `ns`: bounds as bcc prints them (`1024 -> 2047` is `le_ns` 2048).
fn upper_bound(ns: u64) -> u64 {
    ns.checked_add(1).and_then(u64::checked_next_power_of_two).unwrap_or(u64::MAX)
}

fn log2_histogram(sorted: &[u64]) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = Vec::new();
    for &ns in sorted {
        let le_ns = upper_bound(ns);
        while let Some(last) = buckets.last()
            && last.le_ns < le_ns
        {
            let le_ns = last.le_ns.saturating_mul(2);
            buckets.push(Bucket { le_ns, count: 0 });
        }
        match buckets.last_mut() {
            Some(last) => last.count += 1,
            None => buckets.push(Bucket { le_ns, count: 1 }),
        }
    }
    buckets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_cgroup_has_no_percentiles() {
        let latency = Latency::of(&[], Some(5));
        assert_eq!((latency.p50_ns, latency.max_ns, latency.slowest_tid), (None, None, None));
        assert!(latency.histogram.is_empty());
    }

    #[test]
    fn a_power_of_two_opens_the_next_bucket() {
        assert_eq!(log2_histogram(&[1023]), [Bucket { le_ns: 1024, count: 1 }]);
        assert_eq!(log2_histogram(&[1024]), [Bucket { le_ns: 2048, count: 1 }]);
    }

    #[test]
    fn gaps_between_buckets_are_shown_as_zero() {
        let counts: Vec<u64> = log2_histogram(&[1000, 5000]).iter().map(|b| b.count).collect();
        assert_eq!(counts, [1, 0, 0, 1]);
    }

    #[test]
    fn the_slowest_task_is_named() {
        let latency = Latency::of(&[(10, 100), (11, 900), (12, 300)], None);
        assert_eq!((latency.slowest_tid, latency.p50_ns, latency.p99_ns), (Some(11), Some(300), Some(900)));
    }

    proptest! {
        #[test]
        fn every_task_is_in_exactly_one_bucket(mut times in proptest::collection::vec(any::<u64>(), 0..200)) {
            times.sort_unstable();
            let total: u64 = log2_histogram(&times).iter().map(|b| b.count).sum();
            prop_assert_eq!(total, times.len() as u64);
        }
    }
}
