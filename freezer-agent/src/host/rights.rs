//! What this process may do.

use serde::Serialize;

/// A capability (capabilities(7)) and what it is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Right {
    /// `CAP_BPF`
    pub capability: &'static str,
    /// This process has it.
    pub held: bool,
    /// What it is for.
    pub needed_for: &'static str,
}

/// Name, bit (`include/uapi/linux/capability.h`), what for.
const WANTED: [(&str, u32, &str); 6] = [
    ("CAP_BPF", 39, "loading eBPF programs"),
    ("CAP_PERFMON", 38, "attaching them, and reading kernel memory"),
    ("CAP_SYS_ADMIN", 21, "both of these before Linux 5.8, and /proc/PID/stack"),
    ("CAP_SYS_PTRACE", 19, "files and system calls of other users' tasks"),
    ("CAP_DAC_OVERRIDE", 1, "cgroup files of other users"),
    ("CAP_SYSLOG", 34, "addresses of kernel symbols"),
];

/// What this process may do, from `CapEff` of `/proc/self/status`; `None` where that cannot be read.
#[must_use]
pub fn rights() -> Option<Vec<Right>> {
    parse(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The capabilities whose lack keeps eBPF programs out; `CAP_SYS_ADMIN` stands for both. Empty also where the rights
/// are not known: then the kernel says it.
#[must_use]
pub fn lacking_for_bpf() -> Vec<&'static str> {
    lacking(&rights().unwrap_or_default())
}

fn lacking(rights: &[Right]) -> Vec<&'static str> {
    if rights.iter().any(|right| right.capability == "CAP_SYS_ADMIN" && right.held) {
        return Vec::new();
    }
    let needed = rights.iter().filter(|right| matches!(right.capability, "CAP_BPF" | "CAP_PERFMON"));
    needed.filter(|right| !right.held).map(|right| right.capability).collect()
}

fn parse(status: &str) -> Option<Vec<Right>> {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let bits = u64::from_str_radix(effective.trim(), 16).ok()?;
    let right = |(capability, bit, needed_for)| Right { capability, held: bits >> bit & 1 == 1, needed_for };
    Some(WANTED.map(right).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_capabilities_holds_none() {
        let rights = parse("Name:\tx\nCapEff:\t0000000000000000\n").expect("a line");
        assert!(rights.iter().all(|right| !right.held));
        assert_eq!(lacking(&rights), ["CAP_BPF", "CAP_PERFMON"]);
    }

    #[test]
    fn root_holds_all() {
        let rights = parse("CapEff:\t000001ffffffffff\n").expect("a line");
        assert!(rights.iter().all(|right| right.held));
    }

    #[test]
    fn the_old_capability_is_enough_for_bpf() {
        let rights = parse("CapEff:\t0000000000200000\n").expect("a line");
        assert!(lacking(&rights).is_empty());
    }

    #[test]
    fn nonsense_is_not_known() {
        assert_eq!(parse("CapEff:\tzz\n"), None);
        assert_eq!(parse(""), None);
    }
}
