//! Kernels: which there are, where they come from, where they are kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::Layout;
use super::findings::Part;
use super::machine::Machine;
use crate::setup::apt::{Suite, Trust};
use crate::step::{Log, Outcome};

/// The kernel of one Debian release.
#[derive(PartialEq, Eq, Debug)]
pub struct Series {
    /// What it is called here.
    pub name: &'static str,
    /// The suite that has it.
    pub suite: &'static str,
    /// What it runs on.
    pub machine: Machine,
    /// Beginning of the name of the package that depends on the newest kernel of the suite.
    newest: &'static str,
    /// What its guests may have.
    pub layouts: &'static [Layout],
    /// What is looked at in them.
    pub parts: &'static [Part],
}

/// All that are tried by every run of the tests. 7.x is whatever Debian's backports have at the time it is fetched.
pub const SERIES: &[Series] = &[
    cloud("5.10", "bullseye", Machine::X86_64),
    cloud("6.1", "bookworm", Machine::X86_64),
    cloud("6.12", "trixie", Machine::X86_64),
    cloud("7.x", "trixie-backports", Machine::X86_64),
    // The other layout differs from x86-64's in nothing that depends on the architecture.
    Series { layouts: &[Layout::Hybrid], ..cloud("6.12-arm64", "trixie", Machine::Aarch64) },
    // For what of suspend the cloud kernels lack (CONFIG_PM_SLEEP_DEBUG).
    Series {
        name: "6.12-full",
        suite: "trixie",
        machine: Machine::X86_64,
        newest: "linux-image-",
        layouts: &[Layout::Hybrid],
        parts: &[Part::Doctor, Part::Selftests],
    },
];

/// Of Debian's kernels the cloud ones have the fewest modules, and what a guest needs built in.
const fn cloud(name: &'static str, suite: &'static str, machine: Machine) -> Series {
    Series { name, suite, machine, newest: "linux-image-cloud-", layouts: &Layout::ALL, parts: &Part::ALL }
}

/// A fetched kernel.
pub struct Kernel {
    /// Its release, as `uname -r` says it.
    pub release: String,
    /// What it runs on.
    pub machine: Machine,
    /// The file to boot.
    pub image: PathBuf,
    /// The folder of its modules.
    pub modules: PathBuf,
}

impl Outcome for Kernel {
    fn note(&self) -> String {
        self.release.clone()
    }
}

impl Series {
    /// By its name, or by the beginning of a fetched kernel's release (`7.3`).
    pub fn named(name: &str) -> anyhow::Result<&'static Series> {
        let begins = |series: &&Series| {
            let kept = series.kept().ok().flatten();
            kept.is_some_and(|kernel| kernel.release.starts_with(&format!("{name}.")))
        };
        let found = SERIES.iter().find(|series| series.name == name).or_else(|| SERIES.iter().find(begins));
        found.with_context(|| {
            let names: Vec<_> = SERIES.iter().map(|series| series.name).collect();
            format!("there is no kernel {name} here, only {}", names.join(", "))
        })
    }

    fn folder(&self) -> anyhow::Result<PathBuf> {
        Ok(super::cache()?.join("kernels").join(self.name))
    }

    /// The kernel, if it was fetched before.
    pub fn kept(&self) -> anyhow::Result<Option<Kernel>> {
        let folder = self.folder()?;
        let Ok(release) = fs::read_to_string(folder.join("release")) else { return Ok(None) };
        Ok(Some(Kernel {
            release,
            machine: self.machine,
            image: folder.join("vmlinuz"),
            modules: folder.join("modules"),
        }))
    }

    /// Fetches it. Which release that is, is decided by the suite now, and stays until the folder is deleted.
    pub fn fetch(&self, log: &Log) -> anyhow::Result<Kernel> {
        let _turn = super::fetching()?;
        if let Some(kernel) = self.kept()? {
            return Ok(kernel);
        }
        let folder = self.folder()?;
        let scratch = folder.with_extension("unpacking");
        empty(&scratch)?;
        let suite =
            Suite::open(self.suite, self.machine.debian(), &super::cache()?.join("apt"), Trust::Signature)?;
        suite.update(log)?;
        let image = first(&suite, &format!("{}{}", self.newest, self.machine.debian()), "linux-image-")?;
        // From 7.x on the image itself is in a package of its own, and so are the modules.
        let mut wanted = vec![image.clone()];
        for part in ["linux-binary-", "linux-modules-"] {
            wanted.extend(first(&suite, &image, part).ok());
        }
        unpack(&suite, &wanted, &scratch, log)?;
        arrange(&scratch)?;
        empty(&folder)?;
        fs::remove_dir(&folder)
            .and_then(|()| fs::rename(&scratch, &folder))
            .with_context(|| format!("could not put the kernel into {}", folder.display()))?;
        self.kept()?.context("the kernel was fetched, but is not there")
    }
}

/// The first dependency of a package that begins so.
fn first(suite: &Suite, package: &str, beginning: &str) -> anyhow::Result<String> {
    let found = suite.depends(package)?.into_iter().find(|name| name.starts_with(beginning));
    found.with_context(|| format!("{package} depends on no {beginning}*"))
}

/// Downloads packages and unpacks them into a folder, which installs nothing.
pub fn unpack(suite: &Suite, wanted: &[String], into: &Path, log: &Log) -> anyhow::Result<()> {
    let packages = into.join("packages");
    empty(&packages)?;
    suite.download(wanted, &packages, log)?;
    for package in list(&packages)? {
        log.run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(into))?;
    }
    fs::remove_dir_all(&packages).with_context(|| format!("could not remove {}", packages.display()))
}

/// Brings what the packages hold, which differs from release to release, into one form.
fn arrange(scratch: &Path) -> anyhow::Result<()> {
    let all = ["usr/lib/modules", "lib/modules"].map(|place| scratch.join(place));
    let all = all.iter().find(|place| place.is_dir()).context("the packages hold no modules")?;
    let modules = list(all)?.pop().context("the packages hold no modules")?;
    let release = modules.file_name().and_then(|name| name.to_str()).context("a release's name")?.to_owned();
    let images = [modules.join("vmlinuz"), scratch.join("boot").join(format!("vmlinuz-{release}"))];
    let image = images.iter().find(|file| file.is_file()).context("the packages hold no kernel")?;
    let keep = |from: &Path, name: &str| {
        fs::rename(from, scratch.join(name)).with_context(|| format!("could not move {}", from.display()))
    };
    keep(image, "vmlinuz")?;
    keep(&modules, "modules")?;
    for rest in ["usr", "lib", "boot"].map(|name| scratch.join(name)) {
        if rest.is_dir() {
            fs::remove_dir_all(&rest).with_context(|| format!("could not remove {}", rest.display()))?;
        }
    }
    fs::write(scratch.join("release"), release).context("could not write the kernel's release")
}

/// A folder with nothing in it.
pub fn empty(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("could not remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))
}

/// What a folder holds.
pub fn list(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))?;
    let mut paths: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    paths.sort();
    ensure!(!paths.is_empty(), "{} is empty", folder.display());
    Ok(paths)
}
