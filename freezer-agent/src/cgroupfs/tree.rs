//! The cgroups below one, and their tasks. Cgroups come and go while we walk: one that vanished is no error.

use std::fs;
use std::os::unix::fs::DirEntryExt as _;
use std::sync::Arc;

use super::file::{self, Action, FileError};
use super::{Cgroup, v1, v2};
use crate::model::Hierarchy;

impl Cgroup {
    /// The cgroups right below. Symbolic links and files are not followed; ids come from the directory itself, so
    /// that nothing mounted on top of a cgroup is touched.
    pub fn children(&self) -> Result<Vec<Self>, FileError> {
        let failed = |source| FileError::new(Action::Look, self.dir.clone(), source);
        let mut children = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                children.push(Self {
                    hierarchy: self.hierarchy,
                    dir: entry.path(),
                    id: entry.ino(),
                    mount: Arc::clone(&self.mount),
                });
            }
        }
        children.sort_by(|a, b| a.dir.cmp(&b.dir));
        Ok(children)
    }

    /// This cgroup and every descendant, parents before their children.
    pub fn subtree(&self) -> Result<Vec<Self>, FileError> {
        let mut found = Vec::new();
        let mut ahead = self.children()?;
        ahead.reverse();
        found.push(self.clone());
        while let Some(cgroup) = ahead.pop() {
            match cgroup.children() {
                Ok(children) => ahead.extend(children.into_iter().rev()),
                Err(error) if error.is_gone() => continue,
                Err(error) => return Err(error),
            }
            found.push(cgroup);
        }
        Ok(found)
    }

    /// Thread ids in this cgroup alone. A thread that exits may be listed or not.
    pub fn tasks(&self) -> Result<Vec<i32>, FileError> {
        let file = match self.hierarchy {
            Hierarchy::V1 => v1::TASKS,
            Hierarchy::V2 => v2::THREADS,
        };
        let content = file::read(&self.dir, file)?;
        let lines = content.split(|&b| b == b'\n');
        Ok(lines.filter_map(|line| std::str::from_utf8(line).ok()?.parse().ok()).collect())
    }

    /// Thread ids of the whole subtree.
    pub fn subtree_tasks(&self) -> Result<Vec<i32>, FileError> {
        let mut tasks = self.tasks()?;
        for cgroup in self.subtree()?.iter().skip(1) {
            match cgroup.tasks() {
                Ok(more) => tasks.extend(more),
                Err(error) if error.is_gone() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(tasks)
    }

    /// Ids of this cgroup and every descendant.
    pub fn subtree_ids(&self) -> Result<Vec<u64>, FileError> {
        Ok(self.subtree()?.iter().map(|cgroup| cgroup.id).collect())
    }

    /// Whether any task lives in the subtree.
    pub fn holds_tasks(&self) -> Result<bool, FileError> {
        match self.hierarchy {
            Hierarchy::V2 => v2::events(&self.dir).map(|events| events.populated).or_else(|error| {
                // The root has no `cgroup.events`, and always tasks.
                if error.is_gone() { Ok(self.dir.exists()) } else { Err(error) }
            }),
            Hierarchy::V1 => {
                for cgroup in self.subtree()? {
                    match cgroup.tasks() {
                        Ok(tasks) if tasks.is_empty() => {}
                        Ok(_) => return Ok(true),
                        Err(error) if error.is_gone() => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(false)
            }
        }
    }
}
