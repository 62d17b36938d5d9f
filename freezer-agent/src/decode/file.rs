//! Records of the iterator over open files, in the layout of `freezer_common::file`.

use bytes::{Buf as _, TryGetError};
use freezer_common::file::{FILE_FUSE_DEVICE, FILE_OWN, FileRecord};

use super::DecodeError;

/// What an open file points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointsTo {
    /// A `/dev/fuse`: the first word of the kernel's device, its connection.
    FuseDevice(u64),
    /// A file of this process: its inode's private pointer.
    Own(u64),
}

/// One open file as the iterator saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLook {
    /// Process that has it.
    pub pid: i32,
    /// Descriptor there.
    pub fd: i32,
    /// A kernel address.
    pub points_to: PointsTo,
}

/// Decodes everything one walk of the iterator wrote.
pub fn files(bytes: &[u8]) -> Result<Vec<FileLook>, DecodeError> {
    let record = |record: &[u8]| {
        let short = |_| DecodeError::Short { kind: 0, have: record.len() };
        let (kind, look) = file(record).map_err(short)?;
        look.ok_or(DecodeError::Kind(kind))
    };
    bytes.chunks(size_of::<FileRecord>()).map(record).collect()
}

/// Fields in the order of [`FileRecord`]; nothing where the kind is not known.
fn file(mut record: &[u8]) -> Result<(u32, Option<FileLook>), TryGetError> {
    let buf = &mut record;
    let pointer = buf.try_get_u64_le()?;
    let (pid, fd) = (buf.try_get_i32_le()?, buf.try_get_i32_le()?);
    let (kind, _reserved) = (buf.try_get_u32_le()?, buf.try_get_u32_le()?);
    let points_to = match kind {
        FILE_FUSE_DEVICE => Some(PointsTo::FuseDevice(pointer)),
        FILE_OWN => Some(PointsTo::Own(pointer)),
        _ => None,
    };
    Ok((kind, points_to.map(|points_to| FileLook { pid, fd, points_to })))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_gives_its_file_and_a_kind_not_known_gives_an_error() {
        let mut bytes = 0xffff_8880_0000_1000_u64.to_le_bytes().to_vec();
        for word in [4711_u32, 5, FILE_FUSE_DEVICE, 0] {
            bytes.extend(word.to_le_bytes());
        }
        let points_to = PointsTo::FuseDevice(0xffff_8880_0000_1000);
        assert_eq!(files(&bytes), Ok(vec![FileLook { pid: 4711, fd: 5, points_to }]));
        bytes[16] = 9;
        assert_eq!(files(&bytes), Err(DecodeError::Kind(9)));
    }

    proptest! {
        #[test]
        fn any_bytes_give_files_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            _ = files(&bytes);
        }
    }
}
