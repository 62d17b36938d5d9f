//! Bytes from the kernel: load, attach, ring buffer, task iterator, /proc.

mod counters;
mod files;
mod kprobe_multi;
mod object;
mod observer;
pub mod procfs;
mod programs;
mod snapshot;
mod symbols;

pub use counters::{Counter, Counters};
pub use files::OpenFiles;
pub use observer::{Observer, ObserverError, ObserverOptions, SampleError, Watch};
pub use programs::Attached;
pub use snapshot::{Scope, SnapshotError, Stacks};
pub use symbols::{Symbols, SymbolsError};
