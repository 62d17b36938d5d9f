//! NFS and CIFS.

use super::{IN_SOURCE, Mechanism as M, Part, part};

pub(super) const PARTS: &[Part] = &[
    part(
        "sunrpc",
        &[
            // net/sunrpc/sched.c
            ("rpc_wait_bit_killable", M::NfsWait, "5.10, 6.1, 6.12, 7.3"),
            ("__rpc_execute", M::NfsWait, "5.10, 6.1, 6.12, 7.3"),
            ("rpc_wait_for_completion_task", M::NfsWait, "6.1, 6.12, 7.3"),
            ("__rpc_wait_for_completion_task", M::NfsWait, "5.10"),
        ],
    ),
    part(
        "nfs",
        &[
            // fs/nfs
            ("nfs_wait_bit_killable", M::NfsWait, "5.10, 6.1, 6.12, 7.3"),
            ("nfs_wait_client_init_complete", M::NfsWait, "5.10, 6.1, 6.12, 7.3"),
            ("nfs_wait_on_request", M::NfsWait, "5.10, 6.1, 6.12, 7.3"),
            ("nfs_file_direct_read", M::NfsWait, "5.10, 6.1, 6.12, 7.3"),
            ("nfs_file_direct_write", M::NfsWait, "5.10, 6.1, 6.12, 7.3"),
            ("nfs_iocounter_wait", M::NfsWait, "5.10, 6.1, 6.12, 7.3"),
            ("wait_on_commit", M::NfsWait, "5.10, 6.1, 6.12, 7.3"),
        ],
    ),
    part(
        "nfsv3",
        &[
            // fs/nfs/nfs3proc.c: sleeps itself while the server asks for patience
            ("nfs3_rpc_wrapper", M::NfsWait, "5.10, 6.1, 6.12, 7.3"),
        ],
    ),
    part(
        "nfsv4",
        &[
            // fs/nfs/nfs4proc.c, nfs4state.c; all builds have nfs4_delay and nfs4_delay_killable in nfs4_handle_exception
            ("nfs4_handle_exception", M::NfsWait, "5.10, 6.1, 6.12, 7.3"),
            ("nfs4_delay", M::NfsWait, IN_SOURCE),
            ("nfs4_delay_killable", M::NfsWait, IN_SOURCE),
            ("nfs4_wait_clnt_recover", M::NfsWait, "5.10, 6.1, 6.12, 7.3"),
        ],
    ),
    part(
        "cifs",
        &[
            // fs/smb/client (fs/cifs in 5.10): transport.c; inode.c, where another task fetches the file; smb2ops.c, smb2pdu.c
            ("wait_for_response", M::CifsWait, "5.10, 6.1, 6.12, 7.3"),
            ("wait_for_free_credits", M::CifsWait, "5.10, 6.1, 6.12, 7.3"),
            ("compound_send_recv", M::CifsWait, "5.10, 6.1, 6.12, 7.3"),
            ("cifs_send_recv", M::CifsWait, "5.10, 6.1, 6.12, 7.3"),
            ("cifs_wait_bit_killable", M::CifsWait, "5.10, 6.1, 6.12, 7.3"),
            ("smb2_wait_mtu_credits", M::CifsWait, "5.10, 6.1, 6.12, 7.3"),
            ("smb2_reconnect", M::CifsWait, "5.10, 6.1, 6.12, 7.3"),
            // file.c: reads and writes past the page cache, before netfs took them over
            ("__cifs_readv", M::CifsWait, "5.10, 6.1"),
            ("__cifs_writev", M::CifsWait, "5.10, 6.1"),
        ],
    ),
    part(
        "netfs",
        &[
            // fs/netfs: buffered and direct transfers of CIFS and other network filesystems; the file tells whose
            ("netfs_wait_for_read", M::PageWait, "6.12, 7.3"),
            ("netfs_wait_for_write", M::PageWait, "7.3"),
            ("netfs_wait_for_in_progress_stream", M::PageWait, "7.3"),
            ("netfs_wait_for_paused_read", M::PageWait, "7.3"),
            ("netfs_wait_for_paused_write", M::PageWait, "7.3"),
            ("netfs_wait_for_pause", M::PageWait, "7.3"),
            ("netfs_unbuffered_read_iter_locked", M::PageWait, "6.12, 7.3"),
            ("netfs_unbuffered_write", M::PageWait, "6.12, 7.3"),
            ("netfs_unbuffered_write_iter_locked", M::PageWait, "6.12, 7.3"),
        ],
    ),
];
