//! Workers that give the kernel much to do with little memory.

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use super::job::after_ready;
use crate::error::{Error, Result, Tried as _};

/// Memory mapped again and again, bytes.
const PIECE: usize = 64 << 20;
/// How often: 64 GiB of page table entries in 128 MiB of page tables, on 64 MiB of memory.
const TIMES: usize = 1024;

/// A range of memory whose unmapping takes seconds, in munmap(2) or in exit (kernel/exit.c, `exit_mm`).
pub(super) struct Much {
    start: NonNull<libc::c_void>,
    length: usize,
}

impl Much {
    /// Maps the same memory [`TIMES`] times, next to each other and with every page table entry filled in.
    pub(super) fn map() -> Result<Self> {
        let file = memfd_create("freezer-lab", MFdFlags::MFD_CLOEXEC).tried("make", "a memory file")?;
        let file = File::from(file);
        file.set_len(PIECE as u64).tried("grow", "a memory file")?;
        let length = PIECE * TIMES;
        let start = reserve(length)?;
        for number in 0..TIMES {
            // SAFETY: stays within the range reserved.
            let at = unsafe { start.byte_add(number * PIECE) };
            let flags = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED | MapFlags::MAP_POPULATE;
            map_at(Some(at), PIECE, flags, &file)?;
        }
        Ok(Self { start, length })
    }

    /// One munmap(2) for all of it: it never looks for signals (mm/vma.c, `vms_clear_ptes`).
    pub(super) fn then_unmap(self) -> Result<()> {
        after_ready(|| {
            // SAFETY: nothing refers to the range.
            unsafe { munmap(self.start, self.length) }.tried("unmap", "the range")?;
            super::job::sleep_for_ever()
        })
    }
}

/// A store into a shared file mapping: a page fault that asks the filesystem for leave to write (`page_mkwrite`).
pub(super) fn store_into_mapping(file: &File) -> Result<()> {
    let page = map_at(None, 4096, MapFlags::MAP_SHARED, file)?;
    // SAFETY: a page of a file that is longer than a page; nothing else refers to it.
    unsafe { page.cast::<u8>().write_volatile(1) };
    Ok(())
}

fn reserve(length: usize) -> Result<NonNull<libc::c_void>> {
    let size = NonZeroUsize::new(length).ok_or_else(|| Error::new("reserve", "memory", "of no length"))?;
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
    // SAFETY: the kernel chooses the place.
    unsafe { mmap_anonymous(None, size, ProtFlags::PROT_NONE, flags) }
        .tried("reserve", format!("{length} bytes"))
}

fn map_at(
    at: Option<NonNull<libc::c_void>>,
    length: usize,
    flags: MapFlags,
    file: impl AsFd,
) -> Result<NonNull<libc::c_void>> {
    let place = at.and_then(|at| NonZeroUsize::new(at.as_ptr().addr()));
    let size = NonZeroUsize::new(length).ok_or_else(|| Error::new("map", "a file", "of no length"))?;
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a place is given only within a range reserved for this, else the kernel chooses.
    unsafe { mmap(place, size, access, flags, file, 0) }.tried("map", format!("{length} bytes of a file"))
}
