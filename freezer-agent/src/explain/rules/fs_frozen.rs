//! `fs-frozen`: the task writes to a filesystem that FIFREEZE froze.
//!
//! What happens: `fsfreeze -f`, a snapshot tool or a hypervisor's guest agent froze the filesystem; every writer then
//! sleeps uninterruptibly in the superblock's write protection until the filesystem is thawed, deaf to every signal.
//!
//! Confirm by hand: `cat /proc/TID/stack` shows `percpu_rwsem_wait` beneath `mnt_want_write`, `vfs_write` or a
//! `page_mkwrite` function. No file in /proc says that a filesystem is frozen.
//!
//! Release: `fsfreeze -u MOUNT`, by whoever froze it where a snapshot is running.
//!
//! Cost: none to the data; a snapshot in progress becomes worthless when it is thawed under it.
//!
//! Kernels: all. v1 on 6.12 and newer freezes writers in place (plain writes, not page faults), so there this blocks v2
//! freezes most of the time.
//!
//! Source: `fs/super.c`, `freeze_super`; `include/linux/fs.h`, `__sb_start_write`;
//! `kernel/locking/percpu-rwsem.c`, `percpu_rwsem_wait`.

use super::super::case::{Case, Finding};
use super::super::facts::MountFacts;
use super::super::functions::{self, Mechanism};
use super::super::{Cause, Certainty};
use super::files;

/// Frames above the wait that may name the user of the semaphore: inlining moves it by one or two.
const NEAR: usize = 3;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    if !case.uninterruptible() || !waits_to_write(&case.task().stack) {
        return None;
    }
    let frozen = files::mount_where(case, |mount| mount.fs_frozen == Some(true));
    let (mount, certainty) = frozen
        .or_else(|| files::mapped_where(case, |file| file.written_through && may_be_frozen(&file.mount)))
        .or_else(|| files::mount_where(case, may_be_frozen))
        .unzip();
    let Some(mount) = mount else {
        return Some(Finding::new(
            Cause::FsFrozen,
            Certainty::Likely,
            "waits to write to a frozen filesystem that could not be told",
            "find the frozen filesystem among those it writes to and thaw it: `fsfreeze -u MOUNT`",
        ));
    };
    let mut finding = Finding::new(
        Cause::FsFrozen,
        certainty.unwrap_or(Certainty::Likely),
        format!("waits to write to {} ({}), frozen by FIFREEZE", mount.path, mount.fstype),
        release(mount),
    );
    finding.waits_for.push(files::step(mount));
    Some(finding)
}

/// A per-CPU rwsem's reader whose caller is a superblock's writer: `cgroup_threadgroup_rwsem` and others do not count.
pub(super) fn waits_to_write(stack: &[String]) -> bool {
    if stack.first().is_some_and(|frame| functions::means(frame, Mechanism::SuperblockWait)) {
        return true;
    }
    let reads = |frame: &&String| functions::means(frame, Mechanism::PercpuRead);
    if !stack.first().is_some_and(|frame| reads(&frame)) {
        return false;
    }
    stack
        .iter()
        .skip_while(reads)
        .take(NEAR)
        .any(|frame| functions::means(frame, Mechanism::SuperblockWriter))
}

fn may_be_frozen(mount: &MountFacts) -> bool {
    mount.fs_frozen != Some(false)
}

pub(super) fn release(mount: &MountFacts) -> String {
    format!("`fsfreeze -u {}`, once whoever froze it (a snapshot, a backup) is done", quoted(mount))
}

/// The mount point as a shell takes it.
fn quoted(mount: &MountFacts) -> String {
    let path = mount.path.to_string();
    if path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+:@%".contains(&b)) {
        path
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}
