//! The kernel side: tracepoints of the scheduler and of cgroups, a timer sample, and iterators over tasks and open files.
//!
//! [`hooks`] holds one thin program per kernel subject, [`kernel`] the only reads of kernel pointers, [`filter`]
//! says whether a task is watched, [`emit`] alone writes to the ring and counts what it could not write.
#![no_std]
#![no_main]

mod emit;
mod filter;
mod hooks;
mod kernel;
mod maps;

/// Loops for ever, so that the verifier rejects a program from which a panic can be reached.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Helpers used here (`bpf_probe_read_kernel` and others) are offered to GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
