//! Where the freezers keep a task, and sleeps that v1 may freeze in place although they show `D`.
//!
//! Those are uninterruptible or killable and `TASK_FREEZABLE`, which is there since 6.1: the versions of a
//! `FreezableSleep` are those on which that sleep is freezable. Interruptible sleeps need no entry.

use super::{IN_SOURCE, Mechanism as M, Part, part};

pub(super) const PARTS: &[Part] = &[
    part(
        "",
        &[
            // kernel/freezer.c
            ("__refrigerator", M::Refrigerator, "5.10, 6.1, 6.12, 6.18, 7.3"),
            // kernel/signal.c; all builds have do_freezer_trap in get_signal
            ("do_freezer_trap", M::FrozenTrap, IN_SOURCE),
            ("get_signal", M::FrozenTrap, "5.10, 6.1, 6.12, 6.18, 7.3"),
            // kernel/fork.c
            ("kernel_clone", M::FreezableSleep, "6.1, 6.12, 6.18, 7.3"),
            ("wait_for_vfork_done", M::FreezableSleep, IN_SOURCE),
            // kernel/locking/percpu-rwsem.c, for the superblock's locks of all levels: since 6.16
            ("percpu_rwsem_wait", M::FreezableSleep, "6.18, 7.3"),
            // fs/coredump.c, coredump_wait, which all builds have in its caller
            ("coredump_wait", M::FreezableSleep, IN_SOURCE),
            ("do_coredump", M::FreezableSleep, "6.1, 6.12"),
            ("vfs_coredump", M::FreezableSleep, "6.18, 7.3"),
            // fs/notify/fanotify/fanotify.c: since 6.9
            ("fanotify_get_response", M::FreezableSleep, IN_SOURCE),
            ("fanotify_handle_event", M::FreezableSleep, "6.12, 6.18, 7.3"),
        ],
    ),
    part(
        "fuse",
        &[
            // fs/fuse/dev.c: since 6.18
            ("fuse_get_req", M::FreezableSleep, "6.18, 7.3"),
        ],
    ),
    part(
        "sunrpc",
        &[
            // net/sunrpc/sched.c
            ("rpc_wait_bit_killable", M::FreezableSleep, "6.1, 6.12, 7.3"),
        ],
    ),
    part(
        "nfs",
        &[
            // fs/nfs/inode.c
            ("nfs_wait_bit_killable", M::FreezableSleep, "6.1, 6.12, 7.3"),
        ],
    ),
    part("nfsv3", &[("nfs3_rpc_wrapper", M::FreezableSleep, "6.1, 6.12, 7.3")]),
    part(
        "nfsv4",
        &[
            ("nfs4_handle_exception", M::FreezableSleep, "6.1, 6.12, 7.3"),
            ("nfs4_delay", M::FreezableSleep, IN_SOURCE),
            ("nfs4_delay_killable", M::FreezableSleep, IN_SOURCE),
        ],
    ),
    part(
        "cifs",
        &[
            // fs/smb/client/transport.c, inode.c
            ("wait_for_response", M::FreezableSleep, "6.1, 6.12, 7.3"),
            ("cifs_wait_bit_killable", M::FreezableSleep, "6.1, 6.12, 7.3"),
        ],
    ),
];
