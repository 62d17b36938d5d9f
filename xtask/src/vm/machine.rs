//! The architectures of guests.

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Machine {
    /// This one, on most hosts.
    X86_64,
    /// 64-bit Arm.
    Aarch64,
}

impl Machine {
    /// All.
    pub const ALL: [Machine; 2] = [Machine::X86_64, Machine::Aarch64];

    /// What Debian calls it.
    pub fn debian(self) -> &'static str {
        match self {
            Machine::X86_64 => "amd64",
            Machine::Aarch64 => "arm64",
        }
    }

    /// What Rust calls it, with Debian's C library.
    pub fn target(self) -> &'static str {
        match self {
            Machine::X86_64 => "x86_64-unknown-linux-gnu",
            Machine::Aarch64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// Emulates it.
    pub fn qemu(self) -> &'static str {
        match self {
            Machine::X86_64 => "qemu-system-x86_64",
            Machine::Aarch64 => "qemu-system-aarch64",
        }
    }

    /// qemu's board and processor, and the serial ports: the console's comes first, then the job's.
    ///
    /// Arm: the virt board has one port of its own; pointer authentication in the way that costs an emulator least.
    pub fn board(self) -> &'static [&'static str] {
        match self {
            Machine::X86_64 => {
                &["-M", "q35", "-cpu", "max", "-serial", "chardev:console", "-serial", "chardev:job"]
            }
            Machine::Aarch64 => &[
                "-M",
                "virt",
                "-cpu",
                "max,pauth-impdef=on",
                "-serial",
                "chardev:console",
                "-device",
                "pci-serial,chardev=job",
            ],
        }
    }

    /// The kernel's names of these two ports.
    pub fn ports(self) -> [&'static str; 2] {
        match self {
            Machine::X86_64 => ["ttyS0", "ttyS1"],
            Machine::Aarch64 => ["ttyAMA0", "ttyS0"],
        }
    }

    /// Words for the kernel: of the clock, which emulation makes unsteady.
    pub fn kernel_line(self) -> &'static str {
        match self {
            Machine::X86_64 => "tsc=reliable no_timer_check",
            Machine::Aarch64 => "",
        }
    }

    /// Where Debian has shared libraries.
    pub fn libraries(self) -> &'static str {
        match self {
            Machine::X86_64 => "lib/x86_64-linux-gnu",
            Machine::Aarch64 => "lib/aarch64-linux-gnu",
        }
    }

    /// Where programs look for their loader, and its name among the libraries.
    pub fn loader(self) -> (&'static str, &'static str) {
        match self {
            Machine::X86_64 => ("lib64", "ld-linux-x86-64.so.2"),
            Machine::Aarch64 => ("lib", "ld-linux-aarch64.so.1"),
        }
    }
}
