//! A process of our own that reads other processes' memory, so that it can be left behind.
//!
//! `process_vm_readv` waits for the target's mmap lock deaf even to SIGKILL (`mm/process_vm_access.c`, `mmap_read_lock`). A
//! thread stuck there would keep this whole process from ending; a process of its own keeps nobody.

use std::fs::File;
use std::io::{IoSliceMut, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe};

use super::memory::MemoryError;

/// `PATH_MAX`, with its final NUL.
const LONGEST: usize = 4096;
/// The smallest page of any architecture: a read never crosses into a page that may not be there.
const PAGE: usize = 4096;
/// A thread id and an address.
const REQUEST: usize = 16;
/// Length of the text that follows, or -1.
const HEADER: usize = 8;

/// The reading process.
#[derive(Debug)]
pub struct Reader {
    child: Pid,
    requests: File,
    answers: File,
}

impl Reader {
    /// Starts it; `None` where that is not possible.
    pub fn start() -> Option<Self> {
        let (requests_out, requests) = pipe().ok()?;
        let (answers, answers_in) = pipe().ok()?;
        // SAFETY: the child makes system calls only and allocates nothing: it may have been forked off a process whose
        // other threads hold locks of the allocator.
        match unsafe { fork() }.ok()? {
            ForkResult::Child => serve(&requests_out, &answers_in),
            ForkResult::Parent { child } => {
                Some(Self { child, requests: File::from(requests), answers: File::from(answers) })
            }
        }
    }

    /// The NUL-terminated text at `address` of a task, within `deadline`.
    pub fn text(&mut self, tid: i32, address: usize, deadline: Duration) -> Result<Vec<u8>, MemoryError> {
        let unreadable = |_| MemoryError::Unreadable;
        let mut request = [0; REQUEST];
        request[..8].copy_from_slice(&i64::from(tid).to_ne_bytes());
        request[8..].copy_from_slice(&(address as u64).to_ne_bytes());
        self.requests.write_all(&request).map_err(unreadable)?;
        let timeout = PollTimeout::try_from(deadline).unwrap_or(PollTimeout::ZERO);
        match poll(&mut [PollFd::new(self.answers.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(1..) => {}
            // An interruption counts as too late: it is rare, and the next reader is fresh.
            _ => return Err(MemoryError::TooLate),
        }
        let mut header = [0; HEADER];
        self.answers.read_exact(&mut header).map_err(unreadable)?;
        let length = usize::try_from(i64::from_ne_bytes(header)).map_err(|_| MemoryError::Unreadable)?;
        let mut text = vec![0; length.min(LONGEST)];
        self.answers.read_exact(&mut text).map_err(unreadable)?;
        Ok(text)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // One that is stuck dies when its target moves, and is somebody else's child by then.
        if kill(self.child, Signal::SIGKILL).is_ok() {
            let _reaped = waitpid(self.child, Some(WaitPidFlag::WNOHANG));
        }
    }
}

/// Reads on demand until the other side is gone. Holds no descriptor but the two: a reader left behind must not keep a
/// pipe open that somebody waits on for our end.
fn serve(requests: &OwnedFd, answers: &OwnedFd) -> ! {
    // SAFETY: system calls on numbers; the descriptors closed here belong to this copy of the process alone.
    unsafe {
        let moved = libc::dup2(requests.as_raw_fd(), 0) == 0 && libc::dup2(answers.as_raw_fd(), 1) == 1;
        if moved && libc::syscall(libc::SYS_close_range, 2, libc::c_uint::MAX, 0) == 0 {
            let mut text = [0; LONGEST];
            while answer(&mut text) {}
        }
        libc::_exit(0)
    }
}

/// One request of descriptor 0, answered on 1; `false` at the end.
fn answer(text: &mut [u8; LONGEST]) -> bool {
    let mut request = [0; REQUEST];
    if !whole(&mut request, |rest| {
        // SAFETY: the buffer is ours and as long as said.
        unsafe { libc::read(0, rest.as_mut_ptr().cast(), rest.len()) }
    }) {
        return false;
    }
    let (tid, address) = request.split_at(8);
    let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_ne_bytes);
    let tid = i32::try_from(number(tid)).unwrap_or(-1);
    let length = usize::try_from(number(address)).ok().and_then(|address| read_text(tid, address, text));
    let header = length.and_then(|length| i64::try_from(length).ok()).unwrap_or(-1);
    write(1, &mut header.to_ne_bytes()) && write(1, &mut text[..length.unwrap_or(0)])
}

fn write(fd: RawFd, bytes: &mut [u8]) -> bool {
    whole(bytes, |rest| {
        // SAFETY: the buffer is ours and as long as said.
        unsafe { libc::write(fd, rest.as_ptr().cast(), rest.len()) }
    })
}

/// Repeats a call that may do a part only.
fn whole(bytes: &mut [u8], call: impl Fn(&mut [u8]) -> isize) -> bool {
    let mut done = 0;
    while done < bytes.len() {
        match usize::try_from(call(&mut bytes[done..])) {
            Ok(more @ 1..) => done += more,
            _ => return false,
        }
    }
    true
}

/// Length of the text before its NUL.
fn read_text(tid: i32, address: usize, text: &mut [u8; LONGEST]) -> Option<usize> {
    let mut length = 0;
    while length < LONGEST {
        let at = address.checked_add(length)?;
        let room = (PAGE - at % PAGE).min(LONGEST - length);
        let chunk = &mut text[length..length + room];
        let remote = [RemoteIoVec { base: at, len: room }];
        let read = process_vm_readv(Pid::from_raw(tid), &mut [IoSliceMut::new(chunk)], &remote).ok()?;
        if let Some(end) = text[length..length + read].iter().position(|&b| b == 0) {
            return Some(length + end);
        }
        if read < room {
            return None;
        }
        length += read;
    }
    None
}
