//! FUSE: `fs/fuse`, and `CONFIG_VIRTIO_FS` with it.

use super::{IN_SOURCE, Mechanism as M, Part, part};

pub(super) const PARTS: &[Part] = &[part(
    "fuse",
    &[
        // dev.c, req.c
        ("request_wait_answer", M::FuseRequest, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("fuse_get_req", M::FuseRequest, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("fuse_simple_request", M::FuseRequest, "5.10, 6.1"),
        ("__fuse_simple_request", M::FuseRequest, "6.12, 6.18, 7.3"),
        ("fuse_chan_send", M::FuseRequest, "7.3"),
        // file.c, inode.c, dir.c: wait for requests sent in the background; the folio's: 6.13 to 6.15
        ("fuse_set_nowrite", M::FuseRequest, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("fuse_wait_on_page_writeback", M::FuseRequest, "5.10, 6.1, 6.12"),
        ("fuse_wait_on_folio_writeback", M::FuseRequest, IN_SOURCE),
        ("fuse_direct_IO", M::FuseRequest, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("fuse_sync_fs", M::FuseRequest, "6.1, 6.12, 6.18, 7.3"),
        ("fuse_lookup", M::FuseCode, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("fuse_flush", M::FuseCode, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("fuse_fsync", M::FuseCode, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("fuse_file_read_iter", M::FuseCode, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("fuse_file_write_iter", M::FuseCode, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("fuse_file_mmap", M::FuseCode, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("fuse_page_mkwrite", M::FuseCode, "5.10, 6.1, 6.12, 6.18, 7.3"),
        // dev.c, a server's side
        ("fuse_dev_do_read", M::FuseServe, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("fuse_dev_read", M::FuseServe, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("fuse_dev_splice_read", M::FuseServe, "5.10, 6.1, 6.12, 6.18, 7.3"),
    ],
)];
