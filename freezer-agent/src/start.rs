//! C's `main` instead of Rust's: a plain freeze is over in a millisecond, and about a tenth of that went into what the
//! standard library prepares before `main` (it reads `/proc/self/maps` for the bounds of a stack that never
//! overflows here). What of that preparation matters is done below.
//!
//! Only with glibc: elsewhere the arguments come by way of the standard library's own start.

use std::ffi::c_int;
use std::fs::OpenOptions;
use std::mem::forget;
use std::panic::catch_unwind;

use nix::sys::signal::{SigHandler, Signal, signal};

// The unwinder linked in: otherwise loading `libgcc_s.so` is the largest single part of a short command's time.
// SAFETY: the block declares nothing, so that nothing can be called through it.
#[link(name = "gcc_eh", kind = "static", modifiers = "-bundle")]
unsafe extern "C" {}

/// Exit code of a panic, as the standard library has it.
const PANICKED: c_int = 101;

// SAFETY: the C runtime's start calls the one symbol of this name once, as a function that takes no arguments it
// needs and gives an exit code; no other `main` is linked, for the crate is `no_main`.
#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    // A panic caught here has run the destructors on its way: a freeze that was asked for is taken back.
    catch_unwind(|| {
        open_standard_streams();
        ignore_broken_pipes();
        c_int::from(freezer_agent::cli::main())
    })
    .unwrap_or(PANICKED)
}

/// A closed stdout would be the number of the next file to be opened: the report would be written to `freezer.state`.
fn open_standard_streams() {
    let mut streams = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: the array outlives the call, which writes no more of it than the three entries.
    let polled = unsafe { libc::poll(streams.as_mut_ptr(), 3, 0) };
    // Where it cannot be told nothing is done, as in the standard library.
    if polled >= 0 {
        for _ in streams.iter().filter(|stream| stream.revents & libc::POLLNVAL != 0) {
            // The lowest free number is given out: the one that is closed.
            forget(OpenOptions::new().read(true).write(true).open("/dev/null"));
        }
    }
}

/// Writing to a pipe nobody reads must be an error to report, not the end in the middle of a freeze.
fn ignore_broken_pipes() {
    // SAFETY: ignoring a signal runs no code of ours. It fails for no valid signal number.
    let previous = unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) };
    debug_assert!(previous.is_ok(), "SIGPIPE can be ignored");
}
