//! `fanotify-permission`: the task uses a file, and a fanotify listener has not allowed it yet.
//!
//! What happens: virus scanners and other monitors ask to be asked before files are opened, read or executed. The task
//! waits until the listener allows or denies, killable, deaf to every other signal.
//!
//! Confirm by hand: `cat /proc/TID/stack` shows `fanotify_handle_event`; `grep -l '^fanotify' /proc/*/fdinfo/*` finds
//! the listeners, and the lines there their marks: `mnt_id` is a mount's id in `/proc/TID/mountinfo`, `sdev` the
//! filesystem's device number, `ino` an inode number, `mask` has 10000 (open), 20000 (access), 40000 (execute) or 100000
//! (before access), all in hexadecimal.
//!
//! Release: let the listener answer (thaw it first if it is frozen). When it ends, everything it holds is allowed.
//!
//! Cost: none for thawing. Ending a scanner lets files through that it has not looked at.
//!
//! Kernels: all with `CONFIG_FANOTIFY_ACCESS_PERMISSIONS`. Where the wait is freezable (seen on 6.18) v1 freezes the
//! waiter in place, and only v2 is blocked.
//!
//! Source: `fs/notify/fanotify/fanotify.c`, `fanotify_get_response`, `fanotify_group_event_mask`;
//! `fs/notify/fdinfo.c`, `fanotify_fdinfo`.

use super::super::case::{Case, Finding};
use super::super::facts::{FanotifyListener, FanotifyMark, MarkedObject, UsedFile};
use super::super::functions::Mechanism;
use super::super::{Cause, Certainty};
use super::answer;

/// Bits of `linux/fanotify.h`.
const OPEN: u64 = 0x10000;
const ACCESS: u64 = 0x20000;
const OPEN_EXEC: u64 = 0x40000;
const PRE_ACCESS: u64 = 0x0010_0000;
const ON_CHILD: u64 = 0x0800_0000;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    if case.task().lock.is_some() || !case.asleep() || !case.innermost(Mechanism::FanotifyPermission) {
        return None;
    }
    let events = events(case);
    let file = case.details().and_then(|details| details.used_file);
    let asked: Vec<&FanotifyListener> =
        case.facts.fanotify.iter().filter(|listener| asks(listener, events, |_| Fit::Yes) == Fit::Yes).collect();
    let by_marks = |fit: Fit| {
        asked.iter().copied().filter(move |l| file.is_some_and(|file| asks(l, events, |m| on(m, &file)) == fit))
    };
    let covering: Vec<_> = by_marks(Fit::Yes).collect();
    let possible: Vec<_> = by_marks(Fit::Maybe).collect();
    let known = covering.len() == 1 && possible.is_empty();
    // Where no mark fits, the file is another one than its arguments tell: an interpreter, a library, a link's end.
    let listeners = if covering.is_empty() && possible.is_empty() { asked } else { [covering, possible].concat() };
    let owing = answer::owing(case, listeners.iter().flat_map(|listener| listener.holders.iter().copied()));
    let certain = known && file.is_some_and(|file| file.by_descriptor) && owing.sole().is_some();
    let target = case.files().first().map_or_else(|| "a file".to_owned(), |file| file.path.to_string());
    let mut finding = Finding::new(
        Cause::FanotifyPermission,
        if certain { Certainty::Certain } else { Certainty::Likely },
        format!("waits for leave to use {target} from {}", owing.told("a fanotify listener")),
        owing.release("listener", "when it ends, everything it holds is allowed"),
    );
    if listeners.len() > 1 {
        finding.notes.push(
            "several listeners have, or may have, marked that file: they are asked in turn, and the kernel does not tell \
             which one is silent"
                .to_owned(),
        );
    } else if owing.sole().is_some() && !known {
        finding.notes.push("the only listener there is; that it has marked the file could not be seen".to_owned());
    }
    finding.waits_for = owing.chain();
    Some(finding)
}

/// What the task may be asking leave for, by its system call.
fn events(case: &Case<'_>) -> u64 {
    let call = case.details().and_then(|details| details.syscall.as_ref());
    match call.map(|call| call.name.as_str()) {
        Some("open" | "openat" | "openat2" | "creat" | "open_by_handle_at") => OPEN | OPEN_EXEC | PRE_ACCESS,
        Some("read" | "pread64" | "readv" | "preadv" | "preadv2" | "getdents" | "getdents64" | "sendfile") => {
            ACCESS | PRE_ACCESS
        }
        // execve opens and reads; others read or fault.
        _ => OPEN | OPEN_EXEC | ACCESS | PRE_ACCESS,
    }
}

/// Whether a mark lies on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Yes,
    /// On some file of its filesystem.
    Maybe,
    No,
}

/// Whether a listener is asked: what its marks on the file ask for, less what they leave out
/// (`fanotify_group_event_mask`).
fn asks(listener: &FanotifyListener, events: u64, on: impl Fn(&FanotifyMark) -> Fit) -> Fit {
    let sum = |fits: &[Fit], bits: fn(&FanotifyMark) -> u64| {
        listener.marks.iter().filter(|mark| fits.contains(&on(mark))).fold(0, |all, mark| all | bits(mark))
    };
    let ignored = sum(&[Fit::Yes], |mark| mark.ignored);
    if sum(&[Fit::Yes], |mark| mark.events) & events & !ignored != 0 {
        Fit::Yes
    } else if sum(&[Fit::Yes, Fit::Maybe], |mark| mark.events) & events & !ignored != 0 {
        Fit::Maybe
    } else {
        Fit::No
    }
}

fn on(mark: &FanotifyMark, file: &UsedFile) -> Fit {
    match mark.on {
        MarkedObject::Mount(id) if id == file.mount => Fit::Yes,
        MarkedObject::Filesystem(major, minor) if (major, minor) == file.device => Fit::Yes,
        MarkedObject::Inode(inode, major, minor) if (major, minor) == file.device => match file.inode {
            None => Fit::Maybe,
            Some(own) if own == inode => Fit::Yes,
            Some(_) if mark.events & ON_CHILD == 0 => Fit::No,
            // On a directory, for what lies in it.
            Some(_) if file.parent == Some(inode) => Fit::Yes,
            Some(_) => if file.parent.is_none() { Fit::Maybe } else { Fit::No },
        },
        _ => Fit::No,
    }
}
