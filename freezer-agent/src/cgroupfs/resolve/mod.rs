//! From the name a person typed to a cgroup (contract: "Naming a cgroup").
//!
//! An absolute path to a cgroup directory, or a path relative to the root of a freezer hierarchy, looked for under
//! every freezer mount, v1 first. Where both hierarchies have the name, the one that holds tasks wins, v1 where
//! both do (or neither): runtimes on hybrid hosts make the cgroup in both and freeze in v1. A relative name may
//! have a leading slash, as `/proc/PID/cgroup` prints it, where no such absolute path exists.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use super::file::Action;
use super::mountinfo::Mounts;
use super::{Cgroup, FileError, Trouble};
use crate::model::{Hierarchy, Name};

/// A cgroup that was found, and what the person should know about how.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The cgroup.
    pub cgroup: Cgroup,
    /// Which of two was taken, where both hierarchies have the name.
    pub note: Option<String>,
}

/// Why a name leads to no cgroup.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The empty name.
    #[error("an empty name names no cgroup; `.` is the root of the hierarchy")]
    Empty,
    /// Nothing to look in.
    #[error("no {} is mounted{}", hierarchy.map_or("freezer hierarchy".to_owned(), |h| format!("{h} freezer hierarchy")), hint(*hierarchy))]
    NoFreezer {
        /// The hierarchy asked for.
        hierarchy: Option<Hierarchy>,
    },
    /// The name climbs above the root.
    #[error("{name} leaves the freezer hierarchy through `..`")]
    Leaves {
        /// As typed.
        name: Name,
    },
    /// Something is there, and it is no cgroup one could freeze.
    #[error("{path} is no cgroup of a freezer hierarchy: {why}")]
    NotACgroup {
        /// What was found.
        path: Name,
        /// What it is instead.
        why: String,
    },
    /// Nothing of that name.
    #[error("no cgroup {name}: looked for {}", list(looked))]
    Missing {
        /// As typed.
        name: Name,
        /// Every place that was looked at.
        looked: Vec<PathBuf>,
    },
    /// The place cannot be looked at.
    #[error(transparent)]
    File(#[from] FileError),
    /// No mountinfo.
    #[error("reading /proc/self/mountinfo: {0}")]
    Mountinfo(#[source] io::Error),
}

fn hint(hierarchy: Option<Hierarchy>) -> &'static str {
    match hierarchy {
        Some(Hierarchy::V1) => {
            " (mount -t cgroup -o freezer none DIR makes it visible where the kernel has it)"
        }
        _ => " (mount -t cgroup2 none DIR makes the unified one visible)",
    }
}

fn list(places: &[PathBuf]) -> String {
    let places: Vec<_> = places.iter().map(|path| Name::from(path.as_path()).to_string()).collect();
    places.join(", ")
}

/// Finds the cgroup among the mounts this process sees.
pub fn resolve(name: &OsStr, hierarchy: Option<Hierarchy>) -> Result<Resolved, ResolveError> {
    let mounts = Mounts::read().map_err(ResolveError::Mountinfo)?;
    resolve_in(&mounts, name, hierarchy)
}

/// Finds the cgroup among `mounts`.
pub fn resolve_in(
    mounts: &Mounts,
    name: &OsStr,
    hierarchy: Option<Hierarchy>,
) -> Result<Resolved, ResolveError> {
    if name.is_empty() {
        return Err(ResolveError::Empty);
    }
    if mounts.of(hierarchy).next().is_none() {
        return Err(ResolveError::NoFreezer { hierarchy });
    }
    let mut looked = Vec::new();
    if name.as_bytes().starts_with(b"/") {
        if let Some(cgroup) = absolute(mounts, Path::new(name), hierarchy)? {
            return Ok(Resolved { cgroup, note: None });
        }
        looked.push(PathBuf::from(name));
    }
    let below = normalise(name)?;
    let mut found: Vec<Cgroup> = Vec::new();
    let mut file = None;
    for mount in mounts.of(hierarchy) {
        if found.iter().any(|cgroup| cgroup.hierarchy == mount.hierarchy) {
            continue;
        }
        let dir = if below.as_os_str().is_empty() { mount.point.clone() } else { mount.point.join(&below) };
        match std::fs::metadata(&dir) {
            // Another device: a different filesystem is mounted over this place.
            Ok(meta) if meta.is_dir() && meta.dev() == mount.device => found.push(Cgroup::open(mount, dir)?),
            Ok(meta) if meta.is_dir() => looked.push(dir),
            Ok(_) => file = Some(dir),
            Err(source) => match FileError::new(Action::Look, dir.clone(), source) {
                error if error.is_gone() => looked.push(dir),
                error => return Err(error.into()),
            },
        }
    }
    match (choose(found), file) {
        (Some(chosen), _) => chosen,
        (None, Some(file)) => Err(not_a_cgroup(&file, "it is a file")),
        (None, None) => Err(ResolveError::Missing { name: Name::from(name.as_bytes()), looked }),
    }
}

