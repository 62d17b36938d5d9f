//! A system call that a seccomp supervisor has to decide on (kernel/seccomp.c, linux/seccomp.h).

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{Mode, mkdirat};

use super::super::job::after_ready;
use super::super::userfault::copy_of;
use super::{asked, takes_time};
use crate::error::{Error, Result, Tried as _};

nix::ioctl_readwrite!(notif_recv, b'!', 0, libc::seccomp_notif);
nix::ioctl_readwrite!(notif_send, b'!', 1, libc::seccomp_notif_resp);

/// Asks again after an answer, so that there is always a question open when a slow supervisor freezes.
pub(super) fn mkdir(path: &Path, killable: bool) -> Result<()> {
    let listener = filter_mkdirat(killable)?;
    after_ready(|| {
        drop(listener);
        loop {
            match mkdirat(AT_FDCWD, path, Mode::S_IRWXU) {
                Err(Errno::ENOENT | Errno::EINTR) => {}
                // The supervisor has gone.
                Err(Errno::ENOSYS) => return Ok(()),
                other => other.tried("make the directory", path.display())?,
            }
        }
    })
}

/// The filter's listener descriptor.
fn filter_mkdirat(killable: bool) -> Result<OwnedFd> {
    let step = |code, jump_false, k| libc::sock_filter { code, jt: 0, jf: jump_false, k };
    let mkdirat = u32::try_from(libc::SYS_mkdirat).map_err(|error| Error::new("name", "mkdirat", error))?;
    // linux/filter.h: load the word at offset 0 (`seccomp_data.nr`), compare, return one of two verdicts.
    let mut program = [
        step(0x20, 0, 0),
        step(0x15, 1, mkdirat),
        step(0x06, 0, libc::SECCOMP_RET_USER_NOTIF),
        step(0x06, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: program.as_mut_ptr() };
    let killable = if killable { libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV } else { 0 };
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | killable;
    // SAFETY: the kernel copies the program, which is alive, and gives a new descriptor.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    let number = Errno::result(result).tried("set", "a seccomp filter")?;
    let number = i32::try_from(number).map_err(|error| Error::new("set", "a seccomp filter", error))?;
    // SAFETY: the kernel has just given it to us.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

pub(super) fn supervise(pid: i32, fd: i32, answer_after_ms: Option<u64>) -> Result<()> {
    let listener = copy_of(pid, fd)?;
    after_ready(|| {
        loop {
            let Some(id) = receive(&listener)? else { continue };
            asked();
            if takes_time(answer_after_ms) {
                answer(&listener, id)?;
            }
        }
    })
}

/// The next question's id; `None` where it was taken back meanwhile.
fn receive(listener: &OwnedFd) -> Result<Option<u64>> {
    // SAFETY: all zeroes is a valid value, and the one the kernel demands.
    let mut question: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live struct of the kernel's layout.
    match unsafe { notif_recv(listener.as_raw_fd(), &raw mut question) } {
        Ok(_) => Ok(Some(question.id)),
        Err(Errno::ENOENT | Errno::EINTR) => Ok(None),
        Err(errno) => Err(errno).tried("receive", "a system call"),
    }
}

fn answer(listener: &OwnedFd, id: u64) -> Result<()> {
    let mut answer = libc::seccomp_notif_resp { id, val: 0, error: -(Errno::ENOENT as i32), flags: 0 };
    // SAFETY: the pointer is to a live struct of the kernel's layout.
    match unsafe { notif_send(listener.as_raw_fd(), &raw mut answer) } {
        // ENOENT: the one who asked was killed or interrupted meanwhile.
        Ok(_) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno).tried("answer", "a system call"),
    }
}
