//! A few bytes of another process's memory, and its map, with a deadline.
//!
//! Both wait for the target's mmap lock, perhaps for ever. Memory is therefore read by a process of its own (`reader.rs`),
//! the map by a thread: that wait ends with the process it belongs to (`fs/proc/task_mmu.c`, `mmap_read_lock_killable`).

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::reader::Reader;

const DEADLINE: Duration = Duration::from_millis(50);
/// A reader left behind stays until its target moves; after this many no more are risked.
const MOST_LEFT_BEHIND: u32 = 4;

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
    reader: Option<Reader>,
}

impl Memory {
    /// The NUL-terminated text at `address` of a task.
    pub fn text(&mut self, tid: i32, address: usize) -> Result<Vec<u8>, MemoryError> {
        if self.left_behind >= MOST_LEFT_BEHIND {
            return Err(MemoryError::TooLate);
        }
        if self.reader.is_none() {
            self.reader = Reader::start();
        }
        let reader = self.reader.as_mut().ok_or(MemoryError::Unreadable)?;
        let text = reader.text(tid, address, DEADLINE);
        if text == Err(MemoryError::TooLate) {
            self.left_behind += 1;
            self.reader = None;
        }
        text
    }

    /// `/proc/TID/maps`, which takes the target's mmap lock too.
    pub fn maps(&mut self, tid: i32) -> Result<Vec<u8>, MemoryError> {
        self.in_time(move || super::procdir::read(format!("/proc/{tid}/maps").as_ref()))
    }

    /// `/proc/TID/cmdline`, which is read from the target's memory.
    pub fn command_line(&mut self, tid: i32) -> Result<Vec<u8>, MemoryError> {
        self.in_time(move || super::procdir::read(format!("/proc/{tid}/cmdline").as_ref()))
    }

    /// What `read` finds, if it comes back in time.
    pub fn in_time<T: Send + 'static>(
        &mut self,
        read: impl FnOnce() -> Option<T> + Send + 'static,
    ) -> Result<T, MemoryError> {
        if self.left_behind >= MOST_LEFT_BEHIND {
            return Err(MemoryError::TooLate);
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let reader = move || {
            // The receiver may have given up; then nobody wants the bytes.
            drop(sender.send(read()));
        };
        if thread::Builder::new().name("memory-reader".to_owned()).spawn(reader).is_err() {
            return Err(MemoryError::Unreadable);
        }
        if let Ok(bytes) = receiver.recv_timeout(DEADLINE) {
            bytes.ok_or(MemoryError::Unreadable)
        } else {
            self.left_behind += 1;
            Err(MemoryError::TooLate)
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::unistd::Pid;

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
    fn memory_that_is_not_there_is_unreadable() {
        assert_eq!(Memory::default().text(own_pid(), 8), Err(MemoryError::Unreadable));
        assert_eq!(Memory::default().text(own_pid(), usize::MAX), Err(MemoryError::Unreadable));
    }
}
