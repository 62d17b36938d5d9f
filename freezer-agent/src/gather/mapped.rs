//! Files mapped by a task: where it is in a page fault, one of them is the file it waits for; msync(2) says which.

use super::memory::{Memory, MemoryError};
use super::mountinfo::Mount;
use super::procdir::Process;
use super::tables::Tables;
use crate::explain::facts::MappedFile;
use crate::explain::functions::{self, Mechanism};
use crate::model::Name;

/// Whether a kernel stack is in a page fault on a file.
pub fn faults_on_file(stack: &[String]) -> bool {
    functions::contains(stack, Mechanism::FileFault)
}

/// One file per mount and use.
pub fn of(
    process: &Process,
    memory: &mut Memory,
    tables: &mut Tables,
) -> Result<Vec<MappedFile>, MemoryError> {
    Ok(parse(&memory.maps(process.tid)?, &tables.of(process)))
}

/// The file mapped at an address.
pub fn at(
    process: &Process,
    address: u64,
    memory: &mut Memory,
    mounts: &[Mount],
) -> Result<Option<MappedFile>, MemoryError> {
    let maps = memory.maps(process.tid)?;
    let line = maps.split(|&b| b == b'\n').find(|line| holds(line, address));
    Ok(line.and_then(|line| mapping(line, mounts)))
}

fn parse(maps: &[u8], mounts: &[Mount]) -> Vec<MappedFile> {
    let mut files: Vec<MappedFile> = Vec::new();
    for file in maps.split(|&b| b == b'\n').filter_map(|line| mapping(line, mounts)) {
        let known = files
            .iter()
            .any(|known| known.mount == file.mount && known.written_through == file.written_through);
        if !known {
            files.push(file);
        }
    }
    files
}

/// Whether the range at the beginning of a line holds an address.
fn holds(line: &[u8], address: u64) -> bool {
    let range = line.split(|&b| b == b' ').next().and_then(|range| std::str::from_utf8(range).ok());
    let number = |hex| u64::from_str_radix(hex, 16).ok();
    let bounds = range.and_then(|range| range.split_once('-')).map(|(from, to)| (number(from), number(to)));
    matches!(bounds, Some((Some(from), Some(to))) if (from..to).contains(&address))
}

/// `7f..-7f.. rw-s 00000000 07:00 12   /mnt/file` (`fs/proc/task_mmu.c`, `show_map_vma`).
fn mapping(line: &[u8], mounts: &[Mount]) -> Option<MappedFile> {
    let mut words = line.splitn(6, |&b| b == b' ');
    let (_range, rights, _offset, device, _inode) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let path = words.next()?.trim_ascii_start();
    if path.first() != Some(&b'/') {
        return None;
    }
    let (major, minor) = std::str::from_utf8(device).ok()?.split_once(':')?;
    let number = |hex| u32::from_str_radix(hex, 16).ok();
    let (major, minor) = (number(major)?, number(minor)?);
    let on_device = |mount: &&Mount| (mount.facts.major, mount.facts.minor) == (major, minor);
    let mount = mounts.iter().find(on_device)?.facts.clone();
    Some(MappedFile { path: Name::from(path), written_through: rights == b"rw-s", mount })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOUNTS: &[u8] =
        b"1 0 254:1 / / rw - ext4 /dev/vda rw\n2 1 7:0 / /mnt/frozen rw - ext4 /dev/loop0 rw\n";

    #[test]
    fn a_store_can_only_wait_for_a_file_mapped_shared_and_writable() {
        let maps = b"55d0-55d1 r-xp 00000000 fe:01 393 /usr/bin/cat\n\
            7f00-7f01 rw-s 00000000 07:00 12                     /mnt/frozen/a b\n\
            7f01-7f02 rw-s 00001000 07:00 12                     /mnt/frozen/a b\n\
            7f02-7f03 rw-p 00000000 00:00 0                      [heap]\n";
        let files = parse(maps, &super::super::mountinfo::parse(MOUNTS));
        let shown: Vec<_> = files.iter().map(|f| (f.path.to_string(), f.written_through)).collect();
        assert_eq!(shown, [("/usr/bin/cat".to_owned(), false), ("/mnt/frozen/a b".to_owned(), true)]);
        assert_eq!(files[1].mount.path.to_string(), "/mnt/frozen");
    }

    #[test]
    fn an_address_belongs_to_the_range_it_lies_in() {
        let line = b"7f00-7f01 rw-s 00000000 07:00 12 /mnt/frozen/a";
        assert!(holds(line, 0x7f00));
        assert!(!holds(line, 0x7f01));
    }

    proptest! {
        #[test]
        fn any_bytes_are_mappings_or_not(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            holds(&bytes, 1);
            parse(&bytes, &[]);
        }
    }
}
