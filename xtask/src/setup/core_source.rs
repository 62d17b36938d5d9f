//! The source of `core` that matches rustc: the eBPF target has no precompiled one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::{Need, apt};
use crate::host;
use crate::step::Log;

/// The compiler whose `core` is wanted.
pub struct Compiler {
    /// As in `1.95.0`.
    pub version: String,
    /// Its installation folder.
    pub sysroot: PathBuf,
}

impl Compiler {
    /// Asks rustc.
    pub fn find() -> anyhow::Result<Self> {
        let about = host::output_of(Command::new("rustc").arg("-vV"))?;
        let version = about
            .lines()
            .find_map(|line| line.strip_prefix("release: "))
            .with_context(|| format!("rustc -vV names no release: {about}"))?
            .to_owned();
        let sysroot = host::output_of(Command::new("rustc").args(["--print", "sysroot"]))?.into();
        Ok(Compiler { version, sysroot })
    }

    /// Whether it has a precompiled standard library for a target.
    pub fn has_library(&self, target: &str) -> bool {
        self.sysroot.join("lib/rustlib").join(target).join("lib").is_dir()
    }

    fn source(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib/src/rust")
    }

    /// Whether the source is there, and is this compiler's: rustup replaces its own copy with the compiler, but leaves
    /// one that we unpacked, which carries a stamp for that reason.
    fn has_source(&self) -> bool {
        let library = self.source().join("library");
        let stamp = fs::read_to_string(library.join(STAMP)).ok();
        library.join("core/src/lib.rs").is_file()
            && library.join("Cargo.lock").is_file()
            && stamp.is_none_or(|version| version.trim() == self.version)
    }
}

/// Left beside a source that did not come from rustup; holds the compiler's version.
const STAMP: &str = ".unpacked-for-rustc";

/// Debian's package of the same source.
struct DebianSource {
    rustc: &'static str,
    package: apt::Package,
    sha256: &'static str,
}

/// The versions tried. Where rustup reaches its server, any version works without an entry here.
const DEBIAN: &[DebianSource] = &[DebianSource {
    rustc: "1.95.0",
    package: apt::Package { suite: "trixie-backports", name: "rust-src", version: "1.95.0+dfsg1-2~bpo13+1" },
    sha256: "7b76db5b880a77f9e52975d2baa6209d2f76d2c9c2789515c3088cb960e2c83b",
}];

/// The source of core, if this compiler has none.
pub fn missing() -> anyhow::Result<Option<Need>> {
    let compiler = Compiler::find()?;
    if compiler.has_source() {
        return Ok(None);
    }
    Ok(Some(Need {
        name: format!("source of core for rustc {}", compiler.version),
        install: Box::new(move |log| install(&compiler, log)),
    }))
}

fn install(compiler: &Compiler, log: &Log) -> anyhow::Result<String> {
    match log.run(Command::new("rustup").args(["component", "add", "rust-src"])) {
        Ok(()) if compiler.has_source() => return Ok("by rustup".into()),
        Ok(()) => log.note("rustup has the component on its list, but its files are not there")?,
        Err(error) => log.note(&format!("{error:#}"))?,
    }
    let Some(debian) = DEBIAN.iter().find(|known| known.rustc == compiler.version) else {
        let known: Vec<&str> = DEBIAN.iter().map(|known| known.rustc).collect();
        bail!(
            "rustup could not add rust-src, and no other place is known for rustc {}: run `rustup component add \
             rust-src` where its server can be reached, or use rustc {}",
            compiler.version,
            known.join(" or ")
        );
    };
    unpack(debian, compiler, log).context(
        "rustup could not add rust-src, nor could Debian's package of it be unpacked: run `rustup component add \
         rust-src` where its server can be reached",
    )?;
    Ok(format!("from Debian's {} {}", debian.package.name, debian.package.version))
}

fn unpack(debian: &DebianSource, compiler: &Compiler, log: &Log) -> anyhow::Result<()> {
    let file = apt::download(&debian.package, &host::cache()?.join("apt"), log)?;
    let sum = host::output_of(Command::new("sha256sum").arg(&file))?;
    if sum.split_whitespace().next() != Some(debian.sha256) {
        bail!("{} has sha256 {sum}, expected {}", file.display(), debian.sha256);
    }
    // In the sysroot itself, so that the last step is a rename: a half-copied source is never taken for a whole one.
    let source = compiler.source();
    let scratch = source.join(".unpacking");
    remove(&scratch)?;
    fs::create_dir_all(&scratch).with_context(|| format!("could not make {}", scratch.display()))?;
    log.run(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(&scratch))?;
    let library = scratch.join("usr/src").join(format!("rustc-{}", compiler.version)).join("library");
    fs::write(library.join(STAMP), &compiler.version)
        .with_context(|| format!("the package holds no {}", library.display()))?;
    remove(&source.join("library"))?;
    fs::rename(&library, source.join("library")).context("could not put the source in its place")?;
    remove(&scratch)
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
