//! A fault, in the kernel, that only user space could serve, and nobody does (fs/userfaultfd.c, linux/userfaultfd.h).

use std::io::{PipeWriter, Write as _};
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

use super::job::{after_ready, sleep_for_ever};
use crate::error::{Error, Result, Tried as _};

const PAGE: usize = 4096;

/// `struct uffdio_api`
#[repr(C)]
struct Api {
    version: u64,
    features: u64,
    ioctls: u64,
}

/// `struct uffdio_register`
#[repr(C)]
struct Register {
    start: u64,
    len: u64,
    mode: u64,
    ioctls: u64,
}

nix::ioctl_readwrite!(uffdio_api, 0xAA, 0x3F, Api);
nix::ioctl_readwrite!(uffdio_register, 0xAA, 0x00, Register);

/// Writes an unserved page to a pipe: the fault happens in the kernel's copy from user space. Interrupted by a
/// freeze it is tried again at once, for ever (arch/x86/mm/fault.c: only a fatal signal ends a kernel-mode fault).
pub(super) fn run(close: bool) -> Result<()> {
    let descriptor = open()?;
    let (page, range) = missing_page(&descriptor)?;
    let (_reader, mut writer): (_, PipeWriter) = std::io::pipe().tried("make", "a pipe")?;
    let mut descriptor = Some(descriptor);
    after_ready(|| {
        if close {
            descriptor = None;
        }
        // SAFETY: mapped for the life of the process, and only the kernel reads it.
        let bytes = unsafe { std::slice::from_raw_parts(page.cast_const(), range) };
        writer.write_all(bytes).tried("write", "an unserved page")
    })
}

/// Takes a copy of another process's descriptor and keeps it.
pub(super) fn hold(pid: i32, fd: i32) -> Result<()> {
    let _copy = copy_of(pid, fd)?;
    after_ready(|| sleep_for_ever())
}

/// A copy of another process's descriptor (`pidfd_getfd(2)`).
pub(super) fn copy_of(pid: i32, fd: i32) -> Result<OwnedFd> {
    let process = descriptor(libc::SYS_pidfd_open, [i64::from(pid), 0, 0], "open process")?;
    let arguments = [i64::from(process.as_raw_fd()), i64::from(fd), 0];
    descriptor(libc::SYS_pidfd_getfd, arguments, "copy a descriptor of process")
}

fn open() -> Result<OwnedFd> {
    let descriptor =
        descriptor(libc::SYS_userfaultfd, [i64::from(libc::O_CLOEXEC), 0, 0], "open a userfaultfd")?;
    let mut api = Api { version: 0xAA, features: 0, ioctls: 0 };
    // SAFETY: the pointer is to a live struct of the kernel's layout.
    unsafe { uffdio_api(descriptor.as_raw_fd(), &raw mut api) }.tried("agree on", "the userfaultfd API")?;
    Ok(descriptor)
}

fn missing_page(descriptor: &OwnedFd) -> Result<(*mut u8, usize)> {
    let size = NonZeroUsize::new(PAGE).ok_or_else(|| Error::new("map", "a page", "of no length"))?;
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: the kernel chooses the place.
    let page = unsafe { mmap_anonymous(None, size, access, MapFlags::MAP_PRIVATE) }.tried("map", "a page")?;
    let start = page.as_ptr().addr() as u64;
    let mut register = Register { start, len: PAGE as u64, mode: 1, ioctls: 0 }; // UFFDIO_REGISTER_MODE_MISSING
    // SAFETY: the pointer is to a live struct of the kernel's layout, the range is our own.
    unsafe { uffdio_register(descriptor.as_raw_fd(), &raw mut register) }.tried("register", "a page")?;
    Ok((page.as_ptr().cast(), PAGE))
}

fn descriptor(call: i64, arguments: [i64; 3], what: &'static str) -> Result<OwnedFd> {
    let [a, b, c] = arguments;
    // SAFETY: calls that take integers and give a new descriptor.
    let result = unsafe { libc::syscall(call, a, b, c) };
    let number = Errno::result(result).tried(what, a)?;
    let number = i32::try_from(number).map_err(|error| Error::new(what, a, error))?;
    // SAFETY: the kernel has just given it to us.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
