//! This machine and this checkout: where things are, who we are, what can be run.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::IsTerminal;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// The checkout this workshop was compiled from.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// Where cargo builds: `CARGO_TARGET_DIR`, or `target` of the checkout.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |given| root().join(given))
}

/// Where tools and downloads are kept, outside the checkout: `$FREEZER_AGENT_CACHE` or `~/.cache/freezer-agent`.
pub fn cache() -> anyhow::Result<PathBuf> {
    if let Some(given) = env::var_os("FREEZER_AGENT_CACHE") {
        let path = PathBuf::from(given);
        ensure!(path.is_absolute(), "FREEZER_AGENT_CACHE must be an absolute path, not {}", path.display());
        return Ok(path);
    }
    let home =
        env::var_os("HOME").context("HOME is not set: set FREEZER_AGENT_CACHE to a folder for tools")?;
    Ok(Path::new(&home).join(".cache/freezer-agent"))
}

/// Whether this run stands for a machine of continuous integration, where a skipped test is a failure.
pub fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// The cargo that started this workshop.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// How to get root's rights for the parts that need them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rights {
    /// We are root.
    Root,
    /// Not root, but sudo works (it may have asked for a password once).
    Sudo,
    /// Neither.
    None,
}

impl Rights {
    /// Finds out, asking for sudo's password where there is somebody to ask.
    pub fn find() -> Self {
        if nix::unistd::geteuid().is_root() {
            return Rights::Root;
        }
        if find_program("sudo").is_none() {
            return Rights::None;
        }
        let mut sudo = Command::new("sudo");
        if std::io::stdin().is_terminal() {
            eprintln!("not root: sudo is used for the parts that need it");
            sudo.arg("-v");
        } else {
            sudo.args(["-n", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
        }
        if sudo.status().is_ok_and(|status| status.success()) { Rights::Sudo } else { Rights::None }
    }

    /// The command that runs `program` with root's rights and our environment.
    pub fn command(self, program: impl Into<OsString>) -> Command {
        let program = program.into();
        if self == Rights::Sudo {
            let mut command = Command::new("sudo");
            command.args(["-E", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        }
    }
}

/// Looks a program up in `PATH` and in the folders of system programs, which an ordinary user's `PATH` may lack.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

/// Whether the file exists and somebody may execute it.
pub fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// What a short command prints on its standard output, trimmed.
pub fn output_of(command: &mut Command) -> anyhow::Result<String> {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("could not start {shown}"))?;
    ensure!(
        output.status.success(),
        "{shown} failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
