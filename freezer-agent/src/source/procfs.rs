//! The same look at tasks from /proc alone: what remains where the kernel takes no BPF programs.
//!
//! Only files that cannot hang on what they examine are opened: `stat`, `status`, `wchan`, `stack`, `sched`, `schedstat`. The
//! rest (`cmdline`, `maps`, ...) takes the target's mmap lock, which may be the very lock it is stuck under.

use std::{fs, io, path::Path};

use crate::{
    decode::policy_of,
    model::{CpuTimes, Name, TaskSnapshot, TaskState, function},
};

/// `PF_KTHREAD` and `PF_EXITING` (include/linux/sched.h), shown as they are in `stat`.
const PF_KTHREAD: u32 = 0x0020_0000;
const PF_EXITING: u32 = 0x0000_0004;
/// `PF_FROZEN` and `PF_FREEZER_SKIP` (include/linux/sched.h up to 6.0; later the bits mean something else).
const PF_FROZEN: u32 = 0x0001_0000;
const PF_FREEZER_SKIP: u32 = 0x4000_0000;
/// `USER_HZ`: times in `stat` are in hundredths of a second on every architecture Linux runs BPF on.
const TICK_NS: u64 = 10_000_000;

/// Looks at the tasks of these thread ids, one after the other; those that are gone are left out.
///
/// Cgroups are not looked up: whoever knows the ids read them from cgroup files.
#[must_use]
pub fn snapshot(tids: &[i32], with_stacks: bool) -> Vec<TaskSnapshot> {
    let host = Host { clock: scheduler_clock(), frozen_shows_d: frozen_shows_d() };
    tids.iter().filter_map(|&tid| task(tid, with_stacks, &host).ok().flatten()).collect()
}

/// Thread ids of the whole host, as far as this process's pid namespace shows it.
#[must_use]
pub fn host_tids() -> Vec<i32> {
    let processes = numbers("/proc".as_ref());
    processes.into_iter().flat_map(|pid| numbers(format!("/proc/{pid}/task").as_ref())).collect()
}

/// Entries of a directory that are numbers; none where it is gone.
fn numbers(directory: &std::path::Path) -> Vec<i32> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Kernel stack of a task, innermost first; empty where it is not readable (`CAP_SYS_ADMIN`).
#[must_use]
pub fn stack(tid: i32) -> Vec<String> {
    let text = fs::read(format!("/proc/{tid}/stack")).unwrap_or_default();
    text.split(|&byte| byte == b'\n').filter_map(frame).collect()
}

/// What holds for every task of one look.
struct Host {
    /// The scheduler's clock.
    clock: Option<u64>,
    frozen_shows_d: bool,
}

fn task(tid: i32, with_stacks: bool, host: &Host) -> io::Result<Option<TaskSnapshot>> {
    let folder = Path::new("/proc").join(tid.to_string());
    // `/proc/TID/stat` sums times up over the whole process; the one below `task` is the thread's own.
    let own = folder.join("task").join(tid.to_string()).join("stat");
    let Some(stat) = Stat::parse(&fs::read(own)?) else { return Ok(None) };
    let status = fs::read(folder.join("status"))?;
    let process = field(&status, "Tgid").unwrap_or(tid);
    let tracer = field(&status, "TracerPid").filter(|&tracer: &i32| tracer != 0);
    let sleeps = field::<u64>(&status, "voluntary_ctxt_switches");
    let switches = sleeps
        .zip(field::<u64>(&status, "nonvoluntary_ctxt_switches"))
        .map(|(voluntary, not)| voluntary + not);
    let schedstat = fs::read(folder.join("schedstat")).ok().and_then(|text| schedstat(&text));
    let times = schedstat.zip(sleeps).map(|((ran_ns, waited_ns), sleeps)| CpuTimes {
        ran_ns,
        waited_ns,
        system_ns: stat.system_ticks.saturating_mul(TICK_NS),
        sleeps,
    });
    let wchan = fs::read(folder.join("wchan")).unwrap_or_default();
    let stack = if with_stacks { stack(tid) } else { Vec::new() };
    let frozen = Frozen::of(stat.state, &wchan, &stack);
    let frozen_v1 = if host.frozen_shows_d { frozen.v1 } else { frozen_by_flags(stat.flags) };
    let ran = fs::read(folder.join("sched")).ok().and_then(|text| exec_start(&text));
    Ok(Some(TaskSnapshot {
        tid,
        tgid: process,
        parent: stat.parent,
        comm: stat.comm,
        start_ns: stat.start_ticks.saturating_mul(TICK_NS),
        state: stat.state,
        kernel_thread: stat.flags & PF_KTHREAD != 0,
        exiting: stat.flags & PF_EXITING != 0,
        frozen_v1,
        frozen_v2: frozen.v2,
        freeze_asked_v2: None,
        cgroup_v1: None,
        cgroup_v2: None,
        // A waking or starved task is `R` as well as one that runs.
        on_cpu: if stat.state == TaskState::Running { None } else { Some(false) },
        cpu: stat.cpu,
        policy: policy_of(stat.policy),
        throttled: None,
        since_ns: host.clock.zip(ran).map(|(now, ran)| now.saturating_sub(ran)),
        switches,
        lock: None,
        tracer,
        times,
        stack,
    }))
}

