//! Programs of user space that the kernel asks and waits for.

use super::{IN_SOURCE, Mechanism as M, Part, part};

pub(super) const PARTS: &[Part] = &[
    part(
        "",
        &[
            // fs/userfaultfd.c
            ("handle_userfault", M::Userfault, "5.10, 6.1, 6.12, 6.18, 7.3"),
            // mm/process_vm_access.c, mm/memory.c
            ("process_vm_rw", M::OthersMemory, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("access_remote_vm", M::OthersMemory, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("__access_remote_vm", M::OthersMemory, "5.10, 6.1, 6.12, 6.18, 7.3"),
            // kernel/seccomp.c; where the compiler put the first into the second, nothing else sleeps there
            ("seccomp_do_user_notification", M::SeccompNotify, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("__seccomp_filter", M::SeccompNotify, "5.10, 6.1, 6.12, 6.18, 7.3"),
            // fs/notify/fanotify/fanotify.c: the first is part of the second in all builds looked at
            ("fanotify_get_response", M::FanotifyPermission, IN_SOURCE),
            ("fanotify_handle_event", M::FanotifyPermission, "5.10, 6.1, 6.12, 6.18, 7.3"),
            // kernel/umh.c, kernel/module/kmod.c (waits for one of a few slots), security/keys/request_key.c
            ("call_usermodehelper_exec", M::HelperWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("__request_module", M::HelperWait, "5.10, 6.1, 6.12, 7.3"),
            ("wait_for_key_construction", M::HelperWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("call_usermodehelper_exec", M::HelperStart, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("wait_for_key_construction", M::KeyRequest, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("call_sbin_request_key", M::KeyRequest, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("request_key_and_link", M::KeyRequest, "5.10, 6.1, 6.12, 6.18, 7.3"),
            ("__request_module", M::ModuleRequest, "5.10, 6.1, 6.12, 7.3"),
            // fs/coredump.c
            ("vfs_coredump", M::CoreDump, "6.18, 7.3"),
            ("do_coredump", M::CoreDump, "5.10, 6.1, 6.12"),
        ],
    ),
    part(
        "autofs4",
        &[
            // fs/autofs/waitq.c
            ("autofs_wait", M::AutofsWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ],
    ),
];
