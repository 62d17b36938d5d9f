//! Where the hierarchies are mounted, from `/proc/self/mountinfo` (format: proc(5)).

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use crate::cgroup::Hierarchy;
use crate::error::{Error, Result, Tried as _};

/// Root directory of a freezer hierarchy.
pub fn freezer(hierarchy: Hierarchy) -> Result<PathBuf> {
    match hierarchy {
        Hierarchy::V1 => controller("freezer"),
        Hierarchy::V2 => find(|fstype, _| fstype == b"cgroup2")?
            .ok_or_else(|| Error::new("find", "the v2 hierarchy", "no cgroup2 in /proc/self/mountinfo")),
    }
}

/// Root directory of a v1 controller.
pub fn controller(name: &str) -> Result<PathBuf> {
    find(|fstype, options| {
        fstype == b"cgroup" && options.split(|&b| b == b',').any(|option| option == name.as_bytes())
    })?
    .ok_or_else(|| Error::new("find", format!("the v1 controller {name}"), "not in /proc/self/mountinfo"))
}

/// Whether `/` is what the kernel unpacked at boot, as in a guest.
pub fn root_is_initramfs() -> Result<bool> {
    let text = fs::read_to_string("/proc/self/mounts").tried("read", "/proc/self/mounts")?;
    let mut types = text.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    // What is mounted over it comes later.
    Ok(types.rfind(|(point, _)| *point == "/").is_some_and(|(_, fstype)| fstype == "rootfs"))
}

fn find(wanted: impl Fn(&[u8], &[u8]) -> bool) -> Result<Option<PathBuf>> {
    let text = fs::read("/proc/self/mountinfo").tried("read", "/proc/self/mountinfo")?;
    Ok(text.split(|&b| b == b'\n').find_map(|line| {
        let mut fields = line.split(|&b| b == b' ');
        // A bind mount of a subdirectory shows its own root in field 4: only the whole hierarchy is of use.
        let (root, point) = (fields.nth(3)?, fields.next()?);
        let mut rest = fields.skip_while(|&field| field != b"-").skip(1);
        let (fstype, options) = (rest.next()?, rest.nth(1)?);
        (root == b"/" && wanted(fstype, options)).then(|| unescape(point))
    }))
}

/// Blanks, tabs, newlines and backslashes are written as `\ooo`.
fn unescape(field: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let code = tail
            .get(..3)
            .filter(|_| byte == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        out.push(code.unwrap_or(byte));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    PathBuf::from(OsString::from_vec(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escaped_blank_in_a_mount_point_is_a_blank() {
        assert_eq!(unescape(b"/a\\040b"), PathBuf::from("/a b"));
    }

    #[test]
    fn a_backslash_at_the_end_stays() {
        assert_eq!(unescape(b"/a\\04"), PathBuf::from("/a\\04"));
    }
}
