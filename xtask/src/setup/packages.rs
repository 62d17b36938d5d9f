//! Programs from Debian packages that the real-kernel tests and the benchmark use.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::Need;
use crate::host::{Rights, find_program};
use crate::step::Log;
use crate::vm::machine::Machine;

/// A program, or the path of a file, and the package that brings it.
struct Program {
    name: &'static str,
    package: &'static str,
}

const PROGRAMS: &[Program] = &[
    // A loop device with a filesystem to freeze: the fs-frozen and block-io scenarios.
    Program { name: "mkfs.ext4", package: "e2fsprogs" },
    Program { name: "losetup", package: "mount" },
    // Its freezes are explained in the tests, and compared with in `bench`.
    Program { name: "runc", package: "runc" },
];

/// What guests need (`xtask/src/vm`).
const FOR_GUESTS: &[Program] = &[
    Program { name: "qemu-system-x86_64", package: "qemu-system-x86" },
    // Modules of newer kernels are compressed.
    Program { name: "xz", package: "xz-utils" },
];

/// What guests of the other architecture need, too: to run, and to have programs built for them.
const FOR_ARM: &[Program] = &[
    Program { name: "qemu-system-aarch64", package: "qemu-system-arm" },
    Program { name: "aarch64-linux-gnu-gcc", package: "gcc-aarch64-linux-gnu" },
    Program { name: "/usr/aarch64-linux-gnu/lib/libc.a", package: "libc6-dev-arm64-cross" },
];

/// The packages whose programs are not here.
pub fn missing() -> Option<Need> {
    absent(PROGRAMS.iter())
}

/// The same for guests. Not among [`super::missing`]: without guests the rest of the tests is still worth running.
pub fn missing_for_guests(machines: &[Machine]) -> Option<Need> {
    let for_arm = if machines.contains(&Machine::Aarch64) { FOR_ARM } else { &[] };
    absent(FOR_GUESTS.iter().chain(for_arm))
}

fn absent<'p>(programs: impl Iterator<Item = &'p Program>) -> Option<Need> {
    let packages: Vec<&'static str> =
        programs.filter(|program| !program.is_here()).map(|found| found.package).collect();
    if packages.is_empty() {
        return None;
    }
    let names = packages.join(", ");
    Some(Need {
        name: format!("Debian packages: {names}"),
        install: Box::new(move |log| {
            install(&packages, log)
                .with_context(|| format!("these packages must be installed by hand: {names}"))?;
            Ok(String::new())
        }),
    })
}

impl Program {
    fn is_here(&self) -> bool {
        let file = Path::new(self.name);
        if file.is_absolute() { file.is_file() } else { find_program(self.name).is_some() }
    }
}

fn install(packages: &[&str], log: &Log) -> anyhow::Result<()> {
    let rights = Rights::find();
    let apt_get = || {
        let mut command = rights.command("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    let install = |log: &Log| log.run(install_command(&mut apt_get(), packages));
    // A machine whose lists are fresh needs no update; one that never had any, or old ones, does.
    if install(log).is_err() {
        log.run(apt_get().arg("update"))?;
        install(log)?;
    }
    Ok(())
}

fn install_command<'a>(apt_get: &'a mut Command, packages: &[&str]) -> &'a mut Command {
    apt_get.args(["install", "--yes", "--no-install-recommends"]).args(packages)
}
