//! A kernel that is locked down (`kernel_lockdown(7)`) keeps some ways closed even to root.

/// `none [integrity] confidentiality`, where it is mounted and root may look.
const FILE: &str = "/sys/kernel/security/lockdown";

/// What a lockdown adds to the verifier's reason for refusing a program; empty where it has nothing to do with it.
///
/// In confidentiality there are no helpers that read kernel memory (`LOCKDOWN_BPF_READ_KERNEL`, `kernel/trace/bpf_trace.c`): they
/// are unknown, or of no use to any type of program.
#[must_use]
pub fn explains(reason: &str) -> &'static str {
    let helper = reason.contains("unknown func") || reason.contains("cannot use helper");
    let locked = || std::fs::read_to_string(FILE).is_ok_and(|text| is_confidential(&text));
    if helper && locked() { " (the kernel is locked down: confidentiality)" } else { "" }
}

fn is_confidential(modes: &str) -> bool {
    modes.split_ascii_whitespace().any(|mode| mode == "[confidentiality]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_in_force_stands_in_brackets() {
        assert!(is_confidential("none integrity [confidentiality]\n"));
        assert!(!is_confidential("none [integrity] confidentiality\n"));
    }

    #[test]
    fn another_reason_has_nothing_to_do_with_it() {
        assert_eq!(explains("R1 type=scalar expected=ptr_"), "");
    }
}
