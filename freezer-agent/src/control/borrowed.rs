//! Settings of the kernel that are changed for a moment, and put back whatever happens to this process.
//!
//! `kill -9` leaves a process no time for anything. So another one waits for its end, in a session of its own, deaf to
//! the signals of a terminal, and does nothing but put the settings back.

use std::ffi::CString;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use nix::fcntl::OFlag;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, pipe2, setsid};

/// A file, and what went wrong with it.
pub type Trouble = (PathBuf, io::Error);

/// Settings that are not as they were found. Dropped, it puts them back.
#[derive(Debug)]
pub struct Borrowed {
    found: Vec<(PathBuf, Vec<u8>)>,
    heir: Option<(Pid, OwnedFd)>,
}

impl Borrowed {
    /// Writes these texts to these files. To be called while this process has one thread: it forks.
    pub fn set(wanted: &[(PathBuf, String)]) -> Result<Self, Trouble> {
        let found = wanted.iter().map(|(path, _)| match fs::read(path) {
            Ok(text) => Ok((path.clone(), chosen(&text))),
            Err(error) => Err((path.clone(), error)),
        });
        let found = found.collect::<Result<Vec<_>, Trouble>>()?;
        let heir = match found.first() {
            None => None,
            Some((path, _)) => Some(heir(&found).map_err(|error| (path.clone(), error))?),
        };
        let borrowed = Self { found, heir };
        for (path, text) in wanted {
            fs::write(path, text).map_err(|error| (path.clone(), error))?;
        }
        Ok(borrowed)
    }

    /// Puts them back.
    pub fn restore(mut self) -> Result<(), Trouble> {
        self.put_back()
    }

    fn put_back(&mut self) -> Result<(), Trouble> {
        for (path, text) in self.found.drain(..).rev() {
            fs::write(&path, text).map_err(|error| (path, error))?;
        }
        // Only now: whatever failed above is tried again by the other process.
        if let Some((pid, pipe)) = self.heir.take() {
            let mut pipe = fs::File::from(pipe);
            if pipe.write_all(b"done").is_ok() {
                drop(pipe);
                // It ends at once; where it is gone already nobody is left to wait for.
                waitpid(pid, None).ok();
            }
        }
        Ok(())
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Err((path, error)) = self.put_back() {
            eprintln!("freezer-agent: could not put {} back: {error}", path.display());
        }
    }
}

/// What is set: of a choice such as `none [freezer] devices` the word in brackets.
fn chosen(text: &[u8]) -> Vec<u8> {
    let text = text.trim_ascii();
    let inside = text.iter().position(|&byte| byte == b'[').zip(text.iter().position(|&byte| byte == b']'));
    match inside {
        Some((open, close)) if open < close => text[open + 1..close].to_vec(),
        _ => text.to_vec(),
    }
}

/// Starts the process that puts the settings back when this one ends without having said that it did.
fn heir(found: &[(PathBuf, Vec<u8>)]) -> io::Result<(Pid, OwnedFd)> {
    let (end, pipe) = pipe2(OFlag::O_CLOEXEC)?;
    // After the fork nothing may be allocated.
    let found: Vec<(CString, &[u8])> = found
        .iter()
        .map(|(path, text)| Ok((CString::new(path.as_os_str().as_bytes())?, &text[..])))
        .collect::<io::Result<_>>()?;
    // SAFETY: this process has one thread, and the child makes only calls that are safe after a fork.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok((child, pipe)),
        ForkResult::Child => {
            drop(pipe);
            wait_and_put_back(&end, &found)
        }
    }
}

fn wait_and_put_back(end: &OwnedFd, found: &[(CString, &[u8])]) -> ! {
    // In the terminal's group it would be ended together with the other. Neither can fail for a new process.
    setsid().ok();
    for ending in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGPIPE] {
        // SAFETY: ignoring a signal runs no code of ours.
        unsafe { signal(ending, SigHandler::SigIgn) }.ok();
    }
    let mut said = [0; 8];
    let read = loop {
        match nix::unistd::read(end, &mut said) {
            Err(nix::Error::EINTR) => {}
            read => break read,
        }
    };
    if read != Ok(4) {
        for (path, text) in found.iter().rev() {
            // SAFETY: the path ends in a zero byte, and the descriptor is used only if it is one.
            unsafe {
                let file = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
                if file >= 0 {
                    libc::write(file, text.as_ptr().cast(), text.len());
                    libc::close(file);
                }
            }
        }
    }
    // SAFETY: ends this process without running what the other one has registered for its end.
    unsafe { libc::_exit(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_put_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("limit");
        fs::write(&path, "20000\n").expect("written");
        let borrowed = Borrowed { found: vec![(path.clone(), b"20000".to_vec())], heir: None };
        fs::write(&path, "1000").expect("written");
        borrowed.restore().expect("put back");
        assert_eq!(fs::read(&path).expect("read"), b"20000");
    }

    #[test]
    fn of_a_choice_the_chosen_word_is_what_is_set() {
        assert_eq!(chosen(b"none core [freezer] devices\n"), b"freezer");
        assert_eq!(chosen(b"20000\n"), b"20000");
        assert_eq!(chosen(b"] [\n"), b"] [");
    }
}
