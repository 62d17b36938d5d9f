//! What the committed eBPF object was built from, as one number. Shared by `build.rs`, which refuses to embed an
//! object of other sources, and by the workshop task that rebuilds it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The compilers whose output is committed. Changing either is a reason to rebuild.
const TOOLS: &str = "rustc 1.95.0, bpf-linker 0.10.3";

/// Crates that end up in the object; their locked versions count.
const CRATES: [&str; 7] = [
    "aya-ebpf",
    "aya-ebpf-bindings",
    "aya-ebpf-cty",
    "aya-ebpf-macros",
    "aya-log-common",
    "aya-log-ebpf",
    "aya-log-ebpf-macros",
];

/// Digest of everything the object is made from, as 16 hexadecimal digits.
pub fn of_sources(workspace: &Path) -> io::Result<String> {
    let mut hash = Fnv::default();
    hash.add(TOOLS.as_bytes());
    for path in sources(workspace)? {
        let name = path.strip_prefix(workspace).unwrap_or(&path);
        hash.add(name.as_os_str().as_encoded_bytes());
        hash.add(&fs::read(&path)?);
    }
    let lock = fs::read_to_string(workspace.join("Cargo.lock"))?;
    for package in lock.split("[[package]]") {
        if CRATES.iter().any(|name| package.starts_with(&format!("\nname = \"{name}\"\n"))) {
            hash.add(package.trim().as_bytes());
        }
    }
    Ok(format!("{:016x}", hash.0))
}

/// The files the object is made from, sorted.
pub fn sources(workspace: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for krate in ["freezer-ebpf", "freezer-common"] {
        files.push(workspace.join(krate).join("Cargo.toml"));
        collect(&workspace.join(krate).join("src"), &mut files)?;
    }
    files.sort();
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// FNV-1a: nobody forges sources here, an edit just has to show.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Adds one part, and its length, so that parts cannot run into each other.
    fn add(&mut self, part: &[u8]) {
        for byte in part.iter().copied().chain((part.len() as u64).to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
