//! What this host must have for a case.

use std::fs;
use std::path::Path;

use super::Case;
use crate::Hierarchy;
use crate::mounts;

/// Something of the kernel or the host that not every one has.
enum Need {
    /// A line of `/proc/filesystems`.
    Filesystem(&'static str),
    /// A device of `/proc/misc` or `/proc/devices`.
    Device(&'static str),
    /// A v2 controller that the root hands down.
    Controller(&'static str),
    /// A path that must be free for the lab to use.
    Free(&'static str),
    /// A kernel not older than this: for what shows itself nowhere before it is used.
    Linux(u32, u32),
}

/// Cases by the beginning of their names, and what they need.
const NEEDS: &[(&str, Need)] = &[
    ("fuse-", Need::Filesystem("fuse")),
    ("lock-directory", Need::Filesystem("fuse")),
    ("late-", Need::Filesystem("fuse")),
    ("stopped-during", Need::Filesystem("fuse")),
    ("lock-file-position", Need::Filesystem("fuse")),
    ("fs-frozen-", Need::Device("loop")),
    // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
    ("seccomp-outside", Need::Linux(5, 19)),
    ("seccomp-inside", Need::Linux(5, 19)),
    ("seccomp-frozen-elsewhere", Need::Linux(5, 19)),
    ("seccomp-idle-beside", Need::Linux(5, 19)),
    ("seccomp-two-supervisors", Need::Linux(5, 19)),
    ("key-upcall", Need::Free(super::key_upcall::HELPER)),
    ("autofs", Need::Filesystem("autofs")),
    ("block-io-loop", Need::Device("loop")),
    ("block-io-dm", Need::Device("device-mapper")),
    ("block-io-dm", Need::Device("loop")),
    ("io-throttle-max", Need::Controller("io")),
    ("nfs-", Need::Filesystem("nfs")),
];

impl Case {
    /// Why this host cannot run it; `None`: it can.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        if self.possible().is_empty() {
            let wanted: Vec<_> = self.hierarchies.iter().map(ToString::to_string).collect();
            return Some(format!("no {} freezer is mounted", wanted.join(" or ")));
        }
        lacking(self.name)
    }

    /// The hierarchies of this host that it can occur on.
    #[must_use]
    pub fn possible(&self) -> Vec<Hierarchy> {
        self.hierarchies.iter().copied().filter(|hierarchy| mounts::freezer(*hierarchy).is_ok()).collect()
    }
}

fn lacking(name: &str) -> Option<String> {
    let needs = NEEDS.iter().filter(|(beginning, _)| name.starts_with(beginning));
    needs.map(|(_, need)| need).find_map(Need::lacking)
}

impl Need {
    /// What is lacking, in words. A module that could still be loaded counts as lacking: the lab loads none.
    fn lacking(&self) -> Option<String> {
        let (files, word, what): (&[&str], _, _) = match self {
            Self::Filesystem(name) => (&["/proc/filesystems"], name, "filesystem"),
            Self::Device(name) => (&["/proc/misc", "/proc/devices"], name, "device"),
            Self::Controller(name) => return not_handed_down(name),
            Self::Free(path) => return taken(Path::new(path)),
            Self::Linux(major, minor) => return older_than((*major, *minor)),
        };
        let listed = |file: &&str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            text.lines().any(|line| line.split_ascii_whitespace().last() == Some(*word))
        };
        (!files.iter().any(listed)).then(|| format!("this kernel has no {word} {what} (perhaps a module)"))
    }
}

/// On hybrid hosts v1 has most controllers.
fn not_handed_down(controller: &str) -> Option<String> {
    let file = mounts::freezer(Hierarchy::V2).ok()?.join("cgroup.subtree_control");
    let text = fs::read_to_string(file).unwrap_or_default();
    let has = text.split_ascii_whitespace().any(|name| name == controller);
    (!has).then(|| format!("the v2 hierarchy does not hand the controller {controller} down"))
}

/// What this kernel lacks, if it is older than the version.
fn older_than(version: (u32, u32)) -> Option<String> {
    let release = release();
    (parse_release(&release)? < version)
        .then(|| format!("this kernel is {release}, and it came with {}.{}", version.0, version.1))
}

/// Whether this kernel is that version or a newer one: what it does with a case may depend on it.
pub(super) fn is_linux(major: u32, minor: u32) -> bool {
    older_than((major, minor)).is_none()
}

fn release() -> String {
    nix::sys::utsname::uname()
        .map_or_else(|_| String::new(), |names| names.release().to_string_lossy().into_owned())
}

/// Major and minor of `6.12.117+deb13-cloud-amd64`.
fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Taken by the host: a link to a file of the lab itself is a case under way.
fn taken(path: &Path) -> Option<String> {
    path.symlink_metadata().ok()?;
    let labs = std::env::temp_dir().join("lab-");
    let to_lab = fs::read_link(path)
        .is_ok_and(|to| to.as_os_str().as_encoded_bytes().starts_with(labs.as_os_str().as_encoded_bytes()));
    (!to_lab).then(|| format!("this host has a {} of its own, which the lab does not touch", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_begins_with_two_numbers() {
        assert_eq!(parse_release("6.12.117+deb13-cloud-amd64"), Some((6, 12)));
        assert_eq!(parse_release("7.0-rc1"), Some((7, 0)));
        assert_eq!(parse_release("linux"), None);
        assert!(older_than((2, 6)).is_none());
        assert!(older_than((1000, 0)).is_some_and(|why| why.contains("1000.0")));
    }

    #[test]
    fn a_path_is_taken_by_anything_but_the_lab_s_own_link() {
        assert_eq!(taken(Path::new("/nowhere/at/all")), None);
        assert!(taken(Path::new("/proc/self/exe")).is_some_and(|why| why.contains("/proc/self/exe")));
        let dir = std::env::temp_dir().join(format!("lab-needs-{}", std::process::id()));
        fs::create_dir(&dir).expect("a directory");
        let link = dir.join("link");
        std::os::unix::fs::symlink(dir.join("request-key"), &link).expect("a link");
        assert_eq!(taken(&link), None);
        fs::remove_dir_all(&dir).expect("removed");
    }
}
