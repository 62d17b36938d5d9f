//! An initramfs archive in memory (cpio `newc`, `Documentation/driver-api/early-userspace/buffer-format.rst`): the
//! kernel unpacks one after another of them from the same file.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context;

/// One archive.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

/// Type bits of a mode.
const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

impl Archive {
    /// A directory; those above it come first.
    pub fn directory(&mut self, path: &str) {
        self.entry(path.as_bytes(), DIRECTORY | 0o755, (0, 0), b"");
    }

    /// A file that everybody may execute.
    pub fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path.as_bytes(), FILE | 0o755, (0, 0), content);
    }

    /// A symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.entry(path.as_bytes(), LINK | 0o777, (0, 0), target.as_bytes());
    }

    /// A character device.
    pub fn device(&mut self, path: &str, number: (u32, u32)) {
        self.entry(path.as_bytes(), CHARACTER_DEVICE | 0o600, number, b"");
    }

    /// A file or link of the host under the name `path`; a link stays one.
    pub fn copy(&mut self, path: &str, from: &Path) -> anyhow::Result<()> {
        let mut read = || -> std::io::Result<()> {
            let data = fs::symlink_metadata(from)?;
            if data.is_symlink() {
                let target = fs::read_link(from)?;
                self.entry(path.as_bytes(), LINK | 0o777, (0, 0), target.as_os_str().as_bytes());
            } else {
                let mode = FILE | (data.permissions().mode() & 0o7777);
                self.entry(path.as_bytes(), mode, (0, 0), &fs::read(from)?);
            }
            Ok(())
        };
        read().with_context(|| format!("could not read {}", from.display()))
    }

    /// The whole, ready to be followed by another.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry(b"TRAILER!!!", 0, (0, 0), b"");
        self.bytes
    }

    fn entry(&mut self, path: &[u8], mode: u32, device: (u32, u32), content: &[u8]) {
        self.entries += 1;
        // The kernel takes 32 bits; nothing here comes near.
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(path.len() + 1).unwrap_or(u32::MAX);
        let fields = [
            self.entries, // inode
            mode,
            0, // owner
            0, // group
            1, // links
            0, // time
            size,
            0, // device it was on
            0,
            device.0,
            device.1,
            name_size,
            0, // checksum, unused
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path);
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_a_header_a_name_and_a_content_for_each_entry() {
        let mut archive = Archive::default();
        archive.file("a", b"xyz");
        let bytes = archive.finish();
        assert!(bytes.starts_with(b"07070100000001000081ED"), "inode 1, mode 100755");
        // 110 bytes of header, the name and its end, to a multiple of four, then the content.
        assert_eq!(&bytes[110..116], b"a\0xyz\0");
        assert_eq!(&bytes[116..122], b"070701");
        assert_eq!(bytes.len() % 4, 0);
    }
}
