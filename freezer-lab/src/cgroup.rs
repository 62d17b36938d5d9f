//! A cgroup of the lab. Made by [`crate::Scene`], which also removes it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, Tried as _};
use crate::{mounts, wait};

/// Which freezer a case is about. The lab has a type of its own: it checks the agent, so it shares no code with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
pub enum Hierarchy {
    /// `freezer.state`
    V1,
    /// `cgroup.freeze`
    V2,
}

impl Hierarchy {
    /// Both, v1 first.
    pub const BOTH: [Self; 2] = [Self::V1, Self::V2];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::V1 => Self::V2,
            Self::V2 => Self::V1,
        }
    }
}

impl fmt::Display for Hierarchy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        })
    }
}

/// What the kernel says of a cgroup, over all its descendants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not asked to freeze.
    Thawed,
    /// Asked, not done.
    Freezing,
    /// Done.
    Frozen,
}

/// A cgroup of the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    hierarchy: Hierarchy,
    path: PathBuf,
}

impl Cgroup {
    /// Makes the directory. It is an error if it exists: what the lab did not make it must not take down.
    pub(crate) fn create(hierarchy: Hierarchy, path: PathBuf) -> Result<Self> {
        fs::create_dir(&path).tried("make the cgroup", path.display())?;
        Ok(Self { hierarchy, path })
    }

    /// One that another program made for the lab, and removes.
    pub fn of_another(hierarchy: Hierarchy, path: PathBuf) -> Self {
        Self { hierarchy, path }
    }

    /// Its hierarchy.
    pub fn hierarchy(&self) -> Hierarchy {
        self.hierarchy
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its path below the root of the hierarchy, as `--cgroup` takes it.
    pub fn name(&self) -> Result<PathBuf> {
        let root = mounts::freezer(self.hierarchy)?;
        Ok(self.path.strip_prefix(&root).unwrap_or(&self.path).to_path_buf())
    }

    /// Moves a whole process in.
    pub fn add(&self, pid: i32) -> Result<()> {
        self.write("cgroup.procs", &pid.to_string())
    }

    /// Moves one thread in (v1, and threaded v2 cgroups).
    pub fn add_thread(&self, tid: i32) -> Result<()> {
        self.write(if self.hierarchy == Hierarchy::V1 { "tasks" } else { "cgroup.threads" }, &tid.to_string())
    }

    /// Process ids of this cgroup, without its descendants.
    pub fn pids(&self) -> Result<Vec<i32>> {
        Ok(self.read("cgroup.procs")?.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Asks for a freeze; does not wait.
    pub fn freeze(&self) -> Result<()> {
        match self.hierarchy {
            Hierarchy::V1 => self.write("freezer.state", "FROZEN"),
            Hierarchy::V2 => self.write("cgroup.freeze", "1"),
        }
    }

    /// Takes the request back.
    pub fn thaw(&self) -> Result<()> {
        match self.hierarchy {
            Hierarchy::V1 => self.write("freezer.state", "THAWED"),
            Hierarchy::V2 => self.write("cgroup.freeze", "0"),
        }
    }

    /// Its state over every descendant: v2's own `frozen 1` can be false while a child says 0.
    pub fn state(&self) -> Result<State> {
        match self.hierarchy {
            Hierarchy::V1 => Ok(match self.read("freezer.state")?.trim() {
                "THAWED" => State::Thawed,
                "FREEZING" => State::Freezing,
                _ => State::Frozen,
            }),
            Hierarchy::V2 if self.all_frozen_v2()? => Ok(State::Frozen),
            Hierarchy::V2 if self.asked_v2()? => Ok(State::Freezing),
            Hierarchy::V2 => Ok(State::Thawed),
        }
    }

    /// Waits for a state, at most `limit`.
    pub fn wait_state(&self, wanted: State, limit: Duration) -> Result<()> {
        if wait::until(limit, || self.state().is_ok_and(|state| state == wanted)) {
            return Ok(());
        }
        Err(Error::new(
            "see",
            self.path.display(),
            format!("not {wanted:?} after {limit:?} but {:?}", self.state()),
        ))
    }

    /// One of its files, as text.
    pub fn read(&self, file: &str) -> Result<String> {
        let path = self.path.join(file);
        fs::read_to_string(&path).tried("read", path.display())
    }

    /// Writes one of its files.
    pub fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.path.join(file);
        fs::write(&path, text).tried("write", format!("{text:?} to {}", path.display()))
    }

    /// Descendants' directories and its own, children before their parents.
    pub(crate) fn subtree(path: &Path) -> Vec<PathBuf> {
        let children = fs::read_dir(path).into_iter().flatten().flatten();
        let mut all: Vec<_> = children
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .flat_map(|entry| Self::subtree(&entry.path()))
            .collect();
        all.push(path.to_path_buf());
        all
    }

    fn all_frozen_v2(&self) -> Result<bool> {
        for path in Self::subtree(&self.path) {
            let events = path.join("cgroup.events");
            if !fs::read_to_string(&events).tried("read", events.display())?.contains("frozen 1") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Asked for by this cgroup or an ancestor; the root has no `cgroup.freeze`.
    fn asked_v2(&self) -> Result<bool> {
        let root = mounts::freezer(Hierarchy::V2)?;
        let below_root = self.path.ancestors().take_while(|path| *path != root);
        Ok(below_root
            .into_iter()
            .any(|path| fs::read_to_string(path.join("cgroup.freeze")).is_ok_and(|text| text.trim() == "1")))
    }
}
