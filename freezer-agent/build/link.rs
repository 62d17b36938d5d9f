//! Links the program statically where the C library's archives are at hand: to load a shared one takes as long as a plain
//! freeze itself.
//!
//! A `target-feature` that says so cannot come from a crate, and a `.cargo/config.toml` would have to name the target. So the
//! linker is told: `-static-pie` for the start files, and a folder in which every shared library that rustc asks for is a
//! linker script that names the archive. Whatever is missing: the program is linked dynamically, and starts a little later.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What rustc links for `*-linux-gnu` (`library/unwind`, `library/std`, the `libc` crate).
const ASKED_FOR: [&str; 7] = ["c", "gcc_s", "util", "rt", "pthread", "m", "dl"];
/// An archive without members: since glibc 2.34 all is in `libc.a`.
const EMPTY: u64 = 8;

/// For the program alone: tests and the library of it are linked as ever.
pub fn statically() {
    println!("cargo::rerun-if-env-changed=FREEZER_AGENT_LINK");
    // For distributions, whose libraries are to be shared.
    if env::var("FREEZER_AGENT_LINK").is_ok_and(|how| how == "dynamic") {
        return;
    }
    // Who asks rustc for a static program has his own flags, which do not go with these (xtask/src/vm/programs.rs).
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    if features.split(',').any(|feature| feature == "crt-static") {
        return;
    }
    let Some(folder) = env::var_os("OUT_DIR").map(|out| Path::new(&out).join("archives")) else { return };
    if scripts(&folder).is_some() {
        println!("cargo::rustc-link-arg-bins=-static-pie");
        println!("cargo::rustc-link-arg-bins=-L{}", folder.display());
    }
}

/// Writes them; `None` where an archive is missing or they could not be written.
fn scripts(folder: &Path) -> Option<()> {
    found("rcrt1.o")?;
    let threads = fs::metadata(found("libpthread.a")?).ok()?;
    if threads.len() != EMPTY {
        return None;
    }
    let archives = ["libc.a", "libgcc.a", "libgcc_eh.a"].map(found);
    let [Some(c), Some(gcc), Some(unwinder)] = archives else { return None };
    let all = format!("GROUP ( {} {} {} )\n", c.display(), gcc.display(), unwinder.display());
    fs::create_dir_all(folder).ok()?;
    ASKED_FOR.iter().try_for_each(|name| fs::write(folder.join(format!("lib{name}.so")), &all).ok())
}

/// Where the compiler driver that links has a file.
fn found(name: &str) -> Option<PathBuf> {
    let (host, target) = (env::var("HOST").ok()?, env::var("TARGET").ok()?);
    // Cargo tells the linker that was configured; without one rustc takes `cc`, which is the host's.
    let driver = env::var("RUSTC_LINKER").ok().or_else(|| (host == target).then(|| "cc".to_owned()))?;
    let said = Command::new(driver).arg(format!("-print-file-name={name}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(said.stdout).ok()?.trim());
    // A name that the driver does not know comes back as it is.
    path.is_absolute().then_some(path)
}
