//! Jobs that wait for a block device.

use std::alloc::{Layout, alloc_zeroed};
use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, MsFlags, ProtFlags, mmap, msync};
use serde::{Deserialize, Serialize};

use super::job::{after_ready, sleep_for_ever};
use crate::error::{Error, Result, Tried as _};
use crate::mapped;

/// Blocks of every device used here divide it.
const BLOCK: usize = 4096;

nix::ioctl_none_bad!(
    /// `LOOP_CTL_GET_FREE` of linux/loop.h.
    loop_free, 0x4C82
);
nix::ioctl_write_ptr_bad!(
    /// `LOOP_CONFIGURE` of linux/loop.h.
    loop_configure, 0x4C0A, LoopConfig
);

/// `struct loop_config`: descriptor, block size, then `struct loop_info64` with its flags at byte 52, then reserved.
#[repr(C)]
pub struct LoopConfig {
    fd: u32,
    block_size: u32,
    before_flags: [u32; 13],
    flags: u32,
    rest: [u32; 60],
}

const _: () = assert!(size_of::<LoopConfig>() == 304);

/// What such a worker does. "Then" is after [`super::Worker::go`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// Opens a file or device; then reads from it past the page cache.
    DirectRead(PathBuf),
    /// Opens a file; then writes to it past the page cache.
    DirectWrite(PathBuf),
    /// Opens a file; then writes to it, and has it written out with fsync(2).
    WriteAndFsync(PathBuf),
    /// Attaches a loop device to a file; then reads from it. The device goes with the worker.
    LoopRead {
        /// The file.
        file: PathBuf,
        /// Past the page cache.
        direct: bool,
    },
    /// The same with a device-mapper device on it, which is suspended; then reads from that.
    MappedRead {
        /// The file.
        file: PathBuf,
        /// Name of the device.
        name: String,
        /// Past the page cache.
        direct: bool,
    },
    /// Attaches a loop device to a file, and maps it; then stores into the mapping and has that written out with
    /// msync(2). The device goes with the worker.
    LoopSync(PathBuf),
}

impl Job {
    pub(super) fn run(&self) -> Result<()> {
        match self {
            Self::DirectRead(path) => {
                let file = open(path, libc::O_DIRECT)?;
                after_ready(|| {
                    read(&file, path)?;
                    sleep_for_ever()
                })
            }
            Self::DirectWrite(path) => {
                let file = open(path, libc::O_DIRECT)?;
                after_ready(|| {
                    file.write_all_at(block()?, 0).tried("write", path.display())?;
                    sleep_for_ever()
                })
            }
            Self::WriteAndFsync(path) => {
                let mut file = open(path, 0)?;
                after_ready(|| {
                    file.write_all(b"x").and_then(|()| file.sync_all()).tried("write", path.display())?;
                    sleep_for_ever()
                })
            }
            Self::LoopRead { file, direct } => {
                let (device, path) = attach(file)?;
                let reader = open(&path, if *direct { libc::O_DIRECT } else { 0 })?;
                after_ready(|| {
                    read(&reader, &path)?;
                    drop(device);
                    sleep_for_ever()
                })
            }
            Self::MappedRead { file, name, direct } => {
                let (device, lower) = attach(file)?;
                let path = mapped::make(name, &lower)?;
                let reader = open(&path, if *direct { libc::O_DIRECT } else { 0 })?;
                mapped::suspend(name)?;
                after_ready(|| {
                    read(&reader, &path)?;
                    drop(device);
                    sleep_for_ever()
                })
            }
            Self::LoopSync(file) => {
                let (device, path) = attach(file)?;
                let block = shared(&device, &path)?;
                after_ready(|| {
                    write_out(block, &path)?;
                    drop(device);
                    sleep_for_ever()
                })
            }
        }
    }
}

fn open(path: &Path, flags: i32) -> Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).tried("open", path.display())
}

fn read(file: &File, path: &Path) -> Result<()> {
    file.read_exact_at(block()?, 0).tried("read", path.display())
}

/// Memory that may go past the page cache.
fn block() -> Result<&'static mut [u8]> {
    let layout =
        Layout::from_size_align(BLOCK, BLOCK).map_err(|error| Error::new("allocate", "a block", error))?;
    // SAFETY: the layout is not of size 0.
    let pointer = unsafe { alloc_zeroed(layout) };
    if pointer.is_null() {
        return Err(Error::new("allocate", "a block", "out of memory"));
    }
    // SAFETY: just allocated with this size, zeroed, and never freed: the kernel may use it as long as the worker lives.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer, BLOCK) })
}

/// The first block, shared with the file.
fn shared(file: &File, path: &Path) -> Result<NonNull<c_void>> {
    let (rights, shared) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED);
    let size = NonZeroUsize::new(BLOCK).ok_or_else(|| Error::new("map", path.display(), "of no length"))?;
    // SAFETY: the kernel chooses the place.
    unsafe { mmap(None, size, rights, shared, file, 0) }.tried("map", path.display())
}

fn write_out(block: NonNull<c_void>, path: &Path) -> Result<()> {
    // SAFETY: the mapping is that long, writable, and nobody else's.
    unsafe { block.cast::<u8>().write_volatile(1) };
    // SAFETY: it stays mapped until this process ends.
    unsafe { msync(block, BLOCK, MsFlags::MS_SYNC) }.tried("sync", path.display())
}

/// A free loop device on a file, which detaches itself when its last user closes it (`LO_FLAGS_AUTOCLEAR`).
fn attach(file: &Path) -> Result<(File, PathBuf)> {
    let backing = open(file, 0)?;
    let control = open(Path::new("/dev/loop-control"), 0)?;
    let fd = backing.as_raw_fd().cast_unsigned();
    let config = LoopConfig { fd, block_size: 0, before_flags: [0; 13], flags: 4, rest: [0; 60] };
    loop {
        // SAFETY: takes no argument.
        let number = unsafe { loop_free(control.as_raw_fd()) }.tried("find", "a free loop device")?;
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let device = open(&path, 0)?;
        // SAFETY: the pointer is to a live struct of the kernel's layout.
        match unsafe { loop_configure(device.as_raw_fd(), &raw const config) } {
            Ok(_) => return Ok((device, path)),
            // Somebody else was faster.
            Err(Errno::EBUSY) => {}
            Err(errno) => return Err(errno).tried("attach a loop device to", file.display()),
        }
    }
}
