//! The programs that freeze, and the libraries they are linked with, from Debian's packages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::setup::apt::{Suite, Trust};
use crate::step::Log;
use crate::vm::cpio::Archive;
use crate::vm::kernel::{Kernel, empty, list, unpack};
use crate::vm::machine::Machine;
use crate::vm::modules;

/// The release they are from, that of the base packages: one C library serves all.
const SUITE: &str = "bookworm";

/// The programs. `systemctl freeze` speaks to systemd over the system bus alone.
const PROGRAMS: &[&str] =
    &["runc", "crun", "criu", "lxc", "systemd", "dbus", "dbus-daemon", "dbus-system-bus-common"];

/// What they are linked with, beside what the base packages have.
const LIBRARIES: &[&str] = &[
    "libacl1",
    "libapparmor1",
    "libaudit1",
    "libbsd0",
    "libcap-ng0",
    "libcap2",
    "libcrypt1",
    "libdbus-1-3",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "libgcrypt20",
    "libgmp10",
    "libgnutls30",
    "libgpg-error0",
    "libhogweed6",
    "libidn2-0",
    "libip4tc2",
    "libjansson4",
    "libkmod2",
    "liblxc-common",
    "liblxc1",
    "liblz4-1",
    "liblzma5",
    "libmd0",
    "libmnl0",
    "libmount1",
    "libnet1",
    "libnettle8",
    "libnftables1",
    "libnftnl11",
    "libnl-3-200",
    "libp11-kit0",
    "libpam0g",
    "libpcre2-8-0",
    "libprotobuf-c1",
    "libseccomp2",
    "libselinux1",
    "libssl3",
    "libsystemd-shared",
    "libsystemd0",
    "libtasn1-6",
    "libunistring2",
    "libxtables12",
    "libyajl2",
    "libzstd1",
];

/// Of no use in a guest, and most of what they weigh.
const LEFT_OUT: &[&str] =
    &["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/include", "usr/lib/python3"];

fn folder() -> anyhow::Result<PathBuf> {
    Ok(crate::vm::cache()?.join("others"))
}

/// Fetches them.
pub fn fetch(log: &Log) -> anyhow::Result<()> {
    let _turn = crate::vm::fetching()?;
    let folder = folder()?;
    if folder.is_dir() {
        return Ok(());
    }
    let scratch = folder.with_extension("unpacking");
    empty(&scratch)?;
    let apt = crate::vm::cache()?.join("apt");
    let suite = Suite::open(SUITE, Machine::X86_64.debian(), &apt, Trust::Signature)?;
    suite.update(log)?;
    let wanted: Vec<_> = PROGRAMS.iter().chain(LIBRARIES).map(|&name| name.to_owned()).collect();
    unpack(&suite, &wanted, &scratch, log)?;
    for part in LEFT_OUT.iter().map(|part| scratch.join(part)).filter(|part| part.is_dir()) {
        fs::remove_dir_all(&part).with_context(|| format!("could not remove {}", part.display()))?;
    }
    fs::rename(&scratch, folder).context("could not put the packages in their place")
}

/// What CRIU asks the kernel for, where it is a module: sockets of all kinds, and the firewall that keeps them still.
const MODULES: &[&str] =
    &["nf_tables", "unix_diag", "tcp_diag", "udp_diag", "raw_diag", "netlink_diag", "af_packet_diag"];

/// All of them, with what they need of the kernel, and the units that systemd starts.
pub fn archive(kernel: &Kernel) -> anyhow::Result<Vec<u8>> {
    let root = folder()?;
    let mut archive = Archive::default();
    add(&mut archive, &root, &root)?;
    archive.directory("vm/more");
    let modules = modules::in_order(&kernel.modules, MODULES)?;
    let mut order = String::new();
    for (name, content) in modules {
        archive.file(&format!("vm/more/{name}"), &content);
        order += &format!("insmod /vm/more/{name}\n");
    }
    archive.file("vm/more/insert", order.as_bytes());
    for directory in ["dbus.service.d", "dbus.socket.d"] {
        archive.directory(&format!("etc/systemd/system/{directory}"));
        // At once, without all that usually comes before.
        archive
            .file(&format!("etc/systemd/system/{directory}/early.conf"), b"[Unit]\nDefaultDependencies=no\n");
    }
    archive.file(&format!("etc/systemd/system/{UNIT}"), include_bytes!("job.service"));
    // The system bus changes to a user of its own.
    archive.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nmessagebus:x:100:100::/:/bin/false\n");
    archive.file("etc/group", b"root:x:0:\nmessagebus:x:100:\n");
    Ok(archive.finish())
}

/// Runs the job where systemd is the first process.
pub const UNIT: &str = "job.service";

fn add(archive: &mut Archive, root: &Path, folder: &Path) -> anyhow::Result<()> {
    for path in list(folder)? {
        let name = path.strip_prefix(root).ok().and_then(Path::to_str).context("a file's name")?;
        if path.is_dir() && !path.is_symlink() {
            archive.directory(name);
            // Some packages have empty ones.
            if fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some()) {
                add(archive, root, &path)?;
            }
        } else {
            archive.copy(name, &path)?;
        }
    }
    Ok(())
}
