//! Every kernel function name the rules know, in one table, with the versions it is expected on.
//!
//! Stacks of sleeping tasks leave out functions of the scheduler's text section (`__sched`: `schedule`,
//! `__mutex_lock`, `rwsem_down_read_slowpath`, ...), both in `/proc/PID/stack` and in `bpf_get_task_stack`
//! (`kernel/stacktrace.c`, `stack_trace_consume_entry_nosched`). A lock wait therefore shows its *caller* as the
//! innermost frame; only samples of a running task show the lock functions themselves.

use crate::model::function;

/// What a function on a stack says about its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Waits for the answer to a FUSE request, or for a free slot to send one.
    FuseRequest,
    /// Waits for a page or a name that some other task is fetching: whose it is depends on the file.
    SharedFetch,
    /// Code of the FUSE filesystem: tells a shared fetch's filesystem.
    FuseCode,
    /// Sleeps as reader of a per-CPU rwsem.
    PercpuRead,
    /// Takes a superblock's write protection (`sb_writers`) and may sleep in it.
    SuperblockWriter,
    /// Waits for a freeze or thaw of a filesystem in a function of its own.
    SuperblockWait,
    /// Handles a fault on a userfaultfd range.
    Userfault,
    /// Waits for a seccomp supervisor.
    SeccompNotify,
    /// Waits for a fanotify listener's leave.
    FanotifyPermission,
    /// Waits for an automount daemon.
    AutofsWait,
    /// Waits for a user-mode helper: for its end or its start, or for a key that one is to make.
    HelperWait,
    /// Has started a user-mode helper itself.
    HelperStart,
    /// Asks for a key.
    KeyRequest,
    /// Asks for a kernel module.
    ModuleRequest,
    /// Writes a core dump.
    CoreDump,
    /// A lock's own slow path.
    LockSlowPath,
    /// Takes a lock whose slow path stacks leave out: what remains as the innermost frame.
    LockCaller,
    /// Sits in the v1 (or suspend) refrigerator.
    Refrigerator,
    /// Sits in v2's frozen trap.
    FrozenTrap,
    /// Waits for a vforked child: frozen enough on every kernel.
    VforkWait,
    /// Waits for room in a memory cgroup whose OOM killer is off.
    OomWait,
    /// Waits in execve for the other threads of the process to die.
    ExecWait,
    /// Stopped for its tracer.
    TraceStop,
    /// Waits for the end of a core dump that another thread writes.
    CoredumpThread,
    /// Waits for a request to a block device, whichever: a bio, a buffer, a journal, a free request slot.
    BlockWait,
    /// Waits for a flush, of which a device's statistics may know nothing.
    BlockFlush,
    /// Waits for a page: of what device or server, its file tells.
    PageWait,
    /// Waits for pages to be written by a flusher thread.
    WritebackWait,
    /// Waits for a limit of a cgroup by its function alone (iocost, iolatency).
    IoLimitWait,
    /// Made too many pages dirty and is slowed down until enough of them are written.
    DirtyThrottle,
    /// A worker of a loop device.
    LoopWork,
    /// Waits for an NFS server.
    NfsWait,
    /// Waits for a CIFS server.
    CifsWait,
    /// A sleep that v1 may freeze in place although it shows `D`.
    FreezableSleep,
}

use Mechanism as M;

