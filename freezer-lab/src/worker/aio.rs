//! A worker that waits for a request that somebody else carries out.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use nix::errno::Errno;

use super::job::{after_ready, sleep_for_ever};
use crate::error::{Result, Tried as _};

/// `IOCB_CMD_FSYNC` (`include/uapi/linux/aio_abi.h`).
const FSYNC: u16 = 2;

/// `io_destroy(2)` while an fsync of the file is under way: a kernel worker carries that out, and who destroys the context
/// sleeps, uninterruptibly, until it is done (fs/aio.c, `aio_fsync`, `SYSCALL_DEFINE1(io_destroy)`).
pub(super) fn destroy_while_syncing(path: &Path) -> Result<()> {
    let file = File::open(path).tried("open", path.display())?;
    let mut context: libc::c_ulong = 0;
    // SAFETY: io_setup(2) writes one context number.
    let made = unsafe { libc::syscall(libc::SYS_io_setup, 1, &raw mut context) };
    Errno::result(made).tried("call", "io_setup")?;
    after_ready(|| {
        // SAFETY: all zero is a valid request of plain numbers.
        let mut request: libc::iocb = unsafe { std::mem::zeroed() };
        request.aio_lio_opcode = FSYNC;
        request.aio_fildes = file.as_raw_fd().cast_unsigned();
        let mut list = [&raw mut request];
        // SAFETY: a list of one request, which the kernel copies.
        let sent = unsafe { libc::syscall(libc::SYS_io_submit, context, 1, list.as_mut_ptr()) };
        Errno::result(sent).tried("call", "io_submit")?;
        // SAFETY: the context is ours and not used again.
        let destroyed = unsafe { libc::syscall(libc::SYS_io_destroy, context) };
        Errno::result(destroyed).tried("call", "io_destroy")?;
        sleep_for_ever()
    })
}
