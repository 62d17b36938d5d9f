//! One task by the files of /proc that cannot hang: `stat` and `wchan`.

use std::path::PathBuf;

use crate::cgroupfs::file;
use crate::model::{Name, TaskState};

/// `PF_KTHREAD` (`include/linux/sched.h`)
const PF_KTHREAD: u64 = 0x0020_0000;

/// What `/proc/TID/stat` says of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskLook {
    /// Thread id.
    pub tid: i32,
    /// Task name.
    pub comm: Name,
    /// State letter.
    pub state: TaskState,
    /// `PF_KTHREAD`
    pub kernel_thread: bool,
}

impl TaskLook {
    /// Looks at a task; `None` where it is gone or hidden from us.
    pub fn take(tid: i32) -> Option<Self> {
        Self::parse(tid, &file::read(&proc_dir(tid), "stat").ok()?)
    }

    /// The name stands in parentheses and may itself hold any byte, parentheses too.
    fn parse(tid: i32, stat: &[u8]) -> Option<Self> {
        let open = stat.iter().position(|&b| b == b'(')?;
        let close = stat.iter().rposition(|&b| b == b')')?;
        let comm = stat.get(open + 1..close)?;
        let mut fields = stat.get(close + 1..)?.trim_ascii().split(|&b| b == b' ');
        let state = fields.next()?.first().copied()?;
        // state ppid pgrp session tty_nr tpgid flags: fields 3 to 9 of proc(5)
        let flags: u64 = std::str::from_utf8(fields.nth(5)?).ok()?.parse().ok()?;
        Some(Self {
            tid,
            comm: Name::from(comm),
            state: TaskState::from_letter(state),
            kernel_thread: flags & PF_KTHREAD != 0,
        })
    }
}

/// The kernel function the task sleeps in; `None` where the kernel does not say.
pub(super) fn wchan(tid: i32) -> Option<Vec<u8>> {
    let name = file::read(&proc_dir(tid), "wchan").ok()?;
    (!name.is_empty() && name != b"0").then_some(name)
}

fn proc_dir(tid: i32) -> PathBuf {
    PathBuf::from(format!("/proc/{tid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_stray_bytes_does_not_shift_the_fields() {
        let look = TaskLook::parse(7, b"7 (a) R (\xff) D 2 0 0 0 -1 2129984 0 0").expect("a task");
        assert_eq!(look.comm, Name::from(&b"a) R (\xff"[..]));
        assert_eq!((look.state, look.kernel_thread), (TaskState::Uninterruptible, true));
    }

    #[test]
    fn this_process_is_no_kernel_thread() {
        let pid = i32::try_from(std::process::id()).expect("a pid");
        assert!(!TaskLook::take(pid).expect("ourselves").kernel_thread);
    }

    #[test]
    fn a_task_that_is_gone_is_none() {
        assert_eq!(TaskLook::take(i32::MAX), None);
    }
}
