//! The command: parse, dispatch, exit code.

// The unwinder linked in: otherwise loading `libgcc_s.so` is the largest single part of a short command's time (a
// plain `freeze` of one task is over in about a millisecond).
// SAFETY: the block declares nothing, so that nothing can be called through it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[link(name = "gcc_eh", kind = "static", modifiers = "-bundle")]
unsafe extern "C" {}

fn main() -> std::process::ExitCode {
    freezer_agent::cli::main()
}
