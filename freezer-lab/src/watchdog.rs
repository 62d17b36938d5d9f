//! A child process that takes the scene down when its parent could not.
//!
//! It reads undo steps from a pipe, one JSON line each, whose only writer is the parent: end of file means the
//! parent is gone, however it died, and what has not been undone by then is undone here. It runs in a session of
//! its own and ignores the signals of a terminal, so that a Ctrl-C or a killed process group does not take it along.

use std::io::{self, BufRead as _, Write as _};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::{SigHandler, Signal, signal};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, Tried as _};
use crate::undo::Undo;
use crate::worker;

/// First argument that makes the program a watchdog.
pub(crate) const ARGUMENT: &str = "lab-watchdog";

static PIPE: Mutex<Option<ChildStdin>> = Mutex::new(None);

#[derive(Serialize, Deserialize)]
enum Line {
    Add(Undo),
    Done(Undo),
}

/// Tells the watchdog, started on the first call, what to undo if this process dies.
pub(crate) fn add(undo: &Undo) -> Result<()> {
    tell(&Line::Add(undo.clone()))
}

/// Tells it that a step has been taken care of.
pub(crate) fn done(undo: &Undo) -> Result<()> {
    tell(&Line::Done(undo.clone()))
}

fn tell(line: &Line) -> Result<()> {
    let mut text = serde_json::to_string(line).map_err(|error| Error::new("write", "an undo step", error))?;
    text.push('\n');
    let mut slot = PIPE.lock().unwrap_or_else(PoisonError::into_inner);
    let pipe = match &mut *slot {
        Some(pipe) => pipe,
        empty => empty.insert(start()?),
    };
    pipe.write_all(text.as_bytes()).tried("tell", "the watchdog")
}

fn start() -> Result<ChildStdin> {
    let exe = worker::executable()?;
    // Not waited for: it outlives this process by design and init reaps it.
    let child = Command::new(&exe).arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    child
        .tried("start the watchdog", exe.display())?
        .stdin
        .take()
        .ok_or_else(|| Error::new("start the watchdog", exe.display(), "it has no stdin"))
}

/// The watchdog's own main: collects steps until the pipe closes, then runs what is left.
pub(crate) fn main() -> Result<()> {
    nix::unistd::setsid().tried("leave", "the session")?;
    for quiet in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGPIPE] {
        // SAFETY: SIG_IGN installs no code.
        unsafe { signal(quiet, SigHandler::SigIgn) }.tried("ignore", quiet)?;
    }
    let mut left = Vec::new();
    for line in io::stdin().lock().lines() {
        let line = line.tried("read", "an undo step")?;
        match serde_json::from_str(&line) {
            Ok(Line::Add(undo)) => left.push(undo),
            Ok(Line::Done(undo)) => {
                if let Some(at) = left.iter().rposition(|other| *other == undo) {
                    left.remove(at);
                }
            }
            // Cut short: the parent died while it wrote.
            Err(error) => eprintln!("freezer-lab watchdog: {error}"),
        }
    }
    for error in Undo::run_all(left) {
        eprintln!("freezer-lab watchdog: {error}");
    }
    Ok(())
}
