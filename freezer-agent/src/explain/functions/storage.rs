//! Pages and block devices, and what stands between a task and them.

use super::{IN_SOURCE, Mechanism as M, Part, part};

pub(super) const PARTS: &[Part] = &[
    part(
        "",
        &[
            // mm/filemap.c, mm/page-writeback.c, fs/dcache.c
            ("folio_wait_bit_common", M::SharedFetch, "6.1, 6.12, 6.18, 7.3"),
            ("wait_on_page_bit_common", M::SharedFetch, "5.10"),
            ("folio_wait_bit", M::SharedFetch, "6.1, 6.12, 6.18, 7.3"),
            ("folio_wait_writeback", M::SharedFetch, "6.1, 6.12, 6.18, 7.3"),
            ("folio_wait_bit_killable", M::SharedFetch, "6.1, 6.12, 6.18, 7.3"),
            ("__folio_lock", M::SharedFetch, "6.1, 6.12, 6.18, 7.3"),
            ("__folio_lock_killable", M::SharedFetch, "6.1, 6.12, 6.18, 7.3"),
            ("__folio_lock_or_retry", M::SharedFetch, "6.1, 6.12, 6.18, 7.3"),
            ("wait_on_page_bit", M::SharedFetch, "5.10"),
            ("__lock_page", M::SharedFetch, "5.10"),
            ("__lock_page_killable", M::SharedFetch, "5.10"),
            ("d_alloc_parallel", M::SharedFetch, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("folio_wait_bit_common", M::PageWait, "6.1, 6.12, 6.18, 7.3"),
            ("folio_wait_bit", M::PageWait, "6.1, 6.12, 6.18, 7.3"),
            ("folio_wait_bit_killable", M::PageWait, "6.1, 6.12, 6.18, 7.3"),
            ("folio_wait_writeback", M::PageWait, "6.1, 6.12, 6.18, 7.3"),
            ("folio_wait_stable", M::PageWait, "6.1, 6.12, 6.18, 7.3"),
            ("__folio_lock", M::PageWait, "6.1, 6.12, 6.18, 7.3"),
            ("__folio_lock_killable", M::PageWait, "6.1, 6.12, 6.18, 7.3"),
            ("__folio_lock_or_retry", M::PageWait, "6.1, 6.12, 6.18, 7.3"),
            ("wait_on_page_bit_common", M::PageWait, "5.10"),
            ("wait_on_page_bit", M::PageWait, "5.10"),
            ("__lock_page", M::PageWait, "5.10"),
            ("__lock_page_killable", M::PageWait, "5.10"),
            // fs/inode.c
            ("inode_dio_wait", M::PageWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            // mm/memory.c, mm/filemap.c
            ("do_fault", M::FileFault, "6.1, 6.12, 6.18, 7.3"),
            ("__do_fault", M::FileFault, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("do_page_mkwrite", M::FileFault, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("filemap_fault", M::FileFault, "5.10, 6.1, 6.12, 6.18, 7.3"),
            // block/bio.c, block/fops.c, fs/direct-io.c, fs/iomap/direct-io.c
            ("submit_bio_wait", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("bio_await", M::BlockWait, "7.3"),
            ("blk_io_schedule", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("__blkdev_direct_IO", M::BlockWait, "6.1"),
            ("__blkdev_direct_IO_simple", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("__blockdev_direct_IO", M::BlockWait, "5.10, 6.1, 6.12, 7.3"),
            ("do_blockdev_direct_IO", M::BlockWait, "5.10"),
            ("__iomap_dio_rw", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("iomap_dio_rw", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("blkdev_issue_discard", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("blkdev_issue_zeroout", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            // block/blk-flush.c
            ("blkdev_issue_flush", M::BlockFlush, "5.10, 6.1, 6.12, 6.18, 7.3"),
            // block/blk-mq-tag.c, blk-mq.c, blk-core.c, blk-wbt.c, blk-rq-qos.c: before the device has the request
            ("blk_mq_get_tag", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("blk_queue_enter", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("__bio_queue_enter", M::BlockWait, "6.1, 6.12, 6.18, 7.3"),
            ("blk_mq_freeze_queue_wait", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("wbt_wait", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("rq_qos_wait", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            // fs/buffer.c, fs/ext4, fs/jbd2
            ("__wait_on_buffer", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("__bread_gfp", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("__bh_read", M::BlockWait, "6.1, 6.12, 6.18, 7.3"),
            ("__sync_dirty_buffer", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("ext4_read_bh", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("jbd2_log_wait_commit", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("wait_transaction_locked", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("add_transaction_credits", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("do_get_write_access", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("jbd2_journal_commit_transaction", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            // mm/page_io.c
            ("swap_readpage", M::BlockWait, "5.10, 6.1"),
            ("swap_read_folio", M::BlockWait, "6.12, 6.18, 7.3"),
            // fs/fs-writeback.c: the flusher's work, done by a kernel thread, of any filesystem
            ("wb_wait_for_completion", M::WritebackWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("sync_inodes_sb", M::WritebackWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("__writeback_inodes_sb_nr", M::WritebackWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("inode_wait_for_writeback", M::WritebackWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("wb_wait_for_completion", M::SharedFetch, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("sync_inodes_sb", M::SharedFetch, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("__writeback_inodes_sb_nr", M::SharedFetch, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("inode_wait_for_writeback", M::SharedFetch, "5.10, 6.1, 6.12, 6.18, 7.3"),
            // block/blk-iocost.c, blk-iolatency.c (CONFIG_BLK_CGROUP_IOLATENCY), blk-cgroup.c: on the way to user space too
            ("ioc_rqos_throttle", M::IoLimitWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("blkcg_iolatency_throttle", M::IoLimitWait, IN_SOURCE),
            ("blkcg_maybe_throttle_current", M::IoLimitWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            // mm/page-writeback.c
            ("balance_dirty_pages", M::SharedFetch, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("balance_dirty_pages", M::DirtyThrottle, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("balance_dirty_pages_ratelimited", M::DirtyThrottle, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("balance_dirty_pages_ratelimited_flags", M::DirtyThrottle, "6.1, 6.12, 6.18, 7.3"),
        ],
    ),
    part(
        "xfs",
        &[
            // fs/xfs; where xfs_buf_iowait is inlined, __xfs_buf_submit waits
            ("xfs_buf_iowait", M::BlockWait, "5.10, 6.1, 6.18, 7.3"),
            ("__xfs_buf_submit", M::BlockWait, "5.10, 6.1, 6.12"),
            ("xfs_log_force", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("xfs_log_force_seq", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("xlog_wait_on_iclog", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("xlog_force_lsn", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("xlog_grant_head_wait", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ],
    ),
    part(
        "btrfs",
        &[
            // fs/btrfs
            ("read_extent_buffer_pages", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("btrfs_wait_ordered_range", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("btrfs_start_ordered_extent", M::BlockWait, "5.10, 6.1, 6.12"),
            ("btrfs_start_ordered_extent_nowriteback", M::BlockWait, "6.18, 7.3"),
            ("btrfs_wait_for_commit", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("wait_for_commit", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("wait_current_trans", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("write_all_supers", M::BlockWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ],
    ),
    part(
        "md_mod",
        &[
            // drivers/md
            ("md_write_start", M::BlockWait, "5.10, 6.1, 6.12, 7.3"),
        ],
    ),
    part(
        "raid1",
        &[
            ("_wait_barrier", M::BlockWait, "5.10, 6.1, 6.12, 7.3"),
            ("wait_read_barrier", M::BlockWait, "5.10, 6.1"),
        ],
    ),
    part("raid10", &[("wait_barrier", M::BlockWait, "5.10, 6.1, 6.12, 7.3")]),
    part("raid456", &[("raid5_make_request", M::BlockWait, "5.10, 6.1, 6.12, 7.3")]),
    part(
        "loop",
        &[
            // drivers/block/loop.c
            ("loop_process_work", M::LoopWork, "6.1, 6.12, 6.18, 7.3"),
            ("loop_workfn", M::LoopWork, "6.1, 6.12, 6.18, 7.3"),
            ("loop_rootcg_workfn", M::LoopWork, "6.1, 6.12, 6.18, 7.3"),
            ("loop_queue_work", M::LoopWork, "5.10"),
        ],
    ),
];
