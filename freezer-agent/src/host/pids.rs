//! Whose process ids are meant: the kernel side speaks of the initial pid namespace's, /proc of those of the namespace
//! it was mounted in, cgroup files of the reader's own.

use std::fs;
use std::path::Path;

use super::Missing;

/// `PF_KTHREAD` (include/linux/sched.h)
const PF_KTHREAD: u64 = 0x0020_0000;
/// `PROC_PID_INIT_INO` (`include/linux/proc_ns.h`)
const INITIAL: &str = "pid:[4026531836]";

/// Why the kernel side's process ids are not those of this /proc; `None` where they are the same.
#[must_use]
pub fn foreign_to_the_kernel() -> Option<String> {
    (!proc_is_initial(Path::new("/proc"))).then(|| {
        "/proc shows a pid namespace that is not the host's: the kernel side's process ids mean other processes there, \
         and tasks of other namespaces are not seen; to see all, run the agent in the host's pid namespace \
         (docker run --pid host)"
            .to_owned()
    })
}

/// This process's id as /proc shows it.
#[must_use]
pub fn own() -> u32 {
    let shown = fs::read_link("/proc/self").ok().and_then(|link| link.to_str()?.parse().ok());
    shown.unwrap_or_else(std::process::id)
}

/// Cgroup files and /proc speak of different namespaces: the agent was moved to one and kept the /proc of another.
#[must_use]
pub fn mixed() -> Option<Missing> {
    (own() != std::process::id()).then(|| Missing {
        what: "process ids".to_owned(),
        why: "/proc was mounted in another pid namespace than this process is in".to_owned(),
        lost:
            "ids of cgroup files mean other processes in /proc: counts and looks at single tasks may be wrong"
                .to_owned(),
    })
}

/// In the initial namespace, and only there, process 2 is a kernel thread: the parent of all others.
fn proc_is_initial(proc: &Path) -> bool {
    match fs::read(proc.join("2/stat")) {
        Ok(stat) => is_kernel_thread(&stat),
        // Hidden (hidepid) or not there: then this process's own namespace must do.
        Err(_) => fs::read_link(proc.join("self/ns/pid")).is_ok_and(|link| link.as_os_str() == INITIAL),
    }
}

fn is_kernel_thread(stat: &[u8]) -> bool {
    let flags = || {
        let end = stat.iter().rposition(|&b| b == b')')?;
        std::str::from_utf8(stat.get(end + 1..)?).ok()?.split_ascii_whitespace().nth(6)?.parse::<u64>().ok()
    };
    flags().is_some_and(|flags| flags & PF_KTHREAD != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_2_tells_the_initial_namespace() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("2")).expect("made");
        for (stat, initial) in [
            ("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0", true),
            ("2 (kthreadd) S 1 1 1 0 -1 4194304 0 0", false),
        ] {
            std::fs::write(dir.path().join("2/stat"), stat).expect("written");
            assert_eq!(proc_is_initial(dir.path()), initial);
        }
    }
}
