//! A FUSE server that keeps silent where it is asked to, straight on `/dev/fuse` (include/uapi/linux/fuse.h, 7.31).
//!
//! What happens to the one who waits (fs/fuse/dev.c, `request_wait_answer`, 6.18): first an interruptible wait; a
//! freeze's wake-up ends it and queues `FUSE_INTERRUPT`; then a killable wait, `D`, which no freeze can end. Once the
//! server has read the request not even SIGKILL ends the wait: only an answer, or the end of the connection.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, Tried as _};
use crate::worker::Asked;

/// A name that is never looked up successfully: the server takes the request and keeps silent.
pub const SILENT_NAME: &str = "hang";
/// A directory whose look-up is as silent; where the server answers in the end, it is there.
pub const SLOW_DIR: &str = "slow";
/// A file whose reads, writes and fsyncs bypass the page cache and are never answered.
pub const SILENT_FILE: &str = "file";
/// A file whose reads go through the page cache and are never answered.
pub const CACHED_FILE: &str = "cached";
/// A file whose reads are never answered; they go through the page cache unless it is opened with `O_APPEND`.
pub const MIXED_FILE: &str = "mixed";
/// A file whose flush, on close, is never answered.
pub const SILENT_FLUSH: &str = "flush";
/// A file for a loop device: it can be attached, and then not read or written.
pub const LOOP_FILE: &str = "loop";

const ROOT: u64 = 1;
const DIRECT: u64 = 2;
const CACHED: u64 = 3;
const FLUSH: u64 = 4;
const SLOW: u64 = 5;
const LOOP: u64 = 6;
const MIXED: u64 = 7;

/// The bigger of what INIT promises (`max_write` of a page) and `FUSE_MIN_READ_BUFFER`, with room.
const BUFFER: usize = 64 * 1024;

mod op {
    pub const LOOKUP: u32 = 1;
    pub const FORGET: u32 = 2;
    pub const GETATTR: u32 = 3;
    pub const OPEN: u32 = 14;
    pub const READ: u32 = 15;
    pub const WRITE: u32 = 16;
    pub const STATFS: u32 = 17;
    pub const RELEASE: u32 = 18;
    pub const FSYNC: u32 = 20;
    pub const FLUSH: u32 = 25;
    pub const INIT: u32 = 26;
    pub const OPENDIR: u32 = 27;
    pub const READDIR: u32 = 28;
    pub const RELEASEDIR: u32 = 29;
    pub const INTERRUPT: u32 = 36;
    pub const BATCH_FORGET: u32 = 42;
}

/// Where a server mounts itself and how it behaves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Server {
    /// Mount point.
    pub dir: PathBuf,
    /// Source shown in mountinfo.
    pub source: String,
    /// Answer the requests it would be silent on after this many milliseconds, one after the other, with `ENOENT`.
    pub answer_after_ms: Option<u64>,
    /// Answer them at this moment instead.
    #[serde(default)]
    pub answer_when: Option<Asked>,
    /// Call stat(2) on this path before the answer it would be silent on: for ever, where that is silent too.
    #[serde(default)]
    pub first_stat: Option<PathBuf>,
}

/// A mounted server that does not serve yet.
pub(crate) struct Mounted {
    device: File,
    server: Server,
}

struct Request<'a> {
    opcode: u32,
    unique: u64,
    node: u64,
    body: &'a [u8],
}

enum Answer {
    Data(Vec<u8>),
    Error(Errno),
    /// The request has none (forget, interrupt).
    NotExpected,
    /// It would have one, and gets none.
    Silence,
    /// The same; if any, then this one.
    Late(Vec<u8>),
}

impl Server {
    /// Mounts; mount(2) itself asks the server nothing.
    pub(crate) fn mount(self) -> Result<Mounted> {
        let device =
            OpenOptions::new().read(true).write(true).open("/dev/fuse").tried("open", "/dev/fuse")?;
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", device.as_raw_fd());
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some(self.source.as_str()), &self.dir, Some("fuse.lab"), flags, Some(options.as_str()))
            .tried("mount FUSE on", self.dir.display())?;
        Ok(Mounted { device, server: self })
    }
}

