//! Debian packages fetched from a suite the machine does not use, without telling the machine's own apt about it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::host;
use crate::step::Log;

/// A package as one suite has it.
pub struct Package {
    /// Name of the suite.
    pub suite: &'static str,
    /// Name of the package.
    pub name: &'static str,
    /// Its version in that suite.
    pub version: &'static str,
}

/// Downloads the package into `folder` (reused from there when it was) and returns the file. The caller checks its
/// checksum: the suite's signature is not asked for, as an older release may not have its key.
pub fn download(package: &Package, folder: &Path, log: &Log) -> anyhow::Result<PathBuf> {
    ensure!(
        host::find_program("apt-get").is_some() && host::find_program("dpkg-deb").is_some(),
        "this machine has no apt-get and dpkg-deb"
    );
    let private = folder.join(package.suite);
    for part in ["lists/partial", "cache/archives/partial", "state"] {
        let path = private.join(part);
        fs::create_dir_all(&path).with_context(|| format!("could not make {}", path.display()))?;
    }
    // apt writes the `:` of an epoch as %3a; none of the versions used here has one.
    let file = private.join(format!("{}_{}_all.deb", package.name, package.version));
    if file.is_file() {
        return Ok(file);
    }
    let list = private.join("sources.list");
    fs::write(&list, format!("deb [trusted=yes] {} {} main\n", mirror()?, package.suite))
        .with_context(|| format!("could not write {}", list.display()))?;
    let wanted = format!("{}={}", package.name, package.version);
    log.run(apt_get(&private).arg("update"))
        .with_context(|| format!("the list of packages of {} could not be fetched", package.suite))?;
    log.run(apt_get(&private).args(["download", &wanted]).current_dir(&private))
        .with_context(|| format!("{wanted} could not be fetched from {}", package.suite))?;
    ensure!(file.is_file(), "apt-get downloaded {wanted}, but there is no {}", file.display());
    Ok(file)
}

/// apt-get with lists, state and cache of its own.
fn apt_get(private: &Path) -> Command {
    let mut command = Command::new("apt-get");
    let at = |name: &str| private.join(name).display().to_string();
    for option in [
        format!("Dir::Etc::sourcelist={}", at("sources.list")),
        "Dir::Etc::sourceparts=-".into(),
        format!("Dir::State={}", at("state")),
        format!("Dir::State::lists={}", at("lists")),
        "Dir::State::status=/var/lib/dpkg/status".into(),
        format!("Dir::Cache={}", at("cache")),
        "Acquire::Languages=none".into(),
        // Root's home is closed to the user that apt otherwise downloads as.
        "APT::Sandbox::User=root".into(),
    ] {
        command.arg("-o").arg(option);
    }
    command
}

/// The Debian mirror this machine uses, as its own apt knows it.
fn mirror() -> anyhow::Result<String> {
    let targets = host::output_of(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Identifier: Packages",
    ]))?;
    targets
        .lines()
        .map(|uri| uri.trim_end_matches('/'))
        .find(|uri| uri.ends_with("/debian"))
        .map(str::to_owned)
        .context("apt knows no Debian mirror here")
}
