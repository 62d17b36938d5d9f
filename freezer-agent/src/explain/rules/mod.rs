//! One file per cause. Its module documentation is the cause's manual page; its `judge` says whether a task has it.
//! A new cause is a file here, a line below and a name in [`Cause`]: the order is from the most specific down.

use super::Cause;
use super::case::{Case, Finding};

mod answer;
mod files;
mod threads;

/// What a rule speaks about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What the task waits for: asked of holders too.
    Wait,
    /// What the task does or is.
    State,
}

struct Rule {
    cause: Cause,
    kind: Kind,
    judge: fn(&Case<'_>) -> Option<Finding>,
    source: &'static str,
}

macro_rules! rules {
    ($($file:ident: $cause:ident, $kind:ident;)*) => {
        $(mod $file;)*
        const RULES: &[Rule] = &[$(Rule {
            cause: Cause::$cause,
            kind: Kind::$kind,
            judge: $file::judge,
            source: include_str!(concat!(stringify!($file), ".rs")),
        }),*];
    };
}

rules! {
    kernel_thread: KernelThread, State;
    frozen_elsewhere: FrozenElsewhere, State;
    fuse_request: FuseRequest, Wait;
    fs_frozen: FsFrozen, Wait;
    userfault: Userfault, Wait;
    seccomp_notify: SeccompNotify, Wait;
    fanotify_permission: FanotifyPermission, Wait;
    autofs: Autofs, Wait;
    key_upcall: KeyUpcall, Wait;
    lock_held: LockHeld, Wait;
    oom_wait: OomWait, Wait;
    exec_threads: ExecThreads, Wait;
    exiting: Exiting, State;
    cpu_throttled: CpuThrottled, State;
    kernel_work: KernelWork, State;
    cpu_starved: CpuStarved, State;
    running: Running, State;
    uninterruptible: Uninterruptible, State;
}

/// The most specific cause of a task that is not frozen.
#[must_use]
pub fn judge(case: &Case<'_>) -> Finding {
    RULES.iter().find_map(|rule| (rule.judge)(case)).unwrap_or_else(|| uninterruptible::nothing_known(case))
}

/// What a task waits for, if a rule knows: for holders, and for tasks that may be frozen after all.
#[must_use]
pub fn waits(case: &Case<'_>) -> Option<Finding> {
    RULES.iter().filter(|rule| rule.kind == Kind::Wait).find_map(|rule| (rule.judge)(case))
}

/// Every cause with its manual page, in plain text.
pub fn catalogue() -> impl Iterator<Item = (Cause, String)> {
    RULES.iter().map(|rule| (rule.cause, manual(rule.source)))
}

/// The module documentation at the top of a rule's file.
fn manual(source: &str) -> String {
    let lines = source.lines().take_while(|line| line.starts_with("//!"));
    lines.map(|line| line.trim_start_matches("//!").trim_start_matches(' ')).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_manual_page_with_the_same_sections() {
        for (cause, page) in catalogue() {
            assert!(page.starts_with(&format!("`{cause}`: ")), "{cause}: {page}");
            for section in ["Confirm by hand:", "Release:", "Cost:", "Kernels:", "Source:"] {
                assert!(page.contains(section), "{cause} lacks {section}");
            }
        }
    }

    #[test]
    fn no_cause_is_listed_twice() {
        let mut causes: Vec<Cause> = catalogue().map(|(cause, _)| cause).collect();
        causes.sort_unstable();
        let all = causes.len();
        causes.dedup();
        assert_eq!(causes.len(), all);
    }
}
