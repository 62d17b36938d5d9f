//! Workers that give the kernel much to do with little memory.

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous};

use super::job::{after_ready, sleep_for_ever};
use crate::error::{Error, Result, Tried as _};

const PAGE: usize = 4096;

/// Memory mapped again and again, bytes.
const PIECE: usize = 64 << 20;

/// 48 GiB of page table entries, in 96 MiB of page tables: most of a second to tear down, a few to fill in.
const TO_TEAR_DOWN: usize = 48 << 30;

/// Address space mincore(2) is asked about, nothing in it: about 0.2 s per TiB.
const TO_LOOK_THROUGH: usize = 16 << 40;

/// Exits with a range of memory whose unmapping takes long (kernel/exit.c, `exit_mm`).
pub(super) fn exit_with_much() -> Result<()> {
    map_over_and_over(TO_TEAR_DOWN, MapFlags::MAP_POPULATE)?;
    after_ready(|| std::process::exit(0))
}

/// One mincore(2) over terabytes of nothing: it never looks for signals (mm/mincore.c). Its answer, a byte a page,
/// goes to the same memory over and over.
pub(super) fn look_through_much() -> Result<()> {
    let range = reserve(TO_LOOK_THROUGH)?;
    let answer = map_over_and_over(TO_LOOK_THROUGH / PAGE, MapFlags::empty())?;
    after_ready(|| {
        // SAFETY: the answer has a byte for each page of the range, and nothing else refers to it.
        let result = unsafe { libc::mincore(range.as_ptr(), TO_LOOK_THROUGH, answer.as_ptr().cast()) };
        Errno::result(result).tried("look through", "the range")?;
        sleep_for_ever()
    })
}

/// A store into a shared file mapping: a page fault that asks the filesystem for leave to write (`page_mkwrite`).
pub(super) fn store_into_mapping(file: &File) -> Result<()> {
    let page = map_at(None, PAGE, MapFlags::MAP_SHARED, file)?;
    // SAFETY: a page of a file that is longer than a page; nothing else refers to it.
    unsafe { page.cast::<u8>().write_volatile(1) };
    Ok(())
}

/// A range that shows the same [`PIECE`] of memory over and over.
pub(super) fn map_over_and_over(length: usize, flags: MapFlags) -> Result<NonNull<libc::c_void>> {
    let file = File::from(memfd_create("freezer-lab", MFdFlags::MFD_CLOEXEC).tried("make", "a memory file")?);
    file.set_len(PIECE as u64).tried("grow", "a memory file")?;
    let start = reserve(length)?;
    for offset in (0..length).step_by(PIECE) {
        // SAFETY: stays within the range reserved.
        let at = unsafe { start.byte_add(offset) };
        map_at(
            Some(at),
            PIECE.min(length - offset),
            MapFlags::MAP_SHARED | MapFlags::MAP_FIXED | flags,
            &file,
        )?;
    }
    Ok(start)
}

fn reserve(length: usize) -> Result<NonNull<libc::c_void>> {
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
    // SAFETY: the kernel chooses the place.
    unsafe { mmap_anonymous(None, size(length)?, ProtFlags::PROT_NONE, flags) }
        .tried("reserve", format!("{length} bytes"))
}

fn map_at(
    at: Option<NonNull<libc::c_void>>,
    length: usize,
    flags: MapFlags,
    file: impl AsFd,
) -> Result<NonNull<libc::c_void>> {
    let place = at.and_then(|at| NonZeroUsize::new(at.as_ptr().addr()));
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a place is given only within a range reserved for this, else the kernel chooses.
    unsafe { mmap(place, size(length)?, access, flags, file, 0) }
        .tried("map", format!("{length} bytes of a file"))
}

fn size(length: usize) -> Result<NonZeroUsize> {
    NonZeroUsize::new(length).ok_or_else(|| Error::new("map", "memory", "it has no length"))
}
