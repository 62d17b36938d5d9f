//! Two ways to read kernel memory.

use core::ffi::c_void;

use aya_ebpf::{Global, helpers::bpf_probe_read_kernel};
use freezer_common::ABSENT;

/// An untyped kernel address.
pub type Kernel = *const c_void;

/// A way to read kernel memory.
pub trait Memory {
    /// Reads a `T` at `offset` bytes from `base`; `None` where the memory cannot be read.
    ///
    /// # Safety
    /// `T` must be valid for any bytes.
    unsafe fn at<T: Copy>(base: Kernel, offset: u32) -> Option<T>;

    /// Reads a `T` at the offset of a field; `None` where the field is absent or the memory cannot be read.
    ///
    /// # Safety
    /// `T` must be valid for any bytes.
    #[inline(always)]
    unsafe fn load<T: Copy>(base: Kernel, offset: &Global<u32>) -> Option<T> {
        let offset = offset.load();
        // SAFETY: passed on from the caller.
        if offset == ABSENT { None } else { unsafe { Self::at(base, offset) } }
    }
}

/// Plain loads through pointers whose kernel type the verifier knows (arguments of `tp_btf` programs and what
/// they lead to). As cheap as in C; the verifier checks type and offset, and a fault reads as zero. But checking
/// costs: the verifier searches all of the kernel's types several times for every pointer so loaded, a millisecond
/// or two per program (`btf_nested_type_is_trusted`, kernel/bpf/btf.c, 6.18). For the programs that run often.
pub struct Typed;

/// `bpf_probe_read_kernel`: for addresses without a type (kprobe arguments, lock words, the current task), and
/// for programs that run seldom, which load faster so.
pub struct Raw;

impl Memory for Typed {
    #[inline(always)]
    unsafe fn at<T: Copy>(base: Kernel, offset: u32) -> Option<T> {
        // SAFETY: the verifier rejects the program unless this is a field of the kernel type `base` points to.
        Some(unsafe { base.byte_add(offset as usize).cast::<T>().read_volatile() })
    }
}

impl Memory for Raw {
    #[inline(always)]
    unsafe fn at<T: Copy>(base: Kernel, offset: u32) -> Option<T> {
        // SAFETY: the helper itself refuses addresses it cannot read; any bytes are a `T` by contract.
        unsafe { bpf_probe_read_kernel(base.byte_add(offset as usize).cast::<T>()) }.ok()
    }
}
