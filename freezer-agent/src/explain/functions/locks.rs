//! Locks of the kernel.

use super::{Mechanism as M, Part, part};

pub(super) const PARTS: &[Part] = &[part(
    "",
    &[
        // kernel/locking: __sched, so only samples (and unwinders that do not hide them) show these
        ("__mutex_lock", M::LockSlowPath, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("__mutex_lock_slowpath", M::LockSlowPath, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("__mutex_lock_killable_slowpath", M::LockSlowPath, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("__mutex_lock_interruptible_slowpath", M::LockSlowPath, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("rwsem_down_read_slowpath", M::LockSlowPath, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("rwsem_down_write_slowpath", M::LockSlowPath, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("__down", M::LockSlowPath, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("__down_common", M::LockSlowPath, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("__down_killable", M::LockSlowPath, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("__down_timeout", M::LockSlowPath, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("rt_mutex_slowlock_block", M::LockSlowPath, "6.1, 6.12, 6.18, 7.3"),
        // mm/mmap_lock.c: waits for readers of a VMA; the lock has no owner word
        ("__vma_start_write", M::LockSlowPath, "6.18, 7.3"),
        ("__vma_start_exclude_readers", M::LockSlowPath, "7.3"),
        // fs/namei.c, fs/readdir.c: the directory's i_rwsem
        ("walk_component", M::LockCaller, "5.10, 6.1, 6.12, 6.18"),
        ("lookup_slow", M::LockCaller, "7.3"),
        ("path_openat", M::LockCaller, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("filename_create", M::LockCaller, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("start_dirop", M::LockCaller, "7.3"),
        ("do_unlinkat", M::LockCaller, "5.10, 6.1, 6.12, 6.18"),
        ("filename_unlinkat", M::LockCaller, "7.3"),
        ("do_rmdir", M::LockCaller, "5.10, 6.1, 6.12, 6.18"),
        ("filename_rmdir", M::LockCaller, "7.3"),
        ("lock_rename", M::LockCaller, "5.10, 6.1, 6.12, 6.18"),
        ("lock_two_directories", M::LockCaller, "6.1, 6.12, 6.18, 7.3"),
        ("__start_renaming", M::LockCaller, "7.3"),
        ("iterate_dir", M::LockCaller, "5.10, 6.1, 6.12, 6.18, 7.3"),
        // fs/file.c: the position of an open file
        ("fdget_pos", M::LockCaller, "6.12, 6.18"),
        ("__fdget_pos", M::LockCaller, "5.10, 6.1"),
        // mm: the mmap lock
        ("lock_mm_and_find_vma", M::LockCaller, "6.1, 6.12, 6.18, 7.3"),
        ("vm_mmap_pgoff", M::LockCaller, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("__vm_munmap", M::LockCaller, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("do_mprotect_pkey", M::LockCaller, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("do_madvise", M::LockCaller, "5.10, 6.1, 6.12, 6.18, 7.3"),
    ],
)];
