//! The little user space of a guest: busybox, and the programs the lab calls, from Debian's packages.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;

use super::cpio::Archive;
use super::kernel::{empty, list, unpack};
use super::machine::Machine;
use crate::setup::apt::{Suite, Trust};
use crate::step::Log;

/// The release they are from.
const SUITE: &str = "bookworm";

/// busybox, and what `mkfs.ext4` needs.
const PACKAGES: &[&str] =
    &["busybox-static", "e2fsprogs", "libext2fs2", "libcom-err2", "libblkid1", "libuuid1", "libss2", "libc6"];

/// The programs and configuration that are taken out of them; of the libraries all.
const FILES: &[&str] = &["bin/busybox", "sbin/mke2fs", "sbin/mkfs.ext4", "etc/mke2fs.conf"];

/// Where the packages are unpacked.
fn folder(machine: Machine) -> anyhow::Result<PathBuf> {
    let name = match machine {
        Machine::X86_64 => "base".to_owned(),
        Machine::Aarch64 => format!("base-{}", machine.debian()),
    };
    Ok(super::cache()?.join(name))
}

/// Whether they were fetched before.
pub fn is_kept(machine: Machine) -> anyhow::Result<bool> {
    Ok(folder(machine)?.is_dir())
}

/// Fetches them.
pub fn fetch(machine: Machine, log: &Log) -> anyhow::Result<()> {
    let _turn = super::fetching()?;
    if is_kept(machine)? {
        return Ok(());
    }
    let folder = folder(machine)?;
    let scratch = folder.with_extension("unpacking");
    empty(&scratch)?;
    let suite = Suite::open(SUITE, machine.debian(), &super::cache()?.join("apt"), Trust::Signature)?;
    suite.update(log)?;
    let wanted: Vec<_> = PACKAGES.iter().map(|&name| name.to_owned()).collect();
    unpack(&suite, &wanted, &scratch, log)?;
    fs::rename(&scratch, folder).context("could not put the packages in their place")
}

/// The guest's root without the job.
pub fn archive(machine: Machine) -> anyhow::Result<Vec<u8>> {
    let (libraries, (loader_folder, loader)) = (machine.libraries(), machine.loader());
    let root = folder(machine)?;
    let mut archive = Archive::default();
    for path in [
        "bin", "dev", "etc", "lib", libraries, "lib64", "proc", "root", "run", "sbin", "sys", "tmp", "usr",
        "usr/bin", "usr/sbin", "var", "var/lib", "vm",
    ] {
        archive.directory(path);
    }
    // The kernel opens it for `/init` before anything is mounted.
    archive.device("dev/console", (5, 1));
    archive.file("init", include_bytes!("init.sh"));
    archive.file("vm/run", include_bytes!("run.sh"));
    for file in FILES {
        archive.copy(file, &root.join(file))?;
    }
    archive.link(&format!("{loader_folder}/{loader}"), &format!("/{libraries}/{loader}"));
    // Some packages of this release have their libraries below /usr, where both are one on an installed system.
    for place in [root.join(libraries), root.join("usr").join(libraries)] {
        for library in list(&place)?.into_iter().filter(|path| !path.is_dir()) {
            let name = library.file_name().and_then(|name| name.to_str()).context("a library's name")?;
            archive.copy(&format!("{libraries}/{name}"), &library)?;
        }
    }
    Ok(archive.finish())
}