impl Mounted {
    /// Another server of the same connection, for another thread or process.
    pub(crate) fn again(&self) -> Result<Self> {
        let device = self.device.try_clone().tried("copy", "/dev/fuse")?;
        Ok(Self { device, server: self.server.clone() })
    }

    /// The device alone.
    pub(crate) fn into_device(self) -> File {
        self.device
    }

    /// Answers until the connection ends.
    pub(crate) fn serve(mut self) -> Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = match self.device.read(&mut buffer) {
                Ok(length) => length,
                Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                    // ENOENT: the request was taken back while we read it.
                    Some(Errno::EINTR | Errno::EAGAIN | Errno::ENOENT) => continue,
                    // ENODEV: unmounted or aborted.
                    Some(Errno::ENODEV) => return Ok(()),
                    _ => return Err(error).tried("read", "/dev/fuse"),
                },
            };
            let request = Request::parse(&buffer[..length])
                .ok_or_else(|| Error::new("read", "a FUSE request", format!("only {length} bytes")))?;
            self.answer(&request)?;
        }
    }

    fn answer(&mut self, request: &Request) -> Result<()> {
        let answer = request.answer();
        let late = matches!(answer, Answer::Silence | Answer::Late(_));
        let (errno, data) = match answer {
            Answer::Data(data) | Answer::Late(data) => (0, data),
            Answer::Error(errno) => (errno as i32, Vec::new()),
            Answer::NotExpected => return Ok(()),
            Answer::Silence => (Errno::ENOENT as i32, Vec::new()),
        };
        if late {
            if let Some(path) = &self.server.first_stat {
                // Whatever comes of it, it is the waiting that counts.
                drop(std::fs::metadata(path));
            }
            match (&self.server.answer_when, self.server.answer_after_ms) {
                (Some(asked), _) => asked.wait(),
                (None, Some(ms)) => thread::sleep(Duration::from_millis(ms)),
                (None, None) => return Ok(()),
            }
        }
        let mut reply = Reply::default();
        let length = u32::try_from(16 + data.len()).unwrap_or(u32::MAX);
        reply.u32s(&[length, errno.wrapping_neg().cast_unsigned()]);
        reply.u64s(&[request.unique]);
        reply.0.extend(data);
        match self.device.write_all(&reply.0) {
            // ENOENT: the one who asked was killed meanwhile.
            Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => Ok(()),
            other => other.tried("answer", "a FUSE request"),
        }
    }
}

impl<'a> Request<'a> {
    /// `struct fuse_in_header`: len, opcode, unique, nodeid, uid, gid, pid, padding.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let u32_at = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let u64_at = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        Some(Self { opcode: u32_at(4)?, unique: u64_at(8)?, node: u64_at(16)?, body: bytes.get(40..)? })
    }

    fn answer(&self) -> Answer {
        match (self.opcode, self.node) {
            (op::FORGET | op::BATCH_FORGET | op::INTERRUPT, _) => Answer::NotExpected,
            (op::INIT, _) => Answer::Data(init()),
            (op::GETATTR, node) => Answer::Data(attributes(node)),
            (op::LOOKUP, _) => self.look_up(),
            // FOPEN_DIRECT_IO
            (op::OPEN, DIRECT) => Answer::Data(opened(1)),
            (op::OPEN, MIXED) if self.opens_to_append() => Answer::Data(opened(1)),
            (op::OPEN | op::OPENDIR, _) => Answer::Data(opened(0)),
            // Attaching a loop device syncs its file first.
            (op::FSYNC, LOOP) => Answer::Data(Vec::new()),
            (op::READ | op::WRITE | op::FSYNC, _) | (op::FLUSH, FLUSH) => Answer::Silence,
            (op::READDIR | op::RELEASE | op::RELEASEDIR | op::FLUSH, _) => Answer::Data(Vec::new()),
            (op::STATFS, _) => Answer::Data(vec![0; 80]),
            _ => Answer::Error(Errno::ENOSYS),
        }
    }

    /// `struct fuse_open_in` begins with the flags.
    fn opens_to_append(&self) -> bool {
        let flags = self.body.get(..4).and_then(|flags| flags.try_into().ok()).map_or(0, i32::from_ne_bytes);
        flags & libc::O_APPEND != 0
    }

    fn look_up(&self) -> Answer {
        let name = self.body.split(|&b| b == 0).next().unwrap_or_default();
        let node = match name {
            name if name.starts_with(SILENT_NAME.as_bytes()) => return Answer::Silence,
            // What the kernel names a core file by default: `core` or `core.PID`.
            name if name.starts_with(b"core") => return Answer::Silence,
            name if name == SILENT_FILE.as_bytes() => DIRECT,
            name if name == CACHED_FILE.as_bytes() => CACHED,
            name if name == LOOP_FILE.as_bytes() => LOOP,
            name if name == SILENT_FLUSH.as_bytes() => FLUSH,
            name if name == SLOW_DIR.as_bytes() => SLOW,
            name if name == MIXED_FILE.as_bytes() => MIXED,
            _ => return Answer::Error(Errno::ENOENT),
        };
        // struct fuse_entry_out: no caching, so that every look-up asks again.
        let mut reply = Reply::default();
        reply.u64s(&[node, 0, 0, 0]);
        reply.u32s(&[0, 0]);
        reply.0.extend(attr(node));
        if node == SLOW { Answer::Late(reply.0) } else { Answer::Data(reply.0) }
    }
}

