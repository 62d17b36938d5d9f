//! Which of the files a system call names lies on a mount that a rule asks for.

use super::super::case::Case;
use super::super::facts::{FileFacts, KnownBy, MappedFile, MountFacts};
use super::super::verdict::{Certainty, WaitsFor};

/// A file's mount that fits, and how sure that is.
pub fn mount_where<'a>(
    case: &Case<'a>,
    fits: impl Fn(&MountFacts) -> bool,
) -> Option<(&'a MountFacts, Certainty)> {
    let fitting = |file: &&FileFacts| file.mount.as_ref().is_some_and(&fits);
    let files = case.files();
    // A descriptor is the kernel's word; a path is the task's own, and symbolic links may lead elsewhere.
    let best = files
        .iter()
        .filter(fitting)
        .find(|file| file.known_by == KnownBy::Descriptor)
        .or_else(|| files.iter().find(fitting))?;
    let certain = best.known_by == KnownBy::Descriptor && files.iter().filter(fitting).count() == 1;
    best.mount.as_ref().map(|mount| (mount, if certain { Certainty::Certain } else { Certainty::Likely }))
}

/// All mounts that fit, those of descriptors first, each with how sure it is where it is the only one.
pub fn mounts_where<'a>(
    case: &Case<'a>,
    fits: impl Fn(&MountFacts) -> bool,
) -> Vec<(&'a MountFacts, Certainty)> {
    let mut files: Vec<&FileFacts> =
        case.files().iter().filter(|file| file.mount.as_ref().is_some_and(&fits)).collect();
    files.sort_by_key(|file| file.known_by != KnownBy::Descriptor);
    let certainty = |file: &FileFacts| match file.known_by {
        KnownBy::Descriptor => Certainty::Certain,
        KnownBy::PathArgument => Certainty::Likely,
    };
    files.into_iter().filter_map(|file| Some((file.mount.as_ref()?, certainty(file)))).collect()
}

/// The mount of a mapped file that fits, for a page fault: only where it is the only one.
pub fn mapped_where<'a>(
    case: &Case<'a>,
    fits: impl Fn(&MappedFile) -> bool,
) -> Option<(&'a MountFacts, Certainty)> {
    let mut mounts = case.details()?.mapped.iter().filter(|file| fits(file)).map(|file| &file.mount);
    let first = mounts.next()?;
    mounts.all(|mount| mount == first).then_some((first, Certainty::Likely))
}

/// A mount as a step of the chain.
pub fn step(mount: &MountFacts) -> WaitsFor {
    WaitsFor::Mount { path: mount.path.clone(), fstype: mount.fstype.clone(), source: mount.source.clone() }
}

/// FUSE whose server is the machine this one runs on.
pub fn is_virtiofs(mount: &MountFacts) -> bool {
    mount.fstype.as_bytes() == b"virtiofs"
}

/// `fuse`, `fuseblk`, `fuse.sshfs`, ...: not `fusectl`. `virtiofs` has no server process on this host.
pub fn is_fuse(mount: &MountFacts) -> bool {
    let fstype = mount.fstype.as_bytes();
    fstype == b"fuse"
        || fstype == b"fuseblk"
        || fstype.starts_with(b"fuse.")
        || fstype.starts_with(b"fuseblk.")
}
