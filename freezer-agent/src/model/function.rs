//! Names of kernel functions, as a reader of the source knows them, from the forms the kernel writes them in.

/// Frames that are there only because somebody (the agent itself) watches by BPF: programs, and the trampolines that
/// call them (`kernel/bpf/trampoline.c`, `bpf_image_ksym_init`; `kernel/bpf/core.c`, `bpf_get_prog_name`).
const BPF: [&str; 3] = ["bpf_trampoline_", "bpf_prog_", "bpf_dispatcher_"];

/// `request_wait_answer` of `request_wait_answer.isra.0+0x9c/0x110 [fuse]`; `None` for what names no function of the
/// kernel: an address, nothing, a BPF program or its trampoline.
///
/// What follows the name: an offset (`+`), a module (a blank or tab), what the compiler made of the function (`.isra.0`,
/// `.constprop.0`, `.part.3`, `.cold`, `.llvm.123`: the same function to a reader).
#[must_use]
pub fn plain(written: &[u8]) -> Option<&str> {
    let end = written.iter().position(|byte| matches!(byte, b'+' | b'.' | b' ' | b'\t' | b'\n'));
    let name = std::str::from_utf8(&written[..end.unwrap_or(written.len())]).ok()?;
    let first = name.chars().next()?;
    (!first.is_ascii_digit() && !BPF.iter().any(|beginning| name.starts_with(beginning))).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_the_compiler_and_the_module_loader_add_is_no_part_of_the_name() {
        for suffix in [
            "",
            ".isra.0",
            ".constprop.0.isra.1",
            ".part.3",
            ".cold",
            ".llvm.8437",
            "+0x9c/0x110",
            "\t[fuse]",
        ] {
            let written = format!("fuse_lookup{suffix}");
            assert_eq!(plain(written.as_bytes()), Some("fuse_lookup"), "{written}");
        }
        assert_eq!(plain(b"fuse_lookup.cold+0x1/0x2 [fuse]"), Some("fuse_lookup"));
    }

    #[test]
    fn bpf_programs_trampolines_and_bare_addresses_are_no_functions() {
        for written in [
            &b"bpf_trampoline_6442507461+0x5c/0x1000"[..],
            b"bpf_prog_1d9745f0851afa35_snapshot\t[bpf]",
            b"bpf_dispatcher_xdp",
            b"0xffffffffc0000000",
            b"0",
            b"",
            b"\xff",
        ] {
            assert_eq!(plain(written), None, "{written:?}");
        }
        assert_eq!(plain(b"bpf_get_task_stack"), Some("bpf_get_task_stack"), "the kernel's own function");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_name_or_not(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(plain(&bytes).is_none_or(|name| bytes.starts_with(name.as_bytes())));
        }
    }
}
