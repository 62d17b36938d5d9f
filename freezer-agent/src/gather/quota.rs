//! CPU quotas that cover a runnable task, and whether they throttle right now.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::cgroups::Mounted;
use super::procdir::{ProcDir, field, number, read};
use crate::explain::facts::CpuQuota;
use crate::model::{Name, TaskSnapshot};

/// A quota throttles at most once a period, so two looks must lie a period apart; longer ones are not waited for.
const LONGEST_LOOK: Duration = Duration::from_millis(110);

struct Look {
    dir: PathBuf,
    quota: CpuQuota,
    throttled_before: Option<u64>,
}

/// The quotas on the way from these tasks' cgroups to the root, on both hierarchies.
pub fn covering<'a>(
    proc: &ProcDir,
    tasks: impl Iterator<Item = &'a TaskSnapshot>,
    deadline: Instant,
) -> Vec<CpuQuota> {
    let mut looks: Vec<Look> = Vec::new();
    let mut mounted: Option<Mounted> = None;
    let mut tasks_seen = Vec::new();
    for task in tasks {
        let mounted = mounted.get_or_insert_with(|| Mounted::read(proc));
        for dir in mounted.cpu_directories(&proc.process(task.tid)) {
            add(&mut looks, dir, task.tgid);
        }
        tasks_seen.push(task);
    }
    if !tasks_seen.iter().any(|task| only_time_tells(task, &looks)) {
        return looks.into_iter().map(|look| look.quota).collect();
    }
    let period =
        looks.iter().map(|look| Duration::from_micros(look.quota.period_us)).max().unwrap_or_default();
    let left = deadline.saturating_duration_since(Instant::now());
    thread::sleep(period.min(LONGEST_LOOK).min(left));
    looks.into_iter().map(second_look).collect()
}

/// A task's own mark (6.18) says whether it is held back, and by whom where only one quota covers it.
fn only_time_tells(task: &TaskSnapshot, looks: &[Look]) -> bool {
    let covering = looks.iter().filter(|look| look.quota.covers.contains(&task.tgid)).count();
    match task.throttled {
        Some(true) => covering > 1,
        Some(false) => false,
        None => covering > 0,
    }
}

fn add(looks: &mut Vec<Look>, dir: PathBuf, pid: i32) {
    if let Some(look) = looks.iter_mut().find(|look| look.dir == dir) {
        if !look.quota.covers.contains(&pid) {
            look.quota.covers.push(pid);
        }
        return;
    }
    let Some((quota_us, period_us)) = limit(&dir) else { return };
    let quota = CpuQuota {
        cgroup: Name::from(dir.as_path()),
        quota_us,
        period_us,
        throttled_times: None,
        covers: vec![pid],
    };
    let throttled_before = throttled(&dir);
    looks.push(Look { dir, quota, throttled_before });
}

fn second_look(look: Look) -> CpuQuota {
    let after = throttled(&look.dir);
    let throttled_times =
        after.zip(look.throttled_before).map(|(after, before)| after.saturating_sub(before));
    CpuQuota { throttled_times, ..look.quota }
}

fn throttled(dir: &Path) -> Option<u64> {
    field(&read(&dir.join("cpu.stat"))?, "nr_throttled")
}

fn limit(dir: &Path) -> Option<(u64, u64)> {
    if let Some(text) = read(&dir.join("cpu.max")) {
        return cpu_max(&text);
    }
    // -1 means no quota, and is no u64.
    Some((number(&read(&dir.join("cpu.cfs_quota_us"))?)?, number(&read(&dir.join("cpu.cfs_period_us"))?)?))
}

/// `max 100000` or `50000 100000` (`kernel/sched/core.c`, `cpu_max_show`).
fn cpu_max(text: &[u8]) -> Option<(u64, u64)> {
    let mut words = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_limit_is_no_quota() {
        assert_eq!(cpu_max(b"max 100000\n"), None);
        assert_eq!(cpu_max(b"50000 100000\n"), Some((50_000, 100_000)));
    }

    #[test]
    fn v1_files_are_read_where_v2s_are_not() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("cpu.cfs_quota_us"), "-1\n").expect("written");
        std::fs::write(dir.path().join("cpu.cfs_period_us"), "100000\n").expect("written");
        assert_eq!(limit(dir.path()), None);
        std::fs::write(dir.path().join("cpu.cfs_quota_us"), "5000\n").expect("written");
        assert_eq!(limit(dir.path()), Some((5_000, 100_000)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_limit_or_not(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            cpu_max(&bytes);
        }
    }
}
