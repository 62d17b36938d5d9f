//! Looks at /proc, only at files that cannot hang on a stuck task.

use std::fs;

/// State letter of a task (by thread or process id); `None` once it is gone.
#[must_use]
pub fn state(tid: i32) -> Option<char> {
    stat_field(tid, 3)?.chars().next()
}

/// Start time, clock ticks since boot; `None` once it is gone.
#[must_use]
pub fn start_time(pid: i32) -> Option<u64> {
    stat_field(pid, 22)?.parse().ok()
}

/// Whether a task is past the point of no return in exit (`PF_EXITING`, include/linux/sched.h).
#[must_use]
pub fn is_exiting(tid: i32) -> bool {
    stat_field(tid, 9).and_then(|flags| flags.parse::<u64>().ok()).is_some_and(|flags| flags & 4 != 0)
}

/// Whether a process writes its core dump.
#[must_use]
pub fn is_dumping(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| status.contains("CoreDumping:\t1"))
}

/// Time spent in the kernel so far, clock ticks.
#[must_use]
pub fn system_ticks(tid: i32) -> Option<u64> {
    stat_field(tid, 15)?.parse().ok()
}

/// Time spent in user code so far, clock ticks.
#[must_use]
pub fn user_ticks(tid: i32) -> Option<u64> {
    stat_field(tid, 14)?.parse().ok()
}

/// Scheduling policy (`SCHED_*` of sched.h).
#[must_use]
pub fn policy(tid: i32) -> Option<i32> {
    stat_field(tid, 41)?.parse().ok()
}

/// Time on a CPU so far, ns (first field of `/proc/TID/schedstat`).
#[must_use]
pub fn ran_ns(tid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{tid}/schedstat")).ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// Process ids of all processes and kernel threads whose name begins so.
#[must_use]
pub fn named(prefix: &str) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let fits = |pid: &i32| {
        fs::read(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.starts_with(prefix.as_bytes()))
    };
    pids.filter(fits).collect()
}

/// Kernel functions on the task's stack, innermost first; empty where it runs or cannot be read.
#[must_use]
pub fn stack(tid: i32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{tid}/stack")).unwrap_or_default();
    text.lines().filter_map(|line| Some(line.split_once("] ")?.1.split('+').next()?.to_owned())).collect()
}

/// A descriptor of a process that is a link to this.
#[must_use]
pub fn descriptor(pid: i32, link: &str) -> Option<i32> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut fitting =
        entries.filter(|entry| fs::read_link(entry.path()).is_ok_and(|to| to.as_os_str() == link));
    fitting.next()?.file_name().to_str()?.parse().ok()
}

/// Whether a process runs the lab's own program, so is one of its workers or their offspring.
#[must_use]
pub fn is_lab(pid: i32) -> bool {
    let exe = |who: &str| fs::read_link(format!("/proc/{who}/exe")).ok();
    let worker = crate::worker::executable().ok().and_then(|path| path.canonicalize().ok());
    exe(&pid.to_string()).is_some_and(|found| Some(found) == worker)
}

/// A field of `/proc/TID/stat`, counted from 1 as proc(5) does, from the third on: the name may hold blanks.
fn stat_field(tid: i32, number: usize) -> Option<String> {
    let stat = fs::read(format!("/proc/{tid}/stat")).ok()?;
    let after_name = stat.iter().rposition(|&b| b == b')')? + 2;
    let rest = String::from_utf8_lossy(stat.get(after_name..)?).into_owned();
    rest.split_ascii_whitespace().nth(number - 3).map(str::to_owned)
}
