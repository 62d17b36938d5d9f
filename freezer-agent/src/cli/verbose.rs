//! `-v`: debug lines of the kernel side, as they come off its ring, on stderr.

use log::{Level, LevelFilter, Log, Metadata, Record};

struct Stderr;

/// aya-log gives every line of the kernel side this target's crate name.
const KERNEL_SIDE: &str = "freezer_ebpf";

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Debug && metadata.target().starts_with(KERNEL_SIDE)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            eprintln!("freezer-agent: kernel: {}", record.args());
        }
    }

    fn flush(&self) {}
}

/// Takes effect once; later calls change nothing.
pub fn turn_on() {
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}