/// Before 6.1 v1's mark is a flag, and flags are shown. Who may sleep on counts as frozen where a freeze is asked for, which
/// the task itself does not tell.
fn frozen_by_flags(flags: u32) -> Option<bool> {
    match (flags & PF_FROZEN != 0, flags & PF_FREEZER_SKIP != 0) {
        (true, _) => Some(true),
        (false, true) => None,
        (false, false) => Some(false),
    }
}

/// What /proc lets one say about the freezers, where v1's mark is none of the flags; `None` where frozen and blocked look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frozen {
    v1: Option<bool>,
    v2: Option<bool>,
}

impl Frozen {
    fn of(state: TaskState, wchan: &[u8], stack: &[String]) -> Self {
        let innermost = stack.first().map(String::as_bytes);
        let waits_in = |function: &[u8]| wchan == function || innermost == Some(function);
        let place_known = innermost.is_some() || !matches!(wchan, b"" | b"0");
        let refrigerator = waits_in(b"__refrigerator");
        // v2's trap has no function of its own in every kernel: where the compiler merged it into `get_signal`,
        // that is where it waits, and nothing else sleeps there interruptibly.
        let trap = waits_in(b"do_freezer_trap") || waits_in(b"get_signal");
        match state {
            // Only the freezers themselves wait there.
            TaskState::Uninterruptible | TaskState::Sleeping if refrigerator => {
                Self { v1: Some(true), v2: Some(false) }
            }
            TaskState::Sleeping => Self { v1: Some(false), v2: place_known.then_some(trap) },
            // v2 counts stopped and traced tasks as they are.
            TaskState::Stopped | TaskState::Traced => Self { v1: Some(false), v2: None },
            // Frozen in place shows the sleep it was frozen in; a vfork parent counts for v2 in `D`.
            TaskState::Uninterruptible => Self { v1: None, v2: None },
            _ => Self { v1: Some(false), v2: Some(false) },
        }
    }
}

/// Whether every v1-frozen task shows `D` (`TASK_FROZEN`, 6.1 and newer).
fn frozen_shows_d() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    matches!((parts.next(), parts.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= (6, 1))
}

/// The fields of `/proc/TID/stat` that are needed (`do_task_stat`, fs/proc/array.c).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stat {
    comm: Name,
    state: TaskState,
    parent: i32,
    flags: u32,
    system_ticks: u64,
    start_ticks: u64,
    cpu: u32,
    policy: u32,
}

impl Stat {
    /// The name may hold anything, blanks and brackets too: it ends at the last bracket.
    fn parse(text: &[u8]) -> Option<Self> {
        let open = text.iter().position(|&byte| byte == b'(')?;
        let close = text.iter().rposition(|&byte| byte == b')')?;
        let comm = Name::from(text.get(open + 1..close)?);
        let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Numbered from 3, as proc(5) does.
        let number = |n: usize| fields.get(n - 3)?.parse::<u64>().ok();
        Some(Self {
            comm,
            state: TaskState::from_letter(*fields.first()?.as_bytes().first()?),
            parent: fields.get(1)?.parse().ok()?,
            flags: u32::try_from(number(9)?).ok()?,
            system_ticks: number(15)?,
            start_ticks: number(22)?,
            cpu: u32::try_from(number(39)?).ok()?,
            policy: u32::try_from(number(41)?).ok()?,
        })
    }
}

