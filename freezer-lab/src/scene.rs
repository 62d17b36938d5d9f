//! What a case is built in: makes things, and takes them all down when dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::cgroup::{Cgroup, Hierarchy};
use crate::error::{Error, Result, Tried as _};
use crate::fuse::Server;
use crate::undo::Undo;
use crate::worker::{Asked, Job, Worker};
use crate::{mounts, proc, wait, watchdog};

/// How long the workers may take to die once everything that held them is released.
const REAP_LIMIT: Duration = Duration::from_secs(10);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A workshop of stuck things. Everything made through it is undone when it is dropped, in an order that works.
#[derive(Debug, Default)]
pub struct Scene {
    undo: Vec<Undo>,
    workers: Vec<Worker>,
}

/// Names a worker of a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerId(usize);

impl Scene {
    /// An empty scene.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A cgroup below the root of its hierarchy, with a name nobody else has: it carries our pid.
    pub fn cgroup(&mut self, hierarchy: Hierarchy) -> Result<Cgroup> {
        self.cgroup_named(hierarchy, &unique())
    }

    /// A cgroup of a given name or path below the root. An error where it exists: it would not be ours to remove.
    pub fn cgroup_named(&mut self, hierarchy: Hierarchy, name: &str) -> Result<Cgroup> {
        let path = mounts::freezer(hierarchy)?.join(name);
        self.made_cgroup(hierarchy, path)
    }

    /// A child of a cgroup.
    pub fn child_of(&mut self, parent: &Cgroup, name: &str) -> Result<Cgroup> {
        self.made_cgroup(parent.hierarchy(), parent.path().join(name))
    }

    /// A cgroup of another v1 controller (`cpu`, ...).
    pub fn controller_cgroup(&mut self, controller: &str) -> Result<Cgroup> {
        let path = mounts::controller(controller)?.join(unique());
        self.made_cgroup(Hierarchy::V1, path)
    }

    fn made_cgroup(&mut self, hierarchy: Hierarchy, path: PathBuf) -> Result<Cgroup> {
        let cgroup = Cgroup::create(hierarchy, path.clone())?;
        self.will_undo(Undo::RemoveCgroup(path.clone()))?;
        self.will_undo(Undo::ThawCgroup(path))?;
        Ok(cgroup)
    }

    /// An empty directory of our own, for mounts and files.
    pub fn directory(&mut self) -> Result<PathBuf> {
        self.directory_called("")
    }

    /// The same, with more to its name.
    pub fn directory_called(&mut self, more: &str) -> Result<PathBuf> {
        let path = std::env::temp_dir().join(unique() + more);
        fs::create_dir(&path).tried("make the directory", path.display())?;
        self.will_undo(Undo::RemoveDir(path.clone()))?;
        Ok(path)
    }

    /// A worker, prepared but not let go ([`Worker::go`]).
    pub fn worker(&mut self, job: &Job) -> Result<WorkerId> {
        let worker = Worker::start(job)?;
        let pid = worker.pid();
        self.workers.push(worker);
        let start =
            proc::start_time(pid).ok_or_else(|| Error::new("start", format!("{job:?}"), "it has died"))?;
        self.will_undo(Undo::Kill { pid, start })?;
        Ok(WorkerId(self.workers.len() - 1))
    }

    /// A worker that is put in a cgroup and let go.
    pub fn worker_in(&mut self, cgroup: &Cgroup, job: &Job) -> Result<WorkerId> {
        let id = self.worker(job)?;
        self[id].put_in(cgroup)?;
        self[id].go()?;
        Ok(id)
    }

    /// A FUSE mount on a directory of its own and the worker that serves it, which is silent about
    /// [`crate::fuse::SILENT_NAME`] and its like. The server is in no cgroup of the scene yet.
    pub fn silent_fuse(&mut self, answer_after_ms: Option<u64>) -> Result<(PathBuf, WorkerId)> {
        let dir = self.directory()?;
        self.silent_fuse_on(dir, answer_after_ms)
    }

    /// The same on a directory of the scene.
    pub fn silent_fuse_on(
        &mut self,
        dir: PathBuf,
        answer_after_ms: Option<u64>,
    ) -> Result<(PathBuf, WorkerId)> {
        let mut server = self.server_on(&dir)?;
        server.answer_after_ms = answer_after_ms;
        let id = self.worker(&Job::FuseServer(server))?;
        self[id].go()?;
        Ok((dir, id))
    }

    /// A server that is silent until a moment of the freeze.
    pub fn slow_fuse(&mut self, until: Asked) -> Result<(PathBuf, WorkerId)> {
        let dir = self.directory()?;
        let server = Server { answer_when: Some(until), ..self.server_on(&dir)? };
        let id = self.worker(&Job::FuseServer(server))?;
        self[id].go()?;
        Ok((dir, id))
    }

    /// A silent server, not started, for a directory; what it mounts there is taken down at the end.
    pub fn server_on(&mut self, dir: &Path) -> Result<Server> {
        // Before the mount is there: the server may die half-way.
        self.will_undo(Undo::ReleaseFuse(dir.to_path_buf()))?;
        Ok(Server {
            dir: dir.to_path_buf(),
            source: "freezer-lab".to_owned(),
            answer_after_ms: None,
            answer_when: None,
            first_stat: None,
        })
    }

    /// Has a step undone at the end, in this process or, if that dies, in the watchdog.
    pub fn will_undo(&mut self, undo: Undo) -> Result<()> {
        watchdog::add(&undo)?;
        self.undo.push(undo);
        Ok(())
    }

    /// Changes a setting until the end of the scene.
    pub fn set(&mut self, file: &Path, text: &str) -> Result<()> {
        let before = fs::read_to_string(file).tried("read", file.display())?;
        self.set_until(file, text, before)
    }

    /// The same for a setting that does not read as it is written (`[none] core freezer`).
    pub fn set_until(&mut self, file: &Path, text: &str, back: impl Into<String>) -> Result<()> {
        self.will_undo(Undo::Restore { path: file.to_path_buf(), text: back.into() })?;
        fs::write(file, text).tried("write", format!("{text:?} to {}", file.display()))
    }

    /// Takes everything down now and says what could not be.
    pub fn take_down(&mut self) -> Vec<Error> {
        let steps = std::mem::take(&mut self.undo);
        // Removing a cgroup waits for its tasks, and a dead child is gone from it before it is reaped.
        let mut errors = Undo::run_all(steps.clone());
        for mut worker in self.workers.drain(..) {
            if !wait::until(REAP_LIMIT, || matches!(worker.child.try_wait(), Ok(Some(_)))) {
                errors.push(Error::new("reap", format!("worker {}", worker.pid()), "it does not die"));
            }
        }
        // Only now: had we died on the way, the watchdog would have finished the work.
        errors.extend(steps.iter().filter_map(|step| watchdog::done(step).err()));
        errors
    }
}

impl std::ops::Index<WorkerId> for Scene {
    type Output = Worker;

    fn index(&self, id: WorkerId) -> &Worker {
        &self.workers[id.0]
    }
}

impl std::ops::IndexMut<WorkerId> for Scene {
    fn index_mut(&mut self, id: WorkerId) -> &mut Worker {
        &mut self.workers[id.0]
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for error in self.take_down() {
            eprintln!("freezer-lab: {error}");
        }
    }
}

fn unique() -> String {
    format!("lab-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
