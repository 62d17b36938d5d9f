//! Builds the eBPF object that is committed with the agent, and proves that the committed one is what its sources
//! give.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

#[path = "../../freezer-agent/ebpf/digest.rs"]
mod digest;

const OBJECT: &str = "freezer-agent/ebpf/freezer.bpf.o";
const DIGEST: &str = "freezer-agent/ebpf/freezer.bpf.digest";
const TARGET: &str = "bpfel-unknown-none";
/// The compiler of the committed object.
const BUILT_WITH: &str = "rustc 1.95.0";

/// Rebuilds the committed object and its digest.
pub fn build(workspace: &Path) -> Result<()> {
    let built = compile(workspace)?;
    write_if_changed(&workspace.join(OBJECT), &built)?;
    let digest = digest::of_sources(workspace).context("cannot read the eBPF sources")?;
    write_if_changed(&workspace.join(DIGEST), format!("{digest}\n").as_bytes())
}

/// Rebuilds the object elsewhere and compares it with the committed one, byte for byte.
///
/// Another compiler gives other bytes: with one, only CI insists on them.
pub fn check(workspace: &Path) -> Result<()> {
    let committed = fs::read(workspace.join(OBJECT)).with_context(|| format!("cannot read {OBJECT}"))?;
    let built = compile(workspace)?;
    let rustc = rustc(&["--version"])?;
    if rustc.starts_with(BUILT_WITH) || env::var_os("CI").is_some() {
        ensure!(
            built == committed,
            "{OBJECT} is not what its sources give ({rustc}; it is built with {BUILT_WITH}); run `cargo xtask ebpf` \
             and commit the result"
        );
    } else {
        println!("built, but not compared: {rustc} here, the committed object is of {BUILT_WITH}");
    }
    let recorded =
        fs::read_to_string(workspace.join(DIGEST)).with_context(|| format!("cannot read {DIGEST}"))?;
    let now = digest::of_sources(workspace).context("cannot read the eBPF sources")?;
    ensure!(recorded.trim() == now, "{DIGEST} does not belong to these sources; run `cargo xtask ebpf`");
    Ok(())
}

/// Compiles the kernel side and gives the stripped object.
fn compile(workspace: &Path) -> Result<Vec<u8>> {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from).join("ebpf");
    let sysroot = sysroot()?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // The flags name the folder that the dependencies are unpacked to: it must be there.
    let fetched = Command::new(&cargo).current_dir(workspace).args(["fetch", "--quiet", "--locked"]).status();
    ensure!(fetched.context("cannot run cargo")?.success(), "fetching the dependencies failed");
    let status = Command::new(&cargo)
        .current_dir(workspace)
        .args([
            "build",
            "--quiet",
            "--locked",
            "--release",
            "--package",
            "freezer-ebpf",
            "--bin",
            "freezer-ebpf",
        ])
        .args(["--features", "bpf", "--target", TARGET, "-Z", "build-std=core"])
        // The BPF target and build-std are unstable: this build alone gets them from the stable compiler.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", &target)
        // Without these two the object would hold the directory it was built in.
        .env("CARGO_UNSTABLE_TRIM_PATHS", "true")
        .env("CARGO_PROFILE_RELEASE_TRIM_PATHS", "all")
        // BTF is made from the debug information; the linker needs it, the object does not keep it.
        .env("CARGO_PROFILE_RELEASE_DEBUG", "2")
        .env("CARGO_PROFILE_RELEASE_STRIP", "none")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        // cargo has flags for the host only under this name; they would replace ours.
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags()?.join("\x1f"))
        // Built outside rustup's own cargo the linker finds LLVM here.
        .env("LD_LIBRARY_PATH", sysroot.join("lib"))
        .status()
        .context("cannot run cargo for the eBPF programs")?;
    ensure!(
        status.success(),
        "building the eBPF programs failed; `cargo xtask setup` provides bpf-linker and rust-src"
    );
    strip(&sysroot, &target.join(TARGET).join("release/freezer-ebpf"))
}

/// The linker, and the name under which the object knows the sources of its dependencies: cargo's own holds the
/// registry they came from, which may be a mirror.
fn flags() -> Result<Vec<String>> {
    let mut flags = vec!["-Clink-arg=--btf".to_owned(), format!("-Clinker={}", linker()?.display())];
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set")?;
    for registry in fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten() {
        flags.push(format!("--remap-path-prefix={}=registry", registry.path().display()));
    }
    Ok(flags)
}

/// Strips the debug sections, more than a megabyte, and `.BTF.ext`, the source lines in verifier messages: half
/// of what is left, and some milliseconds of every load. Keeps `.BTF`.
fn strip(sysroot: &Path, built: &Path) -> Result<Vec<u8>> {
    let stripped = built.with_extension("stripped");
    let tool = objcopy(sysroot)?;
    let status = Command::new(&tool)
        .arg("--strip-debug")
        .args(["--remove-section=.BTF.ext", "--remove-section=.rel.BTF.ext", "--remove-section=.rel.BTF"])
        .args([built, &stripped])
        .status()
        .with_context(|| format!("cannot run {}", tool.display()))?;
    ensure!(status.success(), "stripping {} failed", built.display());
    fs::read(&stripped).with_context(|| format!("cannot read {}", stripped.display()))
}

/// rustc's own copy of objcopy: always the same version as the compiler.
fn objcopy(sysroot: &Path) -> Result<PathBuf> {
    let targets = sysroot.join("lib/rustlib");
    for entry in fs::read_dir(&targets).with_context(|| format!("cannot read {}", targets.display()))? {
        let tool = entry?.path().join("bin/rust-objcopy");
        if tool.is_file() {
            return Ok(tool);
        }
    }
    bail!("no rust-objcopy under {}: install rustc 1.84 or newer with rustup", targets.display())
}

fn sysroot() -> Result<PathBuf> {
    rustc(&["--print", "sysroot"]).map(PathBuf::from)
}

/// What rustc answers, trimmed.
fn rustc(arguments: &[&str]) -> Result<String> {
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(arguments)
        .output()
        .context("cannot run rustc")?;
    ensure!(output.status.success(), "rustc {} failed", arguments.join(" "));
    let answer = String::from_utf8(output.stdout).context("rustc's answer is no UTF-8")?;
    Ok(answer.trim().to_owned())
}

/// bpf-linker from the workshop's own cache, else from `PATH`.
fn linker() -> Result<PathBuf> {
    let cache = env::var_os("FREEZER_AGENT_CACHE")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache/freezer-agent")));
    let cached = cache.map(|cache| cache.join("tools/bin/bpf-linker"));
    let in_path = env::var_os("PATH")
        .into_iter()
        .flat_map(|path| env::split_paths(&path).map(|folder| folder.join("bpf-linker")).collect::<Vec<_>>());
    cached
        .into_iter()
        .chain(in_path)
        .find(|candidate| candidate.is_file())
        .context("bpf-linker is not installed; `cargo xtask setup` installs it")
}

fn write_if_changed(path: &Path, contents: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == contents) {
        return Ok(());
    }
    fs::write(path, contents).with_context(|| format!("cannot write {}", path.display()))
}
