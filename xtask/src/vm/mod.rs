//! Kernels of Debian releases in qemu, with the agent and the lab in them.
//!
//! A guest is a kernel and an initramfs, nothing else: it boots in seconds without a disk, under plain emulation, so
//! that it needs no rights and no KVM. What is fetched is kept outside the checkout (`host::cache`).

pub mod base;
mod cpio;
pub mod expected;
pub mod extent;
pub mod findings;
pub mod guest;
pub mod initramfs;
pub mod kernel;
pub mod machine;
pub mod matrix;
mod modules;
pub mod others;
pub mod programs;
pub mod recorded;

use std::path::PathBuf;

use nix::fcntl::{Flock, FlockArg};

use anyhow::Context;

use crate::host;

/// Which cgroup hierarchies a guest mounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// v1 controllers, the freezer among them, with v2 beside them: what systemd calls hybrid.
    Hybrid,
    /// v2 alone, with every controller.
    V2Only,
    /// The same as systemd mounts it, which is the guest's first process then.
    Systemd,
}

impl Layout {
    /// Those in which everything of ours is tried.
    pub const ALL: [Layout; 2] = [Layout::Hybrid, Layout::V2Only];

    /// As in the tables and for `/init`.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Hybrid => "hybrid",
            Layout::V2Only => "v2-only",
            Layout::Systemd => "systemd",
        }
    }
}

/// Where kernels and packages for guests are kept.
fn cache() -> anyhow::Result<PathBuf> {
    let path = host::cache()?.join("vm");
    std::fs::create_dir_all(&path).with_context(|| format!("could not make {}", path.display()))?;
    Ok(path)
}

/// Held while something is fetched: two of us at once would unpack into the same folder.
fn fetching() -> anyhow::Result<Flock<std::fs::File>> {
    let folder = cache()?;
    let file =
        std::fs::File::open(&folder).with_context(|| format!("could not open {}", folder.display()))?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, errno)| errno)
        .with_context(|| format!("could not lock {}", folder.display()))
}
