//! A look at every task at once, by the task iterator: about two microseconds per task, with its stack.

use std::io::Read as _;

use aya::{
    maps::{Array, MapData},
    programs::{Iter, Program, links::LinkError},
};
use freezer_common::snapshot::{
    Request, SCOPE_HOST, SCOPE_SYSTEM, SCOPE_WATCHED, STACKS_ALL, STACKS_NONE, STACKS_NOT_FROZEN,
};

use super::object::Loaded;
use super::programs::{self, refusal};
use crate::decode::{self, DecodeError, TaskLook};

const PROGRAM: &str = "snapshot";

/// Which tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of the watched subtree.
    Watched,
    /// All of the host.
    Host,
    /// All of the host, while it is frozen as a whole: before 6.1 that counts tasks as frozen that bear no mark of it.
    System,
}

/// Which kernel stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stacks {
    /// None.
    None,
    /// Of tasks that are not frozen in the watched hierarchy (in none, where nothing is watched).
    NotFrozen,
    /// Of every task that does not run at that moment.
    All,
}

/// Why there is no snapshot; the same can be read from /proc, with less to see (`source::procfs`).
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The kernel refused the iterator.
    #[error("the kernel refused the iterator: {0}")]
    Refused(String),
    /// The walk could not be started.
    #[error("cannot start the iterator: {0}")]
    Start(#[from] LinkError),
    /// The request could not be handed over.
    #[error("cannot hand a request to the task iterator: {0}")]
    Request(#[from] aya::maps::MapError),
    /// The walk broke off.
    #[error("the iterator broke off: {0}")]
    Read(#[from] std::io::Error),
    /// It wrote something else than its records.
    #[error("the iterator wrote what is no record of it: {0}")]
    Decode(#[from] DecodeError),
}

/// The iterator, loaded when first asked.
pub(super) struct Snapshots {
    request: Array<MapData, Request>,
    /// Kept between walks: it grows to what a walk of this host needs.
    buffer: Vec<u8>,
}

impl Snapshots {
    pub fn new(request: Array<MapData, Request>) -> Self {
        Self { request, buffer: Vec::new() }
    }

    /// Has the program loaded ahead of the first walk: verifying it takes some 15 ms.
    pub fn prepare(object: &mut Loaded) {
        // A refusal comes again, and is told, with the first walk.
        drop(loaded(object));
    }

    /// One walk.
    pub fn walk(
        &mut self,
        object: &mut Loaded,
        scope: Scope,
        stacks: Stacks,
    ) -> Result<Vec<TaskLook>, SnapshotError> {
        let program = loaded(object)?;
        let request = Request {
            scope: match scope {
                Scope::Watched => SCOPE_WATCHED,
                Scope::Host => SCOPE_HOST,
                Scope::System => SCOPE_SYSTEM,
            },
            stacks: match stacks {
                Stacks::None => STACKS_NONE,
                Stacks::NotFrozen => STACKS_NOT_FROZEN,
                Stacks::All => STACKS_ALL,
            },
        };
        self.request.set(0, request, 0)?;
        walk(program, &mut self.buffer)?;
        Ok(decode::tasks(&self.buffer)?)
    }
}

fn loaded(object: &mut Loaded) -> Result<&mut Iter, SnapshotError> {
    iterator(object, PROGRAM, "task")
}

/// An iterator of the object, loaded when it is first asked for.
pub(super) fn iterator<'l>(
    object: &'l mut Loaded,
    name: &str,
    kind: &str,
) -> Result<&'l mut Iter, SnapshotError> {
    let refused = |error| SnapshotError::Refused(refusal(&error));
    programs::refuse("iter").map_err(refused)?;
    let program: &mut Program = programs::program(&mut object.ebpf, name).map_err(refused)?;
    let program: &mut Iter = program.try_into().map_err(refused)?;
    if program.fd().is_err() {
        program.load(kind, &object.types).map_err(refused)?;
    }
    Ok(program)
}

/// One walk, to the end: one file is one walk.
pub(super) fn walk(program: &mut Iter, buffer: &mut Vec<u8>) -> Result<(), SnapshotError> {
    let link = program.attach().and_then(|id| program.take_link(id));
    let link = link.map_err(|error| SnapshotError::Refused(refusal(&error)))?;
    buffer.clear();
    link.into_file()?.read_to_end(buffer)?;
    Ok(())
}