/// The cgroup at an absolute path; `None` where nothing exists there.
fn absolute(
    mounts: &Mounts,
    path: &Path,
    hierarchy: Option<Hierarchy>,
) -> Result<Option<Cgroup>, ResolveError> {
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(source) => {
            let error = FileError::new(Action::Look, path.to_path_buf(), source);
            return if error.trouble() == Trouble::Gone { Ok(None) } else { Err(error.into()) };
        }
    };
    let meta =
        std::fs::metadata(&real).map_err(|source| FileError::new(Action::Look, real.clone(), source))?;
    if !meta.is_dir() {
        return Err(not_a_cgroup(path, "it is a file"));
    }
    let covers = |mount: &&_| {
        let mount: &&std::sync::Arc<super::CgroupMount> = mount;
        mount.device == meta.dev() && real.starts_with(&mount.point)
    };
    let Some(mount) = mounts.of(None).filter(covers).max_by_key(|mount| mount.point.components().count())
    else {
        return Err(not_a_cgroup(path, "no freezer hierarchy is mounted there"));
    };
    if hierarchy.is_some_and(|wanted| wanted != mount.hierarchy) {
        return Err(not_a_cgroup(path, &format!("it belongs to {}", mount.hierarchy)));
    }
    Ok(Some(Cgroup::open(mount, real)?))
}

fn not_a_cgroup(path: &Path, why: &str) -> ResolveError {
    ResolveError::NotACgroup { path: Name::from(path), why: why.to_owned() }
}

/// Without `.`, `..` and surplus slashes, as a path relative to the hierarchy's root.
fn normalise(name: &OsStr) -> Result<PathBuf, ResolveError> {
    let mut path = PathBuf::new();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::ParentDir if !path.pop() => {
                return Err(ResolveError::Leaves { name: Name::from(name.as_bytes()) });
            }
            _ => {}
        }
    }
    Ok(path)
}

/// At most one candidate per hierarchy, v1 first.
fn choose(mut found: Vec<Cgroup>) -> Option<Result<Resolved, ResolveError>> {
    if found.len() < 2 {
        return found.pop().map(|cgroup| Ok(Resolved { cgroup, note: None }));
    }
    let (v1, v2) = (found.remove(0), found.remove(0));
    let (v1_holds, v2_holds) = match (v1.holds_tasks(), v2.holds_tasks()) {
        (Ok(v1_holds), Ok(v2_holds)) => (v1_holds, v2_holds),
        (Err(error), _) | (_, Err(error)) => return Some(Err(error.into())),
    };
    let why = match (v1_holds, v2_holds) {
        (true, true) => "both hold tasks",
        (false, false) => "neither holds tasks",
        _ => "it holds no tasks",
    };
    let (taken, other) = if v2_holds && !v1_holds { (v2, v1) } else { (v1, v2) };
    let note = format!(
        "taking {} ({}); {} ({}) exists too, {why}: --hierarchy {} takes that one",
        Name::from(taken.dir.as_path()),
        taken.hierarchy,
        Name::from(other.dir.as_path()),
        other.hierarchy,
        other.hierarchy
    );
    Some(Ok(Resolved { cgroup: taken, note: Some(note) }))
}

#[cfg(test)]
mod tests;