/// Bytes of an answer, in the machine's own order, as the protocol wants it.
#[derive(Default)]
struct Reply(Vec<u8>);

impl Reply {
    fn u32s(&mut self, values: &[u32]) {
        self.0.extend(values.iter().flat_map(|value| value.to_ne_bytes()));
    }

    fn u64s(&mut self, values: &[u64]) {
        self.0.extend(values.iter().flat_map(|value| value.to_ne_bytes()));
    }
}

/// `struct fuse_init_out`, 7.31: no flag taken up, so reads are synchronous and directory operations serialised.
fn init() -> Vec<u8> {
    let mut reply = Reply::default();
    reply.u32s(&[7, 31, 4096, 0]); // version, readahead, flags
    reply.u32s(&[0, 4096, 1]); // background limits left to the kernel, max_write, time granularity in ns
    reply.u32s(&[0; 9]); // max_pages, map_alignment, unused
    reply.0
}

/// `struct fuse_attr_out`.
fn attributes(node: u64) -> Vec<u8> {
    let mut reply = Reply::default();
    reply.u64s(&[0]);
    reply.u32s(&[0, 0]);
    reply.0.extend(attr(node));
    reply.0
}

/// `struct fuse_attr`: the root and the slow one are directories, everything else a file of a mebibyte.
fn attr(node: u64) -> Vec<u8> {
    let (mode, size) = if [ROOT, SLOW].contains(&node) {
        (libc::S_IFDIR | 0o755, 0)
    } else {
        (libc::S_IFREG | 0o644, 1 << 20)
    };
    let mut reply = Reply::default();
    reply.u64s(&[node, size, 0, 0, 0, 0]); // ino, size, blocks, times
    reply.u32s(&[0, 0, 0, mode, 1, 0, 0, 0, 4096, 0]); // times, mode, nlink, uid, gid, rdev, blksize, flags
    reply.0
}

/// `struct fuse_open_out`.
fn opened(flags: u32) -> Vec<u8> {
    let mut reply = Reply::default();
    reply.u64s(&[0]);
    reply.u32s(&[flags, 0]);
    reply.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_have_the_sizes_of_the_kernel_s_structs() {
        let entry = Request { opcode: op::LOOKUP, unique: 1, node: ROOT, body: b"file\0" }.answer();
        assert!(matches!(entry, Answer::Data(data) if data.len() == 128));
        assert_eq!((init().len(), attributes(ROOT).len(), opened(0).len()), (64, 104, 16));
    }

    #[test]
    fn a_name_that_begins_with_hang_is_never_answered() {
        let request = Request { opcode: op::LOOKUP, unique: 1, node: ROOT, body: b"hanging\0" };
        assert!(matches!(request.answer(), Answer::Silence));
    }
}
