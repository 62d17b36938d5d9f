//! Refuses to embed an eBPF object that was not built from the sources at hand; lays the program out for a quick start.

use std::{env, fs, path::Path, process::exit};

#[path = "ebpf/digest.rs"]
mod digest;
#[path = "build/link.rs"]
mod link;

fn main() {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let manifest = Path::new(&manifest);
    let workspace = manifest.parent().unwrap_or(manifest);
    let recorded = manifest.join("ebpf/freezer.bpf.digest");
    for path in
        ["freezer-ebpf/Cargo.toml", "freezer-ebpf/src", "freezer-common/Cargo.toml", "freezer-common/src"]
    {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
    println!("cargo::rerun-if-changed={}", recorded.display());
    println!("cargo::rerun-if-changed={}", workspace.join("Cargo.lock").display());

    // A plain freeze is over in a millisecond, most of it page faults of the start: without gaps between the segments
    // there are 15 fewer.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,noseparate-code");
    println!("cargo::rustc-check-cfg=cfg(quick_start)");
    if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|libc| libc == "gnu") {
        println!("cargo::rustc-cfg=quick_start");
        link::statically();
    }

    let built_from = fs::read_to_string(&recorded).unwrap_or_default();
    match digest::of_sources(workspace) {
        Ok(now) if now == built_from.trim() => {}
        Ok(_) => fail("the eBPF sources changed since freezer-agent/ebpf/freezer.bpf.o was built"),
        Err(error) => fail(&format!("cannot read the eBPF sources: {error}")),
    }
}

fn fail(reason: &str) {
    println!("cargo::error={reason}; run `cargo xtask ebpf` to build it anew");
    exit(1);
}
