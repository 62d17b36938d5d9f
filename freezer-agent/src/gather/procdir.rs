//! The few files of /proc and /sys that are safe to read, as bytes.

use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use super::mountinfo::{self, Mount};
use crate::model::{TaskSnapshot, function};

/// More of any one file is not read: a mountinfo with 10,000 mounts has about 2 MB.
const LARGEST: u64 = 8 << 20;

/// /proc and /sys, or what a test puts in their place.
#[derive(Clone, Debug)]
pub struct ProcDir {
    proc: PathBuf,
    sys: PathBuf,
}

/// The directory of one thread.
pub struct Process {
    /// Thread id.
    pub tid: i32,
    dir: PathBuf,
}

impl ProcDir {
    /// This host's.
    pub fn host() -> Self {
        Self { proc: PathBuf::from("/proc"), sys: PathBuf::from("/sys") }
    }

    /// One thread; nothing is read yet. `/proc/TID` works for threads too, although it is not listed.
    pub fn process(&self, tid: i32) -> Process {
        Process { tid, dir: self.proc.join(tid.to_string()) }
    }

    /// Processes there are.
    pub fn pids(&self) -> Vec<i32> {
        let entries = fs::read_dir(&self.proc).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// The process id of this process, as this /proc shows it.
    pub fn own_pid(&self) -> Option<i32> {
        fs::read_link(self.proc.join("self")).ok()?.to_str()?.parse().ok()
    }

    /// A file about a descriptor of this process: `fdinfo`.
    pub fn own_descriptor(&self, fd: i32, folder: &str) -> Option<Vec<u8>> {
        read(&self.proc.join("self").join(folder).join(fd.to_string()))
    }

    /// Where a descriptor of this process leads, by its link.
    pub fn own_link(&self, fd: i32) -> Option<Vec<u8>> {
        let link = fs::read_link(self.proc.join("self/fd").join(fd.to_string())).ok()?;
        Some(OsString::from(link).into_vec())
    }

    /// The keys that this process may see.
    pub fn keys(&self) -> Vec<u8> {
        read(&self.proc.join("keys")).unwrap_or_default()
    }

    /// `uname -r`
    pub fn kernel_release(&self) -> String {
        let release = read(&self.proc.join("sys/kernel/osrelease")).unwrap_or_default();
        String::from_utf8_lossy(&release).trim().to_owned()
    }

    /// Where sysfs is.
    pub fn sys(&self) -> &std::path::Path {
        &self.sys
    }

    /// This host's, and not what a test put in its place.
    pub fn is_host(&self) -> bool {
        self.sys == std::path::Path::new("/sys")
    }
}

impl Process {
    /// The agent's own.
    pub fn own(proc: &ProcDir) -> Self {
        Self { tid: 0, dir: proc.proc.join("self") }
    }

    /// A file of its directory; `None` where it is gone or not readable.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        read(&self.dir.join(name))
    }

    /// The path of a link of its directory, to be opened as a place only.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A link of its directory as bytes, not followed.
    pub fn link(&self, name: &str) -> Option<Vec<u8>> {
        fs::read_link(self.dir.join(name)).ok().map(|path| OsString::from(path).into_vec())
    }

    /// Its open descriptors.
    pub fn descriptors(&self) -> Vec<i32> {
        let entries = fs::read_dir(self.dir.join("fd")).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// Whether the thread id still means the task of the snapshot.
    pub fn is_still(&self, task: &TaskSnapshot) -> bool {
        self.read("stat").as_deref().and_then(start_ticks).is_some_and(|ticks| {
            // USER_HZ is 100 on every architecture Rust knows Linux on; a tick of slack for rounding.
            (task.start_ns / 10_000_000).abs_diff(ticks) <= 1
        })
    }

    /// Kernel function it sleeps in.
    pub fn wchan(&self) -> Option<String> {
        let bytes = self.read("wchan")?;
        function::plain(&bytes).map(str::to_owned)
    }

    /// Its mounts.
    pub fn mounts(&self) -> Vec<Mount> {
        self.read("mountinfo").map_or_else(Vec::new, |bytes| mountinfo::parse(&bytes))
    }
}

/// At most [`LARGEST`] bytes of a file.
pub fn read(path: &std::path::Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(LARGEST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// A file's only number.
pub fn number<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

/// `key:` or `key` followed by blanks and a number, on a line of its own.
pub fn field(bytes: &[u8], key: &str) -> Option<u64> {
    bytes.split(|&b| b == b'\n').find_map(|line| {
        let rest = line.strip_prefix(key.as_bytes())?;
        let rest = rest.strip_prefix(b":").unwrap_or(rest);
        if !rest.first()?.is_ascii_whitespace() {
            return None;
        }
        number(rest)
    })
}

/// Start time of `/proc/TID/stat` in clock ticks since boot: field 22, counted behind the last `)` of the name.
fn start_ticks(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|&b| b == b')')?;
    let rest = std::str::from_utf8(&stat[end + 1..]).ok()?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::joined::tests::task;

    #[test]
    fn the_start_time_is_found_behind_a_name_with_brackets_and_blanks() {
        let stat = b"30491 (a) b) D 1 30476 6411 0 -1 4194304 146 0 1 0 0 0 0 0 20 0 1 0 293306 3866624 516";
        assert_eq!(start_ticks(stat), Some(293_306));
    }

    #[test]
    fn an_id_that_is_used_again_is_another_task() {
        let host = ProcDir::host();
        let this = host.process(host.own_pid().expect("an id"));
        let ticks = start_ticks(&this.read("stat").expect("its stat")).expect("its start");
        let started = |ticks: u64| TaskSnapshot { start_ns: ticks * 10_000_000, ..task(this.tid, 0) };
        assert!(this.is_still(&started(ticks)));
        assert!(!this.is_still(&started(ticks - 2)), "another that had this id before");
    }

    #[test]
    fn a_key_that_only_begins_alike_is_another_field() {
        assert_eq!(field(b"mnt_id_x:\t1\nmnt_id:\t24\n", "mnt_id"), Some(24));
        assert_eq!(field(b"nr_throttled_all 9\nnr_throttled 3\n", "nr_throttled"), Some(3));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_do_not(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            start_ticks(&bytes);
            field(&bytes, "mnt_id");
        }
    }
}
