//! The iterator over open files: what ties a descriptor of `/dev/fuse` to its connection on kernels whose `fdinfo` does not
//! say it (before 6.15).
//!
//! Two pointers to the same `struct fuse_conn` prove it: that of the device, the first word of `file->private_data`, a
//! `struct fuse_dev` (`fs/fuse/fuse_i.h`: `fc` is its first member from 4.2 to 6.18), and that of a file of the control
//! filesystem, `inode->i_private` (`fs/fuse/control.c`, `fuse_ctl_add_dentry`). Another layout gives a word that equals no
//! such pointer: no answer, and never a false one.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_seq_write;
use freezer_common::file::{FILE_FUSE_DEVICE, FILE_OWN, FUSE_DEVICE, FileRecord};

use super::snapshot::Meta;
use crate::kernel::{
    memory::{Kernel, Memory as _, Raw, Typed},
    offsets::{FILE_INODE, FILE_PRIVATE, INODE_PRIVATE, INODE_RDEV, OWN_TGID},
    task,
};

/// `struct bpf_iter__task_file` (kernel/bpf/task_iter.c)
#[repr(C)]
pub struct FileContext {
    meta: *const Meta,
    task: *mut c_void,
    fd: u32,
    /// Aligned to eight bytes, as the kernel's.
    file: *mut c_void,
}

/// One step of the walk; a null task or file ends it.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
pub extern "C" fn open_files(ctx: *const FileContext) -> i32 {
    // SAFETY: the kernel hands over its context; task and file are checked for null.
    unsafe {
        let (task, file) = ((*ctx).task, (*ctx).file);
        if task.is_null() || file.is_null() {
            return 0;
        }
        let fd = (*ctx).fd;
        if let Some(record) = look(task, file, fd) {
            let record = &raw const record;
            bpf_seq_write(
                (*(*ctx).meta).seq.cast(),
                record.cast_mut().cast(),
                size_of::<FileRecord>() as u32,
            );
        }
    }
    0
}

#[inline(always)]
unsafe fn look(task: Kernel, file: Kernel, fd: u32) -> Option<FileRecord> {
    // SAFETY: task and file are of types the verifier knows; untyped pointers are followed through the helper that refuses
    // bad addresses.
    unsafe {
        let tgid = task::tgid::<Typed>(task)?;
        let inode: Kernel = Typed::load(file, &FILE_INODE)?;
        if inode.is_null() {
            return None;
        }
        let record = |kind, pointer| FileRecord { pointer, tgid, fd: fd as i32, kind, reserved: 0 };
        if Typed::load::<u32>(inode, &INODE_RDEV)? == FUSE_DEVICE {
            let device: Kernel = Typed::load(file, &FILE_PRIVATE)?;
            return Some(record(FILE_FUSE_DEVICE, Raw::at(device, 0)?));
        }
        if tgid as u32 != OWN_TGID.load() {
            return None;
        }
        Some(record(FILE_OWN, Typed::load(inode, &INODE_PRIVATE)?))
    }
}
