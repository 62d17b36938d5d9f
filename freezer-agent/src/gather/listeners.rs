//! Descriptors of other processes looked at through a copy: what poll says of them, and which are the same open file.
//!
//! A copy (`pidfd_getfd`, 5.6) asks nothing of the process and takes nothing from it; it is closed at once.

use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::fanotify;
use super::procdir::Process;
use crate::explain::facts::{FanotifyListener, SeccompListener};

/// `KCMP_FILE` of `linux/kcmp.h`.
const KCMP_FILE: i32 = 0;
/// More copies are not held at a time.
const MOST: usize = 256;

/// One descriptor of one process.
struct Seen<T> {
    copy: Option<OwnedFd>,
    what: T,
}

/// The listeners of a walk over all processes, those of one open file together.
#[derive(Default)]
pub struct Listeners {
    seccomp: Vec<Seen<SeccompListener>>,
    fanotify: Vec<Seen<FanotifyListener>>,
}

impl Listeners {
    /// Takes in a `seccomp notify` descriptor.
    pub fn add_seccomp(&mut self, pid: i32, fd: i32) {
        let copy = self.copy(pid, fd);
        if let Some(known) = same(&mut self.seccomp, copy.as_ref()) {
            add_holder(&mut known.holders, pid);
            return;
        }
        // kernel/seccomp.c, seccomp_notify_poll: POLLIN while one waits to be received, POLLOUT while one that was
        // received has no answer.
        let says = copy.as_ref().and_then(|copy| polled(copy, PollFlags::POLLIN | PollFlags::POLLOUT));
        let what = SeccompListener {
            holders: vec![pid],
            unanswered: says.map(|flags| flags.contains(PollFlags::POLLOUT)),
            unreceived: says.map(|flags| flags.contains(PollFlags::POLLIN)),
        };
        self.seccomp.push(Seen { copy, what });
    }

    /// Takes in a fanotify descriptor, where it asks for leave.
    pub fn add_fanotify(&mut self, process: &Process, pid: i32, fd: i32) {
        let marks = fanotify::marks(&process.read(&format!("fdinfo/{fd}")).unwrap_or_default());
        if marks.is_empty() {
            return;
        }
        let copy = self.copy(pid, fd);
        match same(&mut self.fanotify, copy.as_ref()) {
            Some(known) => add_holder(&mut known.holders, pid),
            None => self.fanotify.push(Seen { copy, what: FanotifyListener { holders: vec![pid], marks } }),
        }
    }

    /// What was found.
    pub fn into_facts(self) -> (Vec<SeccompListener>, Vec<FanotifyListener>) {
        (
            self.seccomp.into_iter().map(|seen| seen.what).collect(),
            self.fanotify.into_iter().map(|seen| seen.what).collect(),
        )
    }

    fn copy(&self, pid: i32, fd: i32) -> Option<OwnedFd> {
        (self.seccomp.len() + self.fanotify.len() < MOST).then(|| copy_of(pid, fd)).flatten()
    }
}

fn add_holder(holders: &mut Vec<i32>, pid: i32) {
    if !holders.contains(&pid) {
        holders.push(pid);
    }
}

/// The one of those seen that is the same open file.
fn same<'a, T>(seen: &'a mut [Seen<T>], copy: Option<&OwnedFd>) -> Option<&'a mut T> {
    let copy = copy?;
    let known =
        seen.iter_mut().find(|known| known.copy.as_ref().is_some_and(|other| is_same(other, copy)))?;
    Some(&mut known.what)
}

fn is_same(one: &OwnedFd, other: &OwnedFd) -> bool {
    let own = std::process::id();
    // SAFETY: compares two descriptors of this very process by number; takes no pointer.
    let order =
        unsafe { libc::syscall(libc::SYS_kcmp, own, own, KCMP_FILE, one.as_raw_fd(), other.as_raw_fd()) };
    // Other numbers tell an order, -1 that this kernel has no kcmp.
    order == 0
}

fn polled(fd: &OwnedFd, events: PollFlags) -> Option<PollFlags> {
    let mut fds = [PollFd::new(fd.as_fd(), events)];
    poll(&mut fds, PollTimeout::ZERO).ok()?;
    fds[0].revents().filter(|flags| !flags.contains(PollFlags::POLLERR))
}

fn copy_of(pid: i32, fd: i32) -> Option<OwnedFd> {
    // SAFETY: takes integers and gives a new descriptor.
    let process = owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: as above; the pidfd is open.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0) })
}

fn owned(result: libc::c_long) -> Option<OwnedFd> {
    let number = i32::try_from(Errno::result(result).ok()?).ok()?;
    // SAFETY: the kernel has just given it to us.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_pid() -> i32 {
        nix::unistd::getpid().as_raw()
    }

    #[test]
    fn a_descriptor_and_its_duplicate_are_one_open_file() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let twin = reader.try_clone().expect("a duplicate");
        let copy = |fd: i32| copy_of(own_pid(), fd).expect("a copy of its own descriptor");
        let (one, other) = (copy(reader.as_raw_fd()), copy(twin.as_raw_fd()));
        assert!(is_same(&one, &other));
        assert!(!is_same(&one, &copy(writer.as_raw_fd())));
    }

    #[test]
    fn poll_tells_without_waiting() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let both = PollFlags::POLLIN | PollFlags::POLLOUT;
        assert_eq!(polled(&OwnedFd::from(reader), both), Some(PollFlags::empty()));
        drop(writer);
        assert!(copy_of(own_pid(), 9999).is_none(), "no such descriptor");
    }
}
