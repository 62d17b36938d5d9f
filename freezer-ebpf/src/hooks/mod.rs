//! One file per kernel subject; each program a thin shell around its body.

mod cgroup;
mod files;
mod freezer;
mod process;
mod sample;
mod sched;
mod snapshot;
mod system;
