//! Holds the scene of `cargo xtask demo` open: a cgroup named `0` with a few ordinary processes and one that a freeze
//! cannot reach, because it waits in the kernel for a FUSE server that keeps silent.
//!
//! Prints one line when the scene is set, and takes it down when its standard input ends. Should it be killed, the
//! scene's watchdog does that.

use std::io::Write as _;
use std::time::Duration;
use std::{fs, io};

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use freezer_lab::{Hierarchy, Job, Scene, fuse, mounts};
use nix::sys::signal::{SigHandler, Signal, signal};

/// The name the agent's users meet first.
const NAME: &str = "0";

/// How long the stuck process may take to get stuck.
const STUCK_LIMIT: Duration = Duration::from_secs(10);

#[derive(Parser)]
struct Options {
    /// Freezer to use; without it v1 if the host has one, else v2
    #[arg(long)]
    hierarchy: Option<Hierarchy>,
}

fn main() -> anyhow::Result<()> {
    freezer_lab::run_as_worker_if_asked();
    let options = Options::parse();
    // Ctrl-C is for the command that is being shown; we end when our input does.
    for quiet in [Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: SIG_IGN installs no code.
        unsafe { signal(quiet, SigHandler::SigIgn) }.with_context(|| format!("could not ignore {quiet}"))?;
    }
    let hierarchy = choose(options.hierarchy)?;
    refuse_taken_name()?;

    let mut scene = Scene::new();
    let said = set(&mut scene, hierarchy)?;
    writeln!(io::stdout(), "{said}").context("nobody listens")?;
    io::copy(&mut io::stdin(), &mut io::sink()).context("could not wait for the end of the input")?;

    let errors = scene.take_down();
    ensure!(errors.is_empty(), "could not be taken down: {errors:?}");
    Ok(())
}

fn choose(asked: Option<Hierarchy>) -> anyhow::Result<Hierarchy> {
    let candidates = asked.map_or(Hierarchy::BOTH.to_vec(), |one| vec![one]);
    let found = candidates.into_iter().find(|one| mounts::freezer(*one).is_ok());
    found.with_context(|| match asked {
        Some(one) => format!("this host has no {one} freezer mounted"),
        None => "this host has no cgroup freezer mounted, neither v1 nor v2".to_owned(),
    })
}

/// A cgroup of that name in either hierarchy is somebody's, and `--cgroup 0` could mean it.
fn refuse_taken_name() -> anyhow::Result<()> {
    for hierarchy in Hierarchy::BOTH {
        let Ok(root) = mounts::freezer(hierarchy) else { continue };
        let path = root.join(NAME);
        if fs::symlink_metadata(&path).is_ok() {
            bail!(
                "there is a cgroup {} already, which the demo did not make and so leaves alone; it needs that name: \
                 look what is in it (cat {0}/cgroup.procs), and remove it if it is a left-over (rmdir {0})",
                path.display()
            );
        }
    }
    Ok(())
}

fn set(scene: &mut Scene, hierarchy: Hierarchy) -> anyhow::Result<String> {
    let cgroup = scene.cgroup_named(hierarchy, NAME)?;
    let (mount, _server) = scene.silent_fuse(None)?;
    let ordinary = [Job::Sleep, Job::Poll, Job::Threads(4), Job::Sleep];
    for job in &ordinary {
        scene.worker_in(&cgroup, job)?;
    }
    let stuck = scene.worker_in(&cgroup, &Job::Stat(mount.join(fuse::SILENT_NAME)))?;
    let pid = scene[stuck].pid();
    // Interruptible so far: the freeze's own wake-up turns it into the wait that no freeze can end.
    scene[stuck].wait_stuck(pid, 'S', "request_wait_answer", STUCK_LIMIT)?;
    Ok(format!(
        "{} ({hierarchy}): {} ordinary processes, and {pid} in stat() on {}",
        cgroup.path().display(),
        ordinary.len(),
        mount.display()
    ))
}
