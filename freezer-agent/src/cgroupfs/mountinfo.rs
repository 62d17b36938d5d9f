//! Where the freezer hierarchies are mounted, from `/proc/self/mountinfo` (proc(5); `fs/proc_namespace.c`).
//!
//! The file is bytes: mount points may hold any of them but NUL, with blank, tab, newline and backslash as
//! three-digit octal escapes. Fields: id, parent, major:minor, root, mount point, options, any number of
//! optional fields, `-`, type, source, superblock options.

use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use crate::model::Hierarchy;

/// One mount of a freezer hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupMount {
    /// Which freezer.
    pub hierarchy: Hierarchy,
    /// Mount point.
    pub point: PathBuf,
    /// Cgroup shown at the mount point; `/` unless a part of the hierarchy was mounted, as containers do.
    pub root: PathBuf,
    /// Device number: the same for every mount of one hierarchy.
    pub device: u64,
}

/// All freezer mounts, best first: v1 before v2, whole hierarchies before parts of one, then the kernel's order.
#[derive(Clone, Debug, Default)]
pub struct Mounts(pub Vec<Arc<CgroupMount>>);

impl Mounts {
    /// The mounts that this process sees.
    pub fn read() -> io::Result<Self> {
        // The kernel gives a page at a time and says no size: room for one, so that it is not asked in small pieces.
        let mut content = Vec::with_capacity(4096);
        fs::File::open("/proc/self/mountinfo")?.read_to_end(&mut content)?;
        Ok(Self::parse(&content))
    }

    /// The same from the content of a mountinfo file.
    pub fn parse(mountinfo: &[u8]) -> Self {
        let mut mounts: Vec<_> =
            mountinfo.split(|&b| b == b'\n').filter_map(parse_line).map(Arc::new).collect();
        mounts.sort_by_key(|mount| (mount.hierarchy, mount.root.components().count()));
        Self(mounts)
    }

    /// The mounts of one hierarchy, or of both.
    pub fn of(&self, hierarchy: Option<Hierarchy>) -> impl Iterator<Item = &Arc<CgroupMount>> {
        self.0.iter().filter(move |mount| hierarchy.is_none_or(|wanted| mount.hierarchy == wanted))
    }
}

fn parse_line(line: &[u8]) -> Option<CgroupMount> {
    let mut fields = line.split(|&b| b == b' ').filter(|field| !field.is_empty());
    let device = parse_device(fields.nth(2)?)?;
    let root = path(fields.next()?);
    let point = path(fields.next()?);
    let mut after = fields.skip_while(|field| *field != b"-").skip(1);
    let fstype = after.next()?;
    let options = after.last()?;
    let hierarchy = match fstype {
        b"cgroup2" => Hierarchy::V2,
        // `name=freezer` would be a named hierarchy without controllers.
        b"cgroup" if options.split(|&b| b == b',').any(|option| option == b"freezer") => Hierarchy::V1,
        _ => return None,
    };
    Some(CgroupMount { hierarchy, point, root, device })
}

fn parse_device(field: &[u8]) -> Option<u64> {
    let (major, minor) = std::str::from_utf8(field).ok()?.split_once(':')?;
    Some(libc::makedev(major.parse().ok()?, minor.parse().ok()?))
}

/// A field of mountinfo with its `\040` and friends as bytes again (`fs/seq_file.c`, `mangle_path`).
pub fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        if let [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] = rest {
            bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = tail;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    bytes
}

fn path(field: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(unescape(field)))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    fn parse(text: &[u8]) -> Vec<Arc<CgroupMount>> {
        Mounts::parse(text).0
    }

    #[test]
    fn finds_the_v1_freezer_mounted_with_other_controllers_and_cgroup2_anywhere() {
        let mounts = parse(
            b"41 31 0:38 / /unified rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n\
              37 31 0:34 / /containers rw,relatime shared:1 master:2 - cgroup none rw,cpu,freezer\n\
              38 31 0:35 / /named rw - cgroup none rw,name=freezer\n\
              39 31 0:36 / /cpu rw - cgroup none rw,cpuacct\n",
        );
        let found: Vec<_> = mounts.iter().map(|m| (m.hierarchy, m.point.to_str().expect("text"))).collect();
        assert_eq!(found, [(Hierarchy::V1, "/containers"), (Hierarchy::V2, "/unified")]);
        assert_eq!(mounts[0].device, libc::makedev(0, 34));
    }

    #[test]
    fn reads_octal_escapes_and_bytes_that_are_no_text() {
        let mounts = parse(b"1 2 0:9 /a\\134b /mnt/a\\040b\\012\xff rw - cgroup2 none rw\n");
        assert_eq!(mounts[0].point.as_os_str(), OsStr::from_bytes(b"/mnt/a b\n\xff"));
        assert_eq!(mounts[0].root, PathBuf::from("/a\\b"));
    }

    #[test]
    fn whole_hierarchies_come_before_parts_of_one() {
        let mounts = parse(
            b"1 2 0:9 /docker/x /part rw - cgroup2 none rw\n\
              3 2 0:9 / /whole rw - cgroup2 none rw\n",
        );
        assert_eq!(mounts[0].point, PathBuf::from("/whole"));
    }

    #[test]
    fn broken_lines_are_passed_over() {
        assert!(parse(b"\n1 2\n1 2 x / /a rw - cgroup2\ngarbage - cgroup2 none rw").is_empty());
    }
}
