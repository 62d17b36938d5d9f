//! FUSE mounts that are not where the path says, or not where the agent sees them.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use super::chain_servers::{client, started, stuck};
use super::{Case, Holder, Place, Stage};
use crate::Job;
use crate::cgroup::Hierarchy;
use crate::error::{Result, Tried as _};
use crate::fuse::SILENT_NAME;
use crate::scene::Scene;
use crate::undo::Undo;
use crate::worker::chain;

pub(super) const ALL: [Case; 8] = [
    Case {
        name: "fuse-mount-namespace",
        about: "stat on a FUSE mount that only the task's own mount namespace has",
        hierarchies: &Hierarchy::BOTH,
        set_up: |scene, place| {
            let cgroup = place.cgroup(scene)?;
            let dir = scene.directory()?;
            let server = scene.server_on(&dir)?;
            let server = started(scene, &Job::Chain(chain::Job::ServerInMountNamespace(server)))?;
            let job = chain::Job::StatInNamespaceOf(scene[server].pid(), dir.join(SILENT_NAME));
            let client = client(scene, &cgroup, &Job::Chain(job))?;
            let way = [Holder::Mount(dir), Holder::running(scene, server)];
            Ok(stuck(scene, cgroup, client, "likely", &way))
        },
    },
    Case {
        name: "fuse-bind-mount",
        about: "stat on a bind mount of a FUSE mount",
        hierarchies: &Hierarchy::BOTH,
        set_up: |scene, place| {
            let at = |scene: &mut Scene, dir: &Path| {
                let bound = scene.directory()?;
                mount(Some(dir), &bound, None::<&str>, MsFlags::MS_BIND, None::<&str>)
                    .tried("bind to", bound.display())?;
                scene.will_undo(Undo::Unmount(bound.clone()))?;
                Ok((bound.clone(), Job::Stat(bound.join(SILENT_NAME))))
            };
            reached(scene, place, "likely", at)
        },
    },
    Case {
        name: "fuse-overmount",
        about: "stat on the upper one of two FUSE mounts on one directory",
        hierarchies: &Hierarchy::BOTH,
        set_up: |scene, place| hidden(scene, place, ""),
    },
    Case {
        name: "fuse-overmounted-parent",
        about: "stat of a name in a FUSE mount over a directory that hides another FUSE mount of that name",
        hierarchies: &Hierarchy::BOTH,
        set_up: |scene, place| hidden(scene, place, SILENT_NAME),
    },
    Case {
        name: "fuse-symlink",
        about: "stat of a symbolic link, elsewhere, into a FUSE mount, beside another FUSE mount",
        hierarchies: &Hierarchy::BOTH,
        set_up: |scene, place| {
            scene.silent_fuse(None)?;
            let at = |scene: &mut Scene, dir: &Path| {
                let elsewhere = scene.directory()?;
                let link = elsewhere.join("link");
                symlink(dir.join(SILENT_NAME), &link).tried("make the link", link.display())?;
                Ok((dir.to_path_buf(), Job::Stat(link)))
            };
            reached(scene, place, "likely", at)
        },
    },
    Case {
        name: "fuse-relative-path",
        about: "stat of a relative path that leads over two links into a FUSE mount, beside another FUSE mount",
        hierarchies: &Hierarchy::BOTH,
        set_up: |scene, place| {
            scene.silent_fuse(None)?;
            let at = |scene: &mut Scene, dir: &Path| {
                let elsewhere = scene.directory()?;
                let near = PathBuf::from("..").join(dir.file_name().unwrap_or_default());
                symlink("second", elsewhere.join("first")).tried("make a link in", elsewhere.display())?;
                symlink(near, elsewhere.join("second")).tried("make a link in", elsewhere.display())?;
                let path = PathBuf::from("first").join(SILENT_NAME);
                Ok((dir.to_path_buf(), Job::Chain(chain::Job::StatFrom(elsewhere, path))))
            };
            reached(scene, place, "likely", at)
        },
    },
    Case {
        name: "fuse-directory-descriptor",
        about: "fstatat from a descriptor of a directory of a FUSE mount",
        hierarchies: &Hierarchy::BOTH,
        set_up: |scene, place| {
            scene.silent_fuse(None)?;
            let at = |_: &mut Scene, dir: &Path| {
                let job = chain::Job::StatAt(dir.to_path_buf(), SILENT_NAME.into());
                Ok((dir.to_path_buf(), Job::Chain(job)))
            };
            reached(scene, place, "likely", at)
        },
    },
    Case {
        name: "fuse-changed-root",
        about: "stat by a task whose root is the FUSE mount itself, so that its own mount table lacks it",
        hierarchies: &Hierarchy::BOTH,
        set_up: |scene, place| {
            scene.silent_fuse(None)?;
            let at = |_: &mut Scene, dir: &Path| {
                let job = chain::Job::StatInRoot(dir.to_path_buf(), Path::new("/").join(SILENT_NAME));
                // As the task itself sees it.
                Ok((PathBuf::from("/"), Job::Chain(job)))
            };
            reached(scene, place, "likely", at)
        },
    },
];

/// A client that reaches a silent FUSE mount by a job, and the mount as it is to be named.
fn reached(
    scene: &mut Scene,
    place: &Place,
    certainty: &'static str,
    at: impl FnOnce(&mut Scene, &Path) -> Result<(PathBuf, Job)>,
) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let (dir, server) = scene.silent_fuse(None)?;
    let (named, job) = at(scene, &dir)?;
    let client = client(scene, &cgroup, &job)?;
    let way = [Holder::Mount(named), Holder::running(scene, server)];
    Ok(stuck(scene, cgroup, client, certainty, &way))
}

/// A FUSE mount on a directory, and one that it hides at `below` that.
fn hidden(scene: &mut Scene, place: &Place, below: &str) -> Result<Stage> {
    let cgroup = place.cgroup(scene)?;
    let dir = scene.directory()?;
    let under = dir.join(below);
    if !below.is_empty() {
        std::fs::create_dir(&under).tried("make the directory", under.display())?;
    }
    let lower = scene.server_on(&under)?;
    started(scene, &Job::FuseServer(lower))?;
    let upper = scene.server_on(&dir)?;
    let upper = started(scene, &Job::FuseServer(upper))?;
    let client = client(scene, &cgroup, &Job::Stat(dir.join(SILENT_NAME)))?;
    let way = [Holder::Mount(dir), Holder::running(scene, upper)];
    Ok(stuck(scene, cgroup, client, "likely", &way))
}
