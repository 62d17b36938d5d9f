//! Mount tables as the tasks themselves see them, each read once: thousands of tasks share one.

use std::collections::HashMap;
use std::rc::Rc;

use super::mountinfo::Mount;
use super::procdir::Process;

/// What a table depends on: mount namespace and root directory (`fs/proc_namespace.c`, `mounts_open_common`).
type Key = (Vec<u8>, Vec<u8>);

/// Tables read so far.
#[derive(Debug, Default)]
pub struct Tables {
    read: HashMap<Key, Rc<[Mount]>>,
}

impl Tables {
    /// The mounts of a task.
    pub fn of(&mut self, process: &Process) -> Rc<[Mount]> {
        let key = process.link("ns/mnt").zip(process.link("root"));
        match key {
            Some(key) => Rc::clone(self.read.entry(key).or_insert_with(|| process.mounts().into())),
            // Gone, or no right to look: then the table is empty too.
            None => process.mounts().into(),
        }
    }

    /// A mount by its id, which is unique over all namespaces, in any table read so far.
    pub fn by_id(&self, id: u64) -> Option<&Mount> {
        self.read.values().find_map(|table| table.iter().find(|mount| mount.facts.id == id))
    }
}
