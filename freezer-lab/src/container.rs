//! A container of an OCI runtime (runc, crun) that needs no image: it borrows the host's programs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::cgroup::{Cgroup, Hierarchy};
use crate::error::{Error, Result, Tried as _};
use crate::scene::Scene;
use crate::undo::Undo;
use crate::{agent, mounts};

/// Host folders the container sees, read-only.
const BORROWED: &[&str] = &["/usr", "/lib", "/lib64", "/bin"];

/// Where the container sees what it is [given](Container::start).
pub const GIVEN: &str = "/given";

/// A running container; deleted with its scene.
#[derive(Debug)]
pub struct Container {
    runtime: &'static str,
    state: PathBuf,
    id: String,
    cgroup: Cgroup,
}

/// Whether a program is here to be called.
#[must_use]
pub fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdin(Stdio::null()).output().is_ok()
}

impl Container {
    /// Starts one whose first process is a shell with this script, with its files in a folder of the scene. A folder of
    /// the host may be given to it.
    pub fn start(
        scene: &mut Scene,
        runtime: &'static str,
        script: &str,
        given: Option<&Path>,
    ) -> Result<Self> {
        let bundle = scene.directory()?;
        let name = bundle.file_name().and_then(|name| name.to_str());
        let id = name.ok_or_else(|| Error::new("name", "a container", "its folder has no name"))?.to_owned();
        let state = bundle.join("state");
        let rootfs = bundle.join("rootfs");
        fs::create_dir(&rootfs).tried("make", rootfs.display())?;
        let config = bundle.join("config.json");
        fs::write(&config, self::config(&id, script, given).to_string()).tried("write", config.display())?;
        scene.will_undo(Undo::DeleteContainer {
            runtime: runtime.into(),
            state: state.clone(),
            id: id.clone(),
        })?;
        let folders = Hierarchy::BOTH.map(|hierarchy| (hierarchy, mounts::freezer(hierarchy)));
        let folders =
            folders.into_iter().filter_map(|(hierarchy, root)| Some((hierarchy, root.ok()?.join(&id))));
        let folders: Vec<_> = folders.collect();
        for (_, folder) in &folders {
            scene.will_undo(Undo::ThawCgroup(folder.clone()))?;
        }

        let mut run = Command::new(runtime);
        run.arg("--root").arg(&state).args(["run", "--detach"]);
        if mounts::root_is_initramfs()? {
            run.arg("--no-pivot"); // pivot_root(2) refuses it
        }
        run.arg("--bundle").arg(&bundle).arg(&id);
        // Its process keeps whatever outputs it is given: no pipe, or our reader would wait for it.
        let complaints = bundle.join("complaints");
        let stderr = File::create(&complaints).tried("make", complaints.display())?;
        run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        if !run.status().tried("start", runtime)?.success() {
            let said = fs::read_to_string(&complaints).tried("read", complaints.display())?;
            return Err(Error::new("start a container by", runtime, said.trim()));
        }
        // The v1 freezer where there is one: there both runtimes freeze.
        let cgroup = folders.into_iter().find(|(_, folder)| folder.is_dir());
        let (hierarchy, folder) =
            cgroup.ok_or_else(|| Error::new("find", "the container's cgroup", "it has none"))?;
        Ok(Self { runtime, state, id, cgroup: Cgroup::of_another(hierarchy, folder) })
    }

    /// What the runtime freezes.
    #[must_use]
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// A command of the runtime for this container: `pause`, `resume`, `state`.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.runtime);
        command.arg("--root").arg(&self.state).arg(name).arg(&self.id);
        command
    }

    /// What the runtime takes its state to be: `running`, `paused`.
    pub fn status(&self) -> Result<String> {
        let ended = agent::spawn(self.command("state"))?.end()?;
        let status = ended.json()?["status"].as_str().map(str::to_owned);
        status.ok_or_else(|| Error::new("read", format!("the state from {}", self.runtime), ended.stdout))
    }
}

fn config(id: &str, script: &str, given: Option<&Path>) -> Value {
    let bind = |from: &Path, to: &Path, more: &str| json!({ "destination": to, "source": from, "type": "bind", "options": ["rbind", more] });
    let mut mounts = vec![
        json!({ "destination": "/proc", "source": "proc", "type": "proc" }),
        json!({ "destination": "/dev", "source": "tmpfs", "type": "tmpfs", "options": ["nosuid", "mode=755"] }),
    ];
    mounts.extend(BORROWED.iter().map(|folder| bind(folder.as_ref(), folder.as_ref(), "ro")));
    mounts.extend(given.map(|folder| bind(folder, GIVEN.as_ref(), "rprivate")));
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false, "user": { "uid": 0, "gid": 0 }, "cwd": "/",
            "args": ["/bin/sh", "-c", script], "env": ["PATH=/usr/bin:/bin"]
        },
        "root": { "path": "rootfs" },
        "mounts": mounts,
        "linux": { "cgroupsPath": format!("/{id}"), "namespaces": [{ "type": "pid" }, { "type": "mount" }] }
    })
}
