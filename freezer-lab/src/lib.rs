//! Reproducers of real stuck and slow freezes, small and self-contained, each undone whatever happens.
//!
//! A [`Scene`] makes cgroups, worker processes, silent FUSE mounts and frozen filesystems, and takes all of it down
//! again when it is dropped. Should its process die instead (even by SIGKILL), a watchdog process does the same.
//! Each case in [`cases`] builds one stuck freeze in a scene and says what a right diagnosis of it is.
//!
//! A program that uses a scene calls [`run_as_worker_if_asked`] first thing in `main`, or has the `freezer-lab`
//! binary beside it: workers are this program started again.

pub mod agent;
pub mod cases;
pub mod cgroup;
pub mod container;
pub mod error;
pub mod fuse;
pub mod image;
pub mod judge;
pub mod mapped;
pub mod mounts;
pub mod nfs;
pub mod premise;
pub mod proc;
pub mod scene;
pub mod trial;
pub mod turn;
pub mod undo;
pub mod wait;
pub mod watchdog;
pub mod worker;

pub use cgroup::{Cgroup, Hierarchy, State};
pub use container::Container;
pub use error::{Error, Result};
pub use scene::Scene;
pub use trial::{Form, Trial};
pub use turn::Turn;
pub use worker::{Job, Worker, run_as_worker_if_asked};
