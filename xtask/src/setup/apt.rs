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
    let suite = Suite::open(package.suite, HERE, folder, Trust::CheckedByCaller)?;
    // apt writes the `:` of an epoch as %3a; none of the versions used here has one.
    let file = suite.private.join(format!("{}_{}_all.deb", package.name, package.version));
    if file.is_file() {
        return Ok(file);
    }
    suite.update(log)?;
    suite.download(&[format!("{}={}", package.name, package.version)], &suite.private, log)?;
    ensure!(file.is_file(), "apt-get downloaded {}, but there is no {}", package.name, file.display());
    Ok(file)
}

/// Who vouches for what is downloaded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The suite's signature.
    Signature,
    /// The caller, who knows the checksum.
    CheckedByCaller,
}

/// One suite of the mirror this machine uses, with lists, state and cache of its own.
pub struct Suite {
    name: String,
    architecture: String,
    private: PathBuf,
}

impl Suite {
    /// Prepares its folder below `folder`, for packages of one architecture; nothing is fetched yet.
    pub fn open(name: &str, architecture: &str, folder: &Path, trust: Trust) -> anyhow::Result<Self> {
        ensure!(
            host::find_program("apt-get").is_some() && host::find_program("dpkg-deb").is_some(),
            "this machine has no apt-get and dpkg-deb"
        );
        let private = match architecture {
            HERE => folder.join(name),
            other => folder.join(format!("{name}-{other}")),
        };
        for part in ["lists/partial", "cache/archives/partial", "state"] {
            let path = private.join(part);
            fs::create_dir_all(&path).with_context(|| format!("could not make {}", path.display()))?;
        }
        let option = match trust {
            Trust::CheckedByCaller => "[trusted=yes] ".to_owned(),
            // The package debian-archive-keyring holds the keys of all releases, apt's own trust those of some.
            Trust::Signature if Path::new(KEYRING).is_file() => format!("[signed-by={KEYRING}] "),
            Trust::Signature => String::new(),
        };
        let list = private.join("sources.list");
        fs::write(&list, format!("deb {option}{} {name} main\n", mirror()?))
            .with_context(|| format!("could not write {}", list.display()))?;
        Ok(Suite { name: name.to_owned(), architecture: architecture.to_owned(), private })
    }

    /// Fetches the list of its packages.
    pub fn update(&self, log: &Log) -> anyhow::Result<()> {
        log.run(self.command("apt-get").arg("update"))
            .with_context(|| format!("the list of packages of {} could not be fetched", self.name))
    }

    /// The packages that a package needs, without alternatives.
    pub fn depends(&self, package: &str) -> anyhow::Result<Vec<String>> {
        let text = host::output_of(self.command("apt-cache").args(["depends", package]))
            .with_context(|| format!("{} has no package {package}", self.name))?;
        let needed = text.lines().filter_map(|line| line.trim_start().strip_prefix("Depends: "));
        Ok(needed.map(|name| name.trim_matches(['<', '>']).to_owned()).collect())
    }

    /// Downloads packages, named as for apt, into a folder.
    pub fn download(&self, wanted: &[String], into: &Path, log: &Log) -> anyhow::Result<()> {
        log.run(self.command("apt-get").arg("download").args(wanted).current_dir(into))
            .with_context(|| format!("{} could not be fetched from {}", wanted.join(" "), self.name))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let at = |name: &str| self.private.join(name).display().to_string();
        for option in [
            format!("Dir::Etc::sourcelist={}", at("sources.list")),
            "Dir::Etc::sourceparts=-".into(),
            format!("Dir::State={}", at("state")),
            format!("Dir::State::lists={}", at("lists")),
            // What is installed here is of no interest: packages are unpacked, not installed.
            "Dir::State::status=/dev/null".into(),
            format!("APT::Architecture={}", self.architecture),
            format!("APT::Architectures={}", self.architecture),
            format!("Dir::Cache={}", at("cache")),
            "Acquire::Languages=none".into(),
            // Descriptions for software centres, a third of what `update` fetches.
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".into(),
            // Root's home is closed to the user that apt otherwise downloads as.
            "APT::Sandbox::User=root".into(),
        ] {
            command.arg("-o").arg(option);
        }
        command
    }
}

/// The architecture whose packages this machine installs, as far as the tests support it.
const HERE: &str = "amd64";

/// Debian's keys, current and past.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

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