/// Name without suffix, what it means, and the kernels it is expected on. Seen by run so far: those in the stacks of
/// `tests/fixtures`, on 6.18; the other entries have not been checked kernel by kernel.
const TABLE: &[(&str, Mechanism, &str)] = &[
    // fs/fuse/dev.c
    ("request_wait_answer", M::FuseRequest, "5.10, 6.1, 6.12, 6.18, 7.3"),
    ("__fuse_request_send", M::FuseRequest, "5.10, 6.1, 6.18"),
    ("fuse_get_req", M::FuseRequest, "5.10, 6.1, 6.18"),
    ("fuse_simple_request", M::FuseRequest, "5.10, 6.1"),
    ("__fuse_simple_request", M::FuseRequest, "6.12, 6.18, 7.3"),
    // fs/fuse/file.c, inode.c: wait for requests sent in the background
    ("fuse_set_nowrite", M::FuseRequest, "5.10, 6.1, 6.18"),
    ("fuse_sync_writes", M::FuseRequest, "5.10, 6.1, 6.18"),
    ("fuse_wait_on_page_writeback", M::FuseRequest, "5.10, 6.1, 6.12"),
    ("fuse_wait_on_folio_writeback", M::FuseRequest, "6.12"),
    ("fuse_direct_IO", M::FuseRequest, "5.10, 6.1, 6.18"),
    ("fuse_sync_fs", M::FuseRequest, "6.1, 6.18"),
    ("fuse_lookup", M::FuseCode, "5.10, 6.1, 6.18"),
    ("fuse_flush", M::FuseCode, "5.10, 6.1, 6.18"),
    ("fuse_fsync", M::FuseCode, "5.10, 6.1, 6.18"),
    ("fuse_file_read_iter", M::FuseCode, "5.10, 6.1, 6.18"),
    ("fuse_file_write_iter", M::FuseCode, "5.10, 6.1, 6.18"),
    ("fuse_cache_read_iter", M::FuseCode, "5.10, 6.1, 6.18"),
    ("fuse_cache_write_iter", M::FuseCode, "5.10, 6.1, 6.18"),
    ("fuse_file_mmap", M::FuseCode, "5.10, 6.1, 6.18"),
    ("fuse_page_mkwrite", M::FuseCode, "5.10, 6.1, 6.18"),
    // mm/filemap.c, mm/page-writeback.c, fs/dcache.c
    ("folio_wait_bit_common", M::SharedFetch, "6.1, 6.12, 6.18"),
    ("wait_on_page_bit_common", M::SharedFetch, "5.10"),
    ("folio_wait_bit", M::SharedFetch, "6.1, 6.18"),
    ("folio_wait_writeback", M::SharedFetch, "6.1, 6.18"),
    ("wait_on_page_bit", M::SharedFetch, "5.10"),
    ("d_alloc_parallel", M::SharedFetch, "5.10, 6.1, 6.18"),
    // kernel/locking/percpu-rwsem.c
    ("percpu_rwsem_wait", M::PercpuRead, "5.10, 6.1, 6.12, 6.18, 7.3"),
    ("__percpu_down_read", M::PercpuRead, "5.10, 6.1, 6.12, 6.18, 7.3"),
    // mm/filemap.c, mm/page-writeback.c, mm/memory.c
    ("folio_wait_bit_common", M::PageWait, "6.1, 6.12, 6.18"),
    ("folio_wait_bit", M::PageWait, "6.1, 6.18"),
    ("folio_wait_bit_killable", M::PageWait, "6.18"),
    ("folio_wait_writeback", M::PageWait, "6.1, 6.18"),
    ("folio_wait_stable", M::PageWait, "6.18"),
    ("__folio_lock", M::PageWait, "6.1, 6.18"),
    ("__folio_lock_killable", M::PageWait, "6.1, 6.18"),
    ("__folio_lock_or_retry", M::PageWait, "6.1, 6.18"),
    ("folio_put_wait_locked", M::PageWait, "6.1, 6.18"),
    ("wait_on_page_bit_common", M::PageWait, "5.10"),
    ("wait_on_page_bit", M::PageWait, "5.10"),
    ("inode_dio_wait", M::PageWait, "6.1, 6.12, 6.18"),
    ("__lock_page", M::PageWait, "5.10"),
    ("__lock_page_killable", M::PageWait, "5.10"),
    // block/bio.c, block/fops.c, fs/direct-io.c, fs/iomap/direct-io.c
    ("submit_bio_wait", M::BlockWait, "5.10, 6.1, 6.18"),
    ("bio_await", M::BlockWait, "7.x"),
    ("blk_wait_io", M::BlockWait, "6.6, 6.12"),
    ("blk_io_schedule", M::BlockWait, "5.10, 6.1"),
    ("__blkdev_direct_IO", M::BlockWait, "5.10, 6.1, 6.18"),
    ("__blkdev_direct_IO_simple", M::BlockWait, "5.10, 6.1, 6.18"),
    ("__blockdev_direct_IO", M::BlockWait, "5.10, 6.1, 6.18"),
    ("do_blockdev_direct_IO", M::BlockWait, "5.10"),
    ("__iomap_dio_rw", M::BlockWait, "5.10, 6.1, 6.18"),
    ("iomap_dio_rw", M::BlockWait, "5.10, 6.1, 6.18"),
    ("blkdev_issue_flush", M::BlockFlush, "5.10, 6.1, 6.18"),
    ("blkdev_issue_discard", M::BlockWait, "5.10, 6.1, 6.18"),
    ("blkdev_issue_zeroout", M::BlockWait, "5.10, 6.1, 6.18"),
    // block/blk-mq-tag.c, blk-core.c, blk-wbt.c, blk-rq-qos.c: before the device has the request
    ("blk_mq_get_tag", M::BlockWait, "5.10, 6.1, 6.18"),
    ("blk_queue_enter", M::BlockWait, "5.10, 6.1, 6.18"),
    ("__bio_queue_enter", M::BlockWait, "6.1, 6.18"),
    ("blk_mq_freeze_queue_wait", M::BlockWait, "5.10, 6.1, 6.18"),
    ("wbt_wait", M::BlockWait, "5.10, 6.1, 6.18"),
    ("rq_qos_wait", M::BlockWait, "5.10, 6.1, 6.18"),
    // fs/buffer.c, fs/jbd2
    ("__wait_on_buffer", M::BlockWait, "5.10, 6.1, 6.18"),
    ("__bread_gfp", M::BlockWait, "5.10, 6.1, 6.18"),
    ("bh_read", M::BlockWait, "6.1, 6.18"),
    ("__bh_read", M::BlockWait, "6.1, 6.18"),
    ("__sync_dirty_buffer", M::BlockWait, "5.10, 6.1, 6.18"),
    ("ext4_read_bh", M::BlockWait, "6.1, 6.18"),
    ("jbd2_log_wait_commit", M::BlockWait, "5.10, 6.1, 6.18"),
    ("wait_transaction_locked", M::BlockWait, "5.10, 6.1, 6.18"),
    ("add_transaction_credits", M::BlockWait, "5.10, 6.1, 6.18"),
    ("do_get_write_access", M::BlockWait, "5.10, 6.1, 6.18"),
    ("jbd2_journal_commit_transaction", M::BlockWait, "5.10, 6.1, 6.18"),
    // fs/xfs, fs/btrfs
    ("xfs_buf_iowait", M::BlockWait, "5.10, 6.1, 6.18"),
    ("xfs_log_force", M::BlockWait, "5.10, 6.1, 6.18"),
    ("xfs_log_force_seq", M::BlockWait, "6.1, 6.18"),
    ("xlog_wait_on_iclog", M::BlockWait, "6.1, 6.18"),
    ("xlog_force_lsn", M::BlockWait, "6.1, 6.18"),
    ("xlog_grant_head_wait", M::BlockWait, "5.10, 6.1, 6.18"),
    ("read_extent_buffer_pages", M::BlockWait, "6.1, 6.18"),
    ("btrfs_wait_ordered_range", M::BlockWait, "5.10, 6.1, 6.18"),
    ("btrfs_start_ordered_extent", M::BlockWait, "5.10, 6.1, 6.18"),
    ("btrfs_wait_for_commit", M::BlockWait, "5.10, 6.1, 6.18"),
    ("write_all_supers", M::BlockWait, "5.10, 6.1, 6.18"),
    // fs/fs-writeback.c: the flusher's work, done by a kernel thread, of any filesystem
    ("wb_wait_for_completion", M::WritebackWait, "5.10, 6.1, 6.18"),
    ("wb_wait_for_completion", M::SharedFetch, "5.10, 6.1, 6.18"),
    ("sync_inodes_sb", M::WritebackWait, "5.10, 6.1, 6.18"),
    ("sync_inodes_sb", M::SharedFetch, "5.10, 6.1, 6.18"),
    ("__writeback_inodes_sb_nr", M::WritebackWait, "5.10, 6.1, 6.18"),
    ("__writeback_inodes_sb_nr", M::SharedFetch, "5.10, 6.1, 6.18"),
    ("inode_wait_for_writeback", M::WritebackWait, "5.10, 6.1, 6.18"),
    ("inode_wait_for_writeback", M::SharedFetch, "5.10, 6.1, 6.18"),
    // mm/page_io.c, drivers/md
    ("swap_readpage", M::BlockWait, "5.10, 6.1"),
    ("swap_read_folio", M::BlockWait, "6.12, 6.18"),
    ("md_write_start", M::BlockWait, "5.10, 6.1, 6.18"),
    ("raid5_make_request", M::BlockWait, "5.10, 6.1, 6.18"),
    ("wait_barrier", M::BlockWait, "5.10, 6.1, 6.18"),
    // block/blk-iocost.c, blk-iolatency.c, blk-cgroup.c: on the way to user space too
    ("ioc_rqos_throttle", M::IoLimitWait, "5.10, 6.1, 6.18"),
    ("blkcg_iolatency_throttle", M::IoLimitWait, "5.10, 6.1, 6.18"),
    ("blkcg_maybe_throttle_current", M::IoLimitWait, "5.10, 6.1, 6.18"),
    // mm/page-writeback.c
    ("balance_dirty_pages", M::SharedFetch, "5.10, 6.1, 6.18"),
    ("balance_dirty_pages", M::DirtyThrottle, "5.10, 6.1, 6.18"),
    ("balance_dirty_pages_ratelimited", M::DirtyThrottle, "5.10, 6.1, 6.18"),
    ("balance_dirty_pages_ratelimited_flags", M::DirtyThrottle, "6.1, 6.18"),
    // drivers/block/loop.c
    ("loop_process_work", M::LoopWork, "6.1, 6.18"),
    ("loop_workfn", M::LoopWork, "6.1, 6.18"),
    ("loop_rootcg_workfn", M::LoopWork, "6.1, 6.18"),
    ("loop_queue_work", M::LoopWork, "5.10"),
    // net/sunrpc/sched.c, fs/nfs
    ("rpc_wait_bit_killable", M::NfsWait, "5.10, 6.1, 6.18"),
    ("__rpc_execute", M::NfsWait, "5.10, 6.1, 6.18"),
    ("rpc_wait_for_completion_task", M::NfsWait, "5.10, 6.1, 6.18"),
    ("nfs_wait_bit_killable", M::NfsWait, "5.10, 6.1, 6.18"),
    ("nfs_wait_client_init_complete", M::NfsWait, "5.10, 6.1, 6.18"),
    ("nfs_wait_on_request", M::NfsWait, "5.10, 6.1, 6.18"),
    ("nfs_file_direct_read", M::NfsWait, "5.10, 6.1, 6.18"),
    ("nfs_file_direct_write", M::NfsWait, "5.10, 6.1, 6.18"),
    ("nfs_iocounter_wait", M::NfsWait, "5.10, 6.1, 6.18"),
    ("nfs4_delay", M::NfsWait, "6.1, 6.18"),
    ("nfs4_delay_killable", M::NfsWait, "6.1, 6.18"),
    ("nfs4_wait_clnt_recover", M::NfsWait, "5.10, 6.1, 6.18"),
    ("nfs3_rpc_wrapper", M::NfsWait, "5.10, 6.1, 6.18"),
    ("wait_on_commit", M::NfsWait, "5.10, 6.1, 6.18"),
    // fs/smb/client/transport.c
    ("wait_for_response", M::CifsWait, "5.10, 6.1, 6.18"),
    ("wait_for_free_credits", M::CifsWait, "5.10, 6.1, 6.18"),
    ("compound_send_recv", M::CifsWait, "5.10, 6.1, 6.18"),
    ("cifs_send_recv", M::CifsWait, "5.10, 6.1, 6.18"),
    ("smb2_reconnect", M::CifsWait, "5.10, 6.1, 6.18"),
    // fs/namespace.c, fs/super.c: SB_FREEZE_WRITE
    ("mnt_want_write", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("mnt_want_write_file", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("__sb_start_write", M::SuperblockWriter, "5.10"),
    ("vfs_write", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("vfs_iter_write", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("vfs_iocb_iter_write", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("do_iter_write", M::SuperblockWriter, "5.10, 6.1"),
    ("do_iter_readv_writev", M::SuperblockWriter, "6.12, 6.18"),
    ("vfs_writev", M::SuperblockWriter, "6.12, 6.18"),
    ("vfs_fallocate", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("vfs_copy_file_range", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("do_clone_file_range", M::SuperblockWriter, "5.10, 6.1"),
    ("vfs_clone_file_range", M::SuperblockWriter, "6.12, 6.18"),
    ("do_splice_from", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("do_splice_direct", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("iter_file_splice_write", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("do_sendfile", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("do_truncate", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("do_sys_ftruncate", M::SuperblockWriter, "5.10, 6.1"),
    ("do_ftruncate", M::SuperblockWriter, "6.12, 6.18"),
    ("vfs_fileattr_set", M::SuperblockWriter, "6.1, 6.18"),
    ("aio_write", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("io_write", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("do_open", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("do_coredump", M::SuperblockWriter, "5.10, 6.1"),
    ("dump_emit", M::SuperblockWriter, "6.1, 6.18"),
    // SB_FREEZE_PAGEFAULT
    ("filemap_page_mkwrite", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("ext4_page_mkwrite", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("btrfs_page_mkwrite", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("f2fs_vm_page_mkwrite", M::SuperblockWriter, "5.10, 6.1"),
    ("__xfs_filemap_fault", M::SuperblockWriter, "5.10, 6.1"),
    ("xfs_filemap_page_mkwrite", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("xfs_write_fault", M::SuperblockWriter, "6.12, 6.18"),
    ("ext4_dax_huge_fault", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("block_page_mkwrite", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    // SB_FREEZE_FS (sb_start_intwrite)
    ("ext4_evict_inode", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("xfs_trans_alloc", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("start_transaction", M::SuperblockWriter, "5.10, 6.1, 6.18"),
    ("f2fs_evict_inode", M::SuperblockWriter, "5.10, 6.1"),
    // fs/super.c, fs/ext4
    ("freeze_super", M::SuperblockWait, "5.10, 6.1, 6.18"),
    ("wait_for_partially_frozen", M::SuperblockWait, "6.12, 6.18"),
    // fs/userfaultfd.c
    ("handle_userfault", M::Userfault, "5.10, 6.1, 6.12, 6.18, 7.3"),
    // kernel/seccomp.c; where the compiler put the first into the second, nothing else sleeps there
    ("seccomp_do_user_notification", M::SeccompNotify, "6.18"),
    ("__seccomp_filter", M::SeccompNotify, "6.18"),
    // fs/notify/fanotify/fanotify.c: the first is part of the second in some builds
    ("fanotify_get_response", M::FanotifyPermission, "6.18"),
    ("fanotify_handle_event", M::FanotifyPermission, "6.18"),
    // fs/autofs/waitq.c
    ("autofs_wait", M::AutofsWait, "6.18"),
    // kernel/umh.c, kernel/module/kmod.c (waits for one of a few slots), security/keys/request_key.c
    ("call_usermodehelper_exec", M::HelperWait, "6.18"),
    ("call_usermodehelper_exec", M::HelperStart, "6.18"),
    ("__request_module", M::HelperWait, "6.18"),
    ("wait_for_key_construction", M::HelperWait, "6.18"),
    ("wait_for_key_construction", M::KeyRequest, "6.18"),
    ("call_sbin_request_key", M::KeyRequest, "6.18"),
    ("request_key_and_link", M::KeyRequest, "6.18"),
    ("__request_module", M::ModuleRequest, "6.18"),
    ("vfs_coredump", M::CoreDump, "6.18"),
    ("do_coredump", M::CoreDump, "5.10, 6.1"),
    // kernel/locking: __sched, so only samples (and unwinders that do not hide them) show these
    ("__mutex_lock", M::LockSlowPath, "5.10, 6.1, 6.18"),
    ("__mutex_lock_slowpath", M::LockSlowPath, "5.10, 6.1, 6.18"),
    ("__mutex_lock_killable_slowpath", M::LockSlowPath, "5.10, 6.1, 6.18"),
    ("__mutex_lock_interruptible_slowpath", M::LockSlowPath, "5.10, 6.1, 6.18"),
    ("rwsem_down_read_slowpath", M::LockSlowPath, "5.10, 6.1, 6.18"),
    ("rwsem_down_write_slowpath", M::LockSlowPath, "5.10, 6.1, 6.18"),
    ("__down", M::LockSlowPath, "5.10, 6.1, 6.18"),
    ("__down_common", M::LockSlowPath, "6.1, 6.18"),
    ("__down_killable", M::LockSlowPath, "5.10, 6.1, 6.18"),
    ("__down_timeout", M::LockSlowPath, "5.10, 6.1, 6.18"),
    ("rt_mutex_slowlock_block", M::LockSlowPath, "6.1, 6.18"),
    // include/linux/mmap_lock.h, mm/mmap_lock.c: waits for readers of a VMA; the lock has no owner word
    ("__vma_start_write", M::LockSlowPath, "6.6, 6.12, 6.18"),
    ("__vma_enter_locked", M::LockSlowPath, "6.18"),
    // fs/namei.c, fs/readdir.c: the directory's i_rwsem
    ("walk_component", M::LockCaller, "6.18"),
    ("lookup_slow", M::LockCaller, "5.10, 6.1"),
    ("path_openat", M::LockCaller, "6.18"),
    ("filename_create", M::LockCaller, "6.1, 6.18"),
    ("do_unlinkat", M::LockCaller, "5.10, 6.1, 6.18"),
    ("do_rmdir", M::LockCaller, "5.10, 6.1, 6.18"),
    ("lock_rename", M::LockCaller, "5.10, 6.1, 6.18"),
    ("iterate_dir", M::LockCaller, "5.10, 6.1, 6.18"),
    // the mmap lock
    ("lock_mm_and_find_vma", M::LockCaller, "6.6, 6.12, 6.18"),
    ("vm_mmap_pgoff", M::LockCaller, "5.10, 6.1, 6.18"),
    ("__vm_munmap", M::LockCaller, "5.10, 6.1, 6.18"),
    ("do_mprotect_pkey", M::LockCaller, "5.10, 6.1, 6.18"),
    ("do_madvise", M::LockCaller, "5.10, 6.1, 6.18"),
    // mm/memcontrol-v1.c, mm/memcontrol.c: seen by run on 6.18
    ("mem_cgroup_oom_synchronize", M::OomWait, "6.18"),
    // fs/exec.c: seen by run on 6.18, where de_thread is inlined
    ("begin_new_exec", M::ExecWait, "6.18"),
    ("de_thread", M::ExecWait, "6.18"),
    // kernel/signal.c: seen by run on 6.18
    ("ptrace_stop", M::TraceStop, "6.18"),
    // kernel/exit.c
    // inlined into do_exit on 6.18; a dying thread sleeps idly nowhere else
    ("coredump_task_exit", M::CoredumpThread, "6.18"),
    ("do_exit", M::CoredumpThread, "6.18"),
    // kernel/freezer.c, kernel/signal.c
    ("__refrigerator", M::Refrigerator, "5.10, 6.1, 6.12, 6.18, 7.3"),
    ("do_freezer_trap", M::FrozenTrap, "5.10, 6.1"),
    ("get_signal", M::FrozenTrap, "6.12, 6.18"),
    // kernel/fork.c, wait_for_vfork_done (inlined into kernel_clone)
    ("kernel_clone", M::VforkWait, "5.10, 6.1, 6.12, 6.18"),
    ("wait_for_vfork_done", M::VforkWait, "5.10, 6.1"),
    // TASK_UNINTERRUPTIBLE or TASK_KILLABLE with TASK_FREEZABLE, 6.1 and newer; percpu_rwsem_wait for SB_FREEZE_WRITE only
    ("percpu_rwsem_wait", M::FreezableSleep, "6.12, 6.18, 7.3"),
    ("kernel_clone", M::FreezableSleep, "6.1, 6.12, 6.18"),
    ("wait_for_vfork_done", M::FreezableSleep, "6.1"),
    ("coredump_wait", M::FreezableSleep, "6.1, 6.18"),
    ("vfs_coredump", M::FreezableSleep, "6.18"),
    ("call_usermodehelper_exec", M::FreezableSleep, "6.1, 6.18"),
    ("fanotify_get_response", M::FreezableSleep, "6.18"),
    ("fanotify_handle_event", M::FreezableSleep, "6.18"),
    ("rpc_wait_bit_killable", M::FreezableSleep, "6.1, 6.18"),
    ("nfs_wait_bit_killable", M::FreezableSleep, "6.1, 6.18"),
    ("nfs4_delay", M::FreezableSleep, "6.1, 6.18"),
    ("nfs4_delay_killable", M::FreezableSleep, "6.1, 6.18"),
    ("wait_for_response", M::FreezableSleep, "6.1, 6.18"),
];

/// Whether a frame's function has this meaning.
#[must_use]
pub fn means(frame: &str, mechanism: Mechanism) -> bool {
    let Some(name) = function::plain(frame.as_bytes()) else { return false };
    TABLE.iter().any(|(function, meaning, _)| *meaning == mechanism && *function == name)
}

/// Index of the innermost frame with this meaning.
#[must_use]
pub fn position(stack: &[String], mechanism: Mechanism) -> Option<usize> {
    stack.iter().position(|frame| means(frame, mechanism))
}

/// Whether any frame has this meaning.
#[must_use]
pub fn contains(stack: &[String], mechanism: Mechanism) -> bool {
    position(stack, mechanism).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_suffixes_offsets_and_modules_do_not_hide_a_function() {
        for frame in [
            "handle_userfault",
            "handle_userfault.isra.0",
            "handle_userfault.constprop.0+0x12/0x30",
            "handle_userfault+0x1/0x2 [mm]",
            "handle_userfault.part.0.cold",
        ] {
            assert!(means(frame, Mechanism::Userfault), "{frame}");
        }
    }

    #[test]
    fn a_longer_name_is_another_function() {
        assert!(!means("handle_userfault_work", Mechanism::Userfault));
        assert!(!means("my_request_wait_answer", Mechanism::FuseRequest));
    }
}
