//! What a guest boots into: archives one after the other.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::cpio::Archive;
use super::kernel::Kernel;
use super::{Layout, base, modules};

/// What a guest does once it is up.
pub enum Job {
    /// A script of its shell.
    Script(String),
    /// A shell, with us.
    Shell,
}

/// Writes it to a file; `extra` is laid over the rest.
pub fn write(
    to: &Path,
    kernel: &Kernel,
    programs: &[(String, PathBuf)],
    layout: Layout,
    job: &Job,
    extra: &[u8],
) -> anyhow::Result<()> {
    let mut whole = base::archive(kernel.machine)?;
    let mut own = Archive::default();
    for path in ["vm/bin", "vm/bin/tests", "vm/modules"] {
        own.directory(path);
    }
    let mut order = String::new();
    for (name, content) in modules::in_order(&kernel.modules, modules::WANTED)? {
        own.file(&format!("vm/modules/{name}"), &content);
        order += &name;
        order.push('\n');
    }
    own.file("vm/modules/order", order.as_bytes());
    for (name, path) in programs {
        own.copy(&format!("vm/bin/{name}"), path)?;
    }
    let (mode, script) = match job {
        Job::Script(script) => ("run", script.as_str()),
        Job::Shell => ("shell", ""),
    };
    own.file("vm/mode", mode.as_bytes());
    own.file("vm/port", kernel.machine.ports()[1].as_bytes());
    own.file("vm/layout", layout.name().as_bytes());
    own.file("vm/job", script.as_bytes());
    whole.extend(own.finish());
    whole.extend(extra);
    fs::write(to, whole).with_context(|| format!("could not write {}", to.display()))
}
