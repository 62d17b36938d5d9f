//! What the iterator over open files writes: one [`FileRecord`] per file that may tell a FUSE connection.

use crate::layout;

/// Device number of `/dev/fuse`, as the kernel keeps it (`include/linux/kdev_t.h`: 20 bits of minor number):
/// `MISC_MAJOR` and `FUSE_MINOR` of `include/linux/{major,miscdevice}.h`.
pub const FUSE_DEVICE: u32 = (10 << 20) + 229;

/// `kind`: a `/dev/fuse`; `pointer` is the first word of what its `private_data` points to.
pub const FILE_FUSE_DEVICE: u32 = 0;
/// `kind`: a file of the agent's own; `pointer` is its inode's `i_private`.
pub const FILE_OWN: u32 = 1;

/// One open file.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FileRecord {
    /// As `kind` says.
    pub pointer: u64,
    /// Process that has it.
    pub tgid: i32,
    /// Descriptor there.
    pub fd: i32,
    /// One of the `FILE_` kinds.
    pub kind: u32,
    /// Zero.
    pub reserved: u32,
}
layout!(FileRecord, 24, pointer @ 0, tgid @ 8, fd @ 12, kind @ 16, reserved @ 20);
