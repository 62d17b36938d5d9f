//! How much of the lab a guest runs: under emulation each case takes seconds.

use super::Layout;

/// How much.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// What runs before a change lands: [`CHOSEN`], each case once, and each hierarchy in one guest of a kernel.
    Chosen,
    /// Every case on every hierarchy of the guest, for the JSON answer and for the screen.
    Every,
}

/// One or two cases for each mechanism whose kernel side differs between the kernels (names of functions, members of
/// structs, files of /proc), or that the freezers treat differently.
///
/// Left out: variants that differ in user space alone (namespaces, mounts upon mounts), and those that `expected.txt`
/// calls unsteady. A name stands for all that begin with it, as for `freezer-lab all --only`.
const CHOSEN: &[&str] = &[
    "fuse-server-outside",
    "fuse-server-inside",
    "fuse-server-frozen-elsewhere",
    "fuse-read",
    "fuse-fsync",
    "fuse-one-thread",
    "fuse-flush-in-exit",
    "fuse-chain",
    "fuse-own-mount",
    "fuse-vfork-child",
    "block-io-loop-read",
    "block-io-server-inside",
    "block-io-dm",
    "nfs-request",
    "io-throttle-max-read",
    "freezes-cross",
    "fs-frozen-write",
    "fs-frozen-store",
    "lock-chain",
    "lock-directory",
    "lock-file-position",
    "seccomp-outside",
    "seccomp-interruptible",
    "fanotify-outside",
    "fanotify-inside",
    "autofs-direct",
    "key-upcall",
    "exec-stuck-thread",
    "exec-frozen-before",
    "core-dump",
    "kernel-thread",
    "late-stuck",
    "frozen-elsewhere",
    "hurts-fuse-client",
    "hurts-tracer",
    "traced",
    "stopped",
    "vfork",
    "sleepers",
    "busy",
    "frozen-v2-first",
];

impl Extent {
    /// The command that runs the lab in a guest.
    pub fn lab(self, layout: Layout) -> String {
        match self {
            Extent::Every => "freezer-lab all --score".to_owned(),
            Extent::Chosen => {
                // v2 is looked at in the kernel's other guest, where it has all controllers.
                let hierarchy = if layout == Layout::Hybrid { " --hierarchy v1" } else { "" };
                let only: String = CHOSEN.iter().flat_map(|name| [" --only ", name]).collect();
                format!("freezer-lab all --once{hierarchy}{only}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_cases_run_once_for_each_hierarchy() {
        let command = Extent::Chosen.lab(Layout::Hybrid);
        assert!(command.starts_with("freezer-lab all --once --hierarchy v1 --only fuse-"), "{command}");
        assert!(!Extent::Chosen.lab(Layout::V2Only).contains("--hierarchy"));
        assert_eq!(Extent::Every.lab(Layout::Hybrid), "freezer-lab all --score");
    }
}
