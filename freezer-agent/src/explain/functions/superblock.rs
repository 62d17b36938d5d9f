//! Where a task may wait for the thaw of a filesystem.
//!
//! All levels of `sb_writers` (`include/linux/fs.h`) wait in `percpu_rwsem_wait`; these are their callers.

use super::{IN_SOURCE, Mechanism as M, Part, part};

pub(super) const PARTS: &[Part] = &[
    part(
        "",
        &[
            // kernel/locking/percpu-rwsem.c; the second is __sched from 6.1
            ("percpu_rwsem_wait", M::PercpuRead, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("__percpu_down_read", M::PercpuRead, "5.10, 6.1, 6.12, 6.18, 7.3"),
            // fs/super.c
            ("freeze_super", M::SuperblockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("wait_for_partially_frozen", M::SuperblockWait, IN_SOURCE),
            // fs/namespace.c, fs/read_write.c, fs/open.c, ...: SB_FREEZE_WRITE
            ("mnt_want_write", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("mnt_want_write_file", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("vfs_write", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("vfs_iter_write", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("vfs_iocb_iter_write", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("do_iter_write", M::SuperblockWriter, "5.10, 6.1"),
            ("do_iter_readv_writev", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("vfs_writev", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("vfs_fallocate", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("vfs_copy_file_range", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("do_clone_file_range", M::SuperblockWriter, "5.10, 6.1"),
            ("vfs_clone_file_range", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("do_splice_direct", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("iter_file_splice_write", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("do_sendfile", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("do_truncate", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("do_sys_ftruncate", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18"),
            ("do_ftruncate", M::SuperblockWriter, "6.12, 6.18, 7.3"),
            ("vfs_fileattr_set", M::SuperblockWriter, "6.1, 6.12, 6.18, 7.3"),
            ("aio_write", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("io_write", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("do_coredump", M::SuperblockWriter, "5.10, 6.1, 6.12"),
            ("vfs_coredump", M::SuperblockWriter, "6.18, 7.3"),
            ("dump_emit", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            // SB_FREEZE_PAGEFAULT
            ("filemap_page_mkwrite", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("ext4_page_mkwrite", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("ext4_dax_huge_fault", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("block_page_mkwrite", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            // SB_FREEZE_FS (sb_start_intwrite)
            ("ext4_evict_inode", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ],
    ),
    // drivers/block/loop.c: a write to the backing file, in the device's worker
    part("loop", &[("lo_rw_aio", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3")]),
    part(
        "xfs",
        &[
            ("__xfs_filemap_fault", M::SuperblockWriter, "5.10, 6.1, 6.12"),
            ("xfs_filemap_page_mkwrite", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("xfs_write_fault", M::SuperblockWriter, "7.3"),
            ("xfs_trans_alloc", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ],
    ),
    part(
        "btrfs",
        &[
            ("btrfs_page_mkwrite", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("start_transaction", M::SuperblockWriter, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ],
    ),
    part(
        "f2fs",
        &[
            ("f2fs_vm_page_mkwrite", M::SuperblockWriter, IN_SOURCE),
            ("f2fs_evict_inode", M::SuperblockWriter, IN_SOURCE),
        ],
    ),
];
