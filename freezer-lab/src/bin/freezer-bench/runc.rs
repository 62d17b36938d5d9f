//! A container of runc's with one sleeping process, to pause.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use freezer_lab::{Hierarchy, Scene, mounts};
use serde_json::json;

use crate::measure::whole_process;
use crate::rivals::settle;

/// Host folders the container sees, read-only, so that it needs no image.
const BORROWED: &[&str] = &["/usr", "/lib", "/lib64", "/bin"];

/// A running container; deleted when dropped.
pub struct Container {
    state: PathBuf,
    id: String,
    cgroup: PathBuf,
}

impl Container {
    /// Starts it, with its files in a folder of the scene; `None` where there is no runc.
    pub fn start(scene: &mut Scene) -> anyhow::Result<Option<Self>> {
        if Command::new("runc").arg("--version").stdout(Stdio::null()).status().is_err() {
            return Ok(None);
        }
        let bundle = scene.directory()?;
        let id = format!("freezer-bench-{}", std::process::id());
        for folder in BORROWED.iter().chain(&["/proc"]) {
            let path = bundle.join("rootfs").join(folder.trim_start_matches('/'));
            fs::create_dir_all(&path).with_context(|| format!("could not make {}", path.display()))?;
        }
        fs::write(bundle.join("config.json"), config(&id).to_string())
            .context("could not write the bundle")?;
        let mut container = Self { state: bundle.join("state"), id, cgroup: PathBuf::new() };
        // Its process keeps whatever outputs it is given: none, or our reader would wait for it.
        let mut run = container.runc(&["run", "--detach", "--bundle"]);
        let status = run.arg(&bundle).arg(&container.id).stdin(Stdio::null()).stdout(Stdio::null()).status();
        let status = status.context("could not start runc")?;
        ensure!(status.success(), "runc could not start a container ({status})");
        container.cgroup = container.find_cgroup()?;
        Ok(Some(container))
    }

    /// The directory runc freezes.
    pub fn cgroup(&self) -> &Path {
        &self.cgroup
    }

    /// `runc pause`, as a whole process.
    pub fn pause(&self) -> anyhow::Result<f64> {
        whole_process(self.runc(&["pause"]).arg(&self.id))
    }

    /// Thaws it, whoever froze it.
    pub fn resume(&self) -> anyhow::Result<()> {
        whole_process(self.runc(&["resume"]).arg(&self.id))?;
        settle();
        Ok(())
    }

    fn runc(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("runc");
        command.arg("--root").arg(&self.state).args(arguments);
        command
    }

    /// runc freezes in the v1 freezer where there is one.
    fn find_cgroup(&self) -> anyhow::Result<PathBuf> {
        let folders = Hierarchy::BOTH.iter().filter_map(|hierarchy| mounts::freezer(*hierarchy).ok());
        let mut found = folders.map(|root| root.join(&self.id)).filter(|path| path.is_dir());
        found.next().context("runc made no cgroup that could be found")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let deleted = self.runc(&["delete", "--force"]).arg(&self.id).status();
        if !deleted.is_ok_and(|status| status.success()) {
            eprintln!("freezer-bench: the container {} could not be deleted", self.id);
        }
    }
}

fn config(id: &str) -> serde_json::Value {
    let borrowed = BORROWED.iter().map(|folder| {
        json!({ "destination": folder, "source": folder, "type": "bind", "options": ["rbind", "ro"] })
    });
    let mounts: Vec<_> = std::iter::once(json!({ "destination": "/proc", "source": "proc", "type": "proc" }))
        .chain(borrowed)
        .collect();
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false, "user": { "uid": 0, "gid": 0 }, "cwd": "/",
            "args": ["/bin/sleep", "1000000"], "env": ["PATH=/usr/bin:/bin"]
        },
        "root": { "path": "rootfs" },
        "mounts": mounts,
        "linux": { "cgroupsPath": format!("/{id}"), "namespaces": [{ "type": "pid" }, { "type": "mount" }] }
    })
}
