//! A fanotify listener that is asked for leave (fs/notify/fanotify, linux/fanotify.h).

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::super::job::after_ready;
use super::{asked, c_path, takes_time};
use crate::error::{Result, Tried as _};

/// What a listener wants to be asked about, and how it answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listener {
    /// Its marks.
    pub marks: Vec<Mark>,
    /// How long it takes to give leave, where it ever does.
    pub answer_after_ms: Option<u64>,
}

/// One mark.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mark {
    /// A path that it starts from.
    pub path: PathBuf,
    /// What is marked.
    pub place: Place,
    /// `FAN_OPEN_PERM`, ...
    pub events: u64,
}

/// What a mark covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// The file, or the directory itself.
    File,
    /// The mount that the path lies in.
    Mount,
    /// The whole filesystem.
    Filesystem,
}

/// `struct fanotify_event_metadata` without what it is not asked for: 24 bytes, the descriptor at 16.
const EVENT: usize = 24;

pub(super) fn listen(listener: &Listener) -> Result<()> {
    let group = group()?;
    for mark in &listener.marks {
        add(&group, mark)?;
    }
    after_ready(|| serve(File::from(group), listener.answer_after_ms))
}

fn group() -> Result<OwnedFd> {
    let flags = libc::FAN_CLASS_CONTENT | libc::FAN_CLOEXEC;
    // SAFETY: takes integers and gives a new descriptor.
    let number = unsafe { libc::fanotify_init(flags, (libc::O_RDONLY | libc::O_LARGEFILE).cast_unsigned()) };
    let number = Errno::result(number).tried("make", "a fanotify group")?;
    // SAFETY: the kernel has just given it to us.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

fn add(group: &OwnedFd, mark: &Mark) -> Result<()> {
    let path = c_path(&mark.path)?;
    let place = match mark.place {
        Place::File => libc::FAN_MARK_INODE,
        Place::Mount => libc::FAN_MARK_MOUNT,
        Place::Filesystem => libc::FAN_MARK_FILESYSTEM,
    };
    // SAFETY: the descriptor is open, the path ends with a NUL.
    let result = unsafe {
        libc::fanotify_mark(
            group.as_raw_fd(),
            libc::FAN_MARK_ADD | place,
            mark.events,
            libc::AT_FDCWD,
            path.as_ptr(),
        )
    };
    Errno::result(result).map(drop).tried("mark", Path::display(&mark.path))
}

/// One question at a time: the buffer has room for no second.
fn serve(mut group: File, answer_after_ms: Option<u64>) -> Result<()> {
    let mut held = Vec::new();
    loop {
        let mut event = [0; EVENT];
        match group.read(&mut event) {
            Ok(EVENT) => {}
            Err(error) if error.raw_os_error() == Some(Errno::EINTR as i32) => continue,
            other => other.map(drop).tried("read", "a fanotify event")?,
        }
        let [a, b, c, d] = [event[16], event[17], event[18], event[19]];
        let number = i32::from_ne_bytes([a, b, c, d]);
        // SAFETY: the kernel has opened it for us with this event.
        let file = unsafe { OwnedFd::from_raw_fd(number) };
        asked();
        if takes_time(answer_after_ms) {
            // struct fanotify_response
            let answer = [number.cast_unsigned(), libc::FAN_ALLOW].map(u32::to_ne_bytes).concat();
            match group.write_all(&answer) {
                // ENOENT: the one who asked was killed meanwhile.
                Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => {}
                other => other.tried("answer", "a fanotify event")?,
            }
        } else {
            held.push(file);
        }
    }
}
