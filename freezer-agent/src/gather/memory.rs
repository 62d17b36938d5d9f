//! A few bytes of another process's memory, and its map, with a deadline.
//!
//! `process_vm_readv` takes the target's mmap lock (`mm/process_vm_access.c`): a target stuck under it would hang the
//! reader for ever, so the reader is a thread that may be left behind.

use std::io::IoSliceMut;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::{Pid, gettid};

/// Without a word from a reader that sleeps.
const DEADLINE: Duration = Duration::from_millis(20);
/// Of a reader that only lacks a CPU.
const LAST: Duration = Duration::from_millis(150);
/// A thread left behind stays until its target moves; after this many no more are risked.
const MOST_LEFT_BEHIND: u32 = 4;
/// `PATH_MAX`, with its final NUL.
const LONGEST: usize = 4096;
/// The smallest page of any architecture: a read never crosses into a page that may not be there.
const PAGE: usize = 4096;

/// Why no text was read.
#[derive(Debug, PartialEq, Eq)]
pub enum MemoryError {
    /// The deadline passed.
    TooLate,
    /// No such memory, no right to it, or no text there.
    Unreadable,
}

/// Reads texts, and counts the readers it had to leave behind.
#[derive(Debug, Default)]
pub struct Memory {
    left_behind: u32,
}

impl Memory {
    /// The NUL-terminated text at `address` of a task.
    pub fn text(&mut self, tid: i32, address: usize) -> Result<Vec<u8>, MemoryError> {
        self.in_time(move || read_text(tid, address))
    }

    /// `/proc/TID/maps`, which takes the target's mmap lock too.
    pub fn maps(&mut self, tid: i32) -> Result<Vec<u8>, MemoryError> {
        self.in_time(move || super::procdir::read(format!("/proc/{tid}/maps").as_ref()))
    }

    /// `/proc/TID/cmdline`, which is read from the target's memory.
    pub fn command_line(&mut self, tid: i32) -> Result<Vec<u8>, MemoryError> {
        self.in_time(move || super::procdir::read(format!("/proc/{tid}/cmdline").as_ref()))
    }

    fn in_time(
        &mut self,
        read: impl FnOnce() -> Option<Vec<u8>> + Send + 'static,
    ) -> Result<Vec<u8>, MemoryError> {
        if self.left_behind >= MOST_LEFT_BEHIND {
            return Err(MemoryError::TooLate);
        }
        let (sender, receiver) = mpsc::sync_channel(2);
        let reader = move || {
            // The receiver may have given up; then nobody wants the words.
            drop(sender.send(Word::Begun(gettid())));
            drop(sender.send(Word::Read(read())));
        };
        if thread::Builder::new().name("memory-reader".to_owned()).spawn(reader).is_err() {
            return Err(MemoryError::Unreadable);
        }
        let last = Instant::now() + LAST;
        let mut tid = None;
        loop {
            match receiver.recv_timeout(DEADLINE) {
                Ok(Word::Begun(reader)) => tid = Some(reader),
                Ok(Word::Read(bytes)) => return bytes.ok_or(MemoryError::Unreadable),
                Err(mpsc::RecvTimeoutError::Timeout) if lacks_cpu(tid) && Instant::now() < last => {}
                Err(_) => {
                    self.left_behind += 1;
                    return Err(MemoryError::TooLate);
                }
            }
        }
    }
}

/// What a reader says.
enum Word {
    Begun(Pid),
    Read(Option<Vec<u8>>),
}

/// On a loaded machine a reader may not have run at all: only one that sleeps is stuck.
fn lacks_cpu(reader: Option<Pid>) -> bool {
    let Some(tid) = reader else { return true };
    let stat = super::procdir::read(format!("/proc/self/task/{tid}/stat").as_ref()).unwrap_or_default();
    let name_end = stat.iter().rposition(|&byte| byte == b')');
    name_end.is_some_and(|end| stat.get(end + 2) == Some(&b'R'))
}

fn read_text(tid: i32, address: usize) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut at = address;
    while text.len() < LONGEST {
        let mut chunk = [0; PAGE];
        let len = PAGE - at % PAGE;
        let remote = [RemoteIoVec { base: at, len }];
        let read =
            process_vm_readv(Pid::from_raw(tid), &mut [IoSliceMut::new(&mut chunk[..len])], &remote).ok()?;
        if let Some(end) = chunk[..read].iter().position(|&b| b == 0) {
            text.extend_from_slice(&chunk[..end]);
            return Some(text);
        }
        if read < len {
            return None;
        }
        text.extend_from_slice(&chunk[..read]);
        at = at.checked_add(len)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_pid() -> i32 {
        Pid::this().as_raw()
    }

    #[test]
    fn reads_a_text_up_to_its_nul() {
        let text = c"/mnt/data/x";
        assert_eq!(Memory::default().text(own_pid(), text.as_ptr() as usize), Ok(b"/mnt/data/x".to_vec()));
    }

    #[test]
    fn a_reader_that_sleeps_is_left_behind_and_one_that_works_is_waited_for() {
        let mut memory = Memory::default();
        let sleeps = memory.in_time(|| {
            thread::sleep(Duration::from_secs(2));
            None
        });
        assert_eq!((sleeps, memory.left_behind), (Err(MemoryError::TooLate), 1));
        let works = memory.in_time(|| {
            let begun = Instant::now();
            while begun.elapsed() < 2 * DEADLINE {}
            Some(Vec::new())
        });
        assert_eq!((works, memory.left_behind), (Ok(Vec::new()), 1));
    }

    #[test]
    fn memory_that_is_not_there_is_unreadable() {
        assert_eq!(Memory::default().text(own_pid(), 8), Err(MemoryError::Unreadable));
        assert_eq!(Memory::default().text(own_pid(), usize::MAX), Err(MemoryError::Unreadable));
    }
}
