//! Two ways to read kernel memory.

use core::ffi::c_void;

use aya_ebpf::{Global, helpers::bpf_probe_read_kernel};
use freezer_common::ABSENT;

/// An untyped kernel address.
pub type Kernel = *const c_void;

/// A way to read kernel memory.
pub trait Memory {
    /// Reads a `T` at `offset` from `base`; `None` where the field is absent or the memory cannot be read.
    ///
    /// # Safety
    /// `T` must be valid for any bytes.
    unsafe fn load<T: Copy>(base: Kernel, offset: &Global<u32>) -> Option<T>;
}

/// Plain loads through pointers whose kernel type the verifier knows (arguments of `tp_btf` programs and what
/// they lead to). As cheap as in C; the verifier checks type and offset, and a fault reads as zero.
pub struct Typed;

/// `bpf_probe_read_kernel`, for addresses without a type (kprobe arguments, lock words, the current task).
pub struct Raw;

impl Memory for Typed {
    #[inline(always)]
    unsafe fn load<T: Copy>(base: Kernel, offset: &Global<u32>) -> Option<T> {
        let offset = offset.load();
        if offset == ABSENT {
            return None;
        }
        // SAFETY: the verifier rejects the program unless this is a field of the kernel type `base` points to.
        Some(unsafe { base.byte_add(offset as usize).cast::<T>().read_volatile() })
    }
}

impl Memory for Raw {
    #[inline(always)]
    unsafe fn load<T: Copy>(base: Kernel, offset: &Global<u32>) -> Option<T> {
        let offset = offset.load();
        if offset == ABSENT {
            return None;
        }
        // SAFETY: the helper itself refuses addresses it cannot read; any bytes are a `T` by contract.
        unsafe { bpf_probe_read_kernel(base.byte_add(offset as usize).cast::<T>()) }.ok()
    }
}
