//! Priority over those who are thawed: thousands of them at once would take the CPUs from whoever thaws the rest.

/// As high as it goes for an ordinary task.
const HIGHEST: libc::c_int = -20;

/// While it lives, this thread, and threads it starts, come before ordinary tasks. Without `CAP_SYS_NICE` nothing changes.
pub struct Hurry {
    before: Option<libc::c_int>,
}

impl Hurry {
    /// From now on.
    pub fn begin() -> Self {
        Self { before: nice().filter(|_| set_nice(HIGHEST)) }
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            // To lower it is always allowed.
            set_nice(before);
        }
    }
}

fn nice() -> Option<libc::c_int> {
    // The system call itself gives 20 less the nice value, so that -1 is an error alone (`kernel/sys.c`).
    // SAFETY: takes numbers only; 0 is the calling thread.
    let given = unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, 0) };
    libc::c_int::try_from(given).ok().filter(|given| *given > 0).map(|given| 20 - given)
}

fn set_nice(nice: libc::c_int) -> bool {
    // SAFETY: takes numbers only; 0 is the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_is_put_back() {
        let before = nice();
        drop(Hurry::begin());
        assert_eq!(nice(), before);
    }
}