/// A number from a `Key:\tvalue` line of `status`. A newline in a task's name is escaped there, so that no name
/// can pose as a line.
fn field<T: std::str::FromStr>(status: &[u8], key: &str) -> Option<T> {
    let value = status
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(key.as_bytes())?.strip_prefix(b":"))?;
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// Time on a CPU and time runnable without one, ns: the first two numbers of `schedstat` (fs/proc/base.c,
/// `proc_pid_schedstat`).
fn schedstat(text: &[u8]) -> Option<(u64, u64)> {
    let mut numbers = std::str::from_utf8(text).ok()?.split_ascii_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// `se.exec_start`, the scheduler's clock when the task last was accounted, in ns; the file shows ms.
///
/// Its first line holds the task's name unescaped, so a line is taken only where it is written as the kernel does.
fn exec_start(sched: &[u8]) -> Option<u64> {
    let value = sched.split(|&byte| byte == b'\n').skip(2).find_map(|line| {
        let rest = line.strip_prefix(b"se.exec_start")?;
        let colon = rest.iter().position(|&byte| byte == b':')?;
        rest[..colon].iter().all(|&byte| byte == b' ').then(|| &rest[colon + 1..])
    })?;
    let (ms, fraction) = std::str::from_utf8(value).ok()?.trim().split_once('.')?;
    let (ms, ns): (u64, u64) = (ms.parse().ok()?, fraction.parse().ok()?);
    (fraction.len() == 6).then(|| ms.checked_mul(1_000_000)?.checked_add(ns)).flatten()
}

/// The scheduler's clock now: the reader itself has just run. Off by the time stolen from one CPU and not from
/// another, and by up to a tick.
fn scheduler_clock() -> Option<u64> {
    exec_start(&fs::read("/proc/thread-self/sched").ok()?)
}

/// `[<0>] hrtimer_nanosleep+0x9c/0x110 [module]`; with names also where `kernel.kptr_restrict` hides addresses.
fn frame(line: &[u8]) -> Option<String> {
    function::plain(line.strip_prefix(b"[<0>] ")?).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIELDS: &str =
        "S 7 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4200 1 1 1 1 1 1 1 1 0 0 0 0 0 0 0 17 3 0 2 0";

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let stat = Stat::parse(format!("42 (a) R (b) {FIELDS}").as_bytes()).expect("well formed");
        assert_eq!((stat.comm, stat.state, stat.parent), (Name::from("a) R (b"), TaskState::Sleeping, 7));
        assert_eq!((stat.start_ticks, stat.cpu, stat.policy), (4200, 3, 2));
    }

    #[test]
    fn only_the_refrigerator_proves_a_v1_freeze() {
        let d = TaskState::Uninterruptible;
        assert_eq!(Frozen::of(d, b"__refrigerator", &[]).v1, Some(true));
        assert_eq!(Frozen::of(d, b"hrtimer_nanosleep", &[]).v1, None);
        assert_eq!(Frozen::of(d, b"", &["__refrigerator".to_owned()]).v1, Some(true));
        assert_eq!(Frozen::of(TaskState::Sleeping, b"hrtimer_nanosleep", &[]).v1, Some(false));
        assert_eq!(Frozen::of(TaskState::Running, b"0", &[]).v1, Some(false));
    }

    #[test]
    fn old_kernels_show_their_mark_among_the_flags() {
        assert_eq!(frozen_by_flags(PF_FROZEN | PF_EXITING), Some(true));
        assert_eq!(frozen_by_flags(PF_FREEZER_SKIP), None);
        assert_eq!(frozen_by_flags(PF_EXITING), Some(false));
    }

    #[test]
    fn a_sleeper_is_frozen_in_v2_only_in_its_trap() {
        assert_eq!(Frozen::of(TaskState::Sleeping, b"do_freezer_trap", &[]).v2, Some(true));
        assert_eq!(Frozen::of(TaskState::Sleeping, b"hrtimer_nanosleep", &[]).v2, Some(false));
        assert_eq!(Frozen::of(TaskState::Uninterruptible, b"kernel_clone", &[]).v2, None);
        assert_eq!(Frozen::of(TaskState::Stopped, b"do_signal_stop", &[]).v2, None);
    }

    #[test]
    fn the_scheduler_clock_is_read_to_the_nanosecond() {
        let text = b"se.exec_start (1, #threads: 1)\n-----\nse.exec_start            :        123.000456\n";
        assert_eq!(exec_start(text), Some(123_000_456));
    }

    #[test]
    fn the_tests_own_process_is_seen_from_proc() {
        let me = i32::try_from(std::process::id()).expect("a pid");
        let tasks = snapshot(&[me, i32::MAX], false);
        assert_eq!(tasks.len(), 1);
        assert_eq!((tasks[0].tid, tasks[0].tgid), (me, me));
    }

    proptest! {
        #[test]
        fn any_stat_gives_fields_or_nothing(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Stat::parse(&text);
            let _ = exec_start(&text);
            let _ = schedstat(&text);
            let _ = field::<i32>(&text, "Tgid");
            let _ = frame(&text);
        }

        #[test]
        fn any_name_leaves_the_fields_alone(name in proptest::collection::vec(1_u8.., 0..15)) {
            let mut text = b"42 (".to_vec();
            text.extend(&name);
            text.extend(format!(") {FIELDS}").bytes());
            let stat = Stat::parse(&text).expect("well formed");
            prop_assert_eq!(stat.comm.as_bytes(), &name[..]);
            prop_assert_eq!(stat.parent, 7);
        }
    }
}
