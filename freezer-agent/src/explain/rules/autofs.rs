//! `autofs`: the task came upon an automount point, and the automount daemon has not answered.
//!
//! What happens: the first look below an automount point (`/net`, `/misc`, a systemd `.automount` unit) sends a question
//! down a pipe to a daemon, which is to mount something there. The task waits killable, deaf to every other signal, until
//! the daemon answers; a task that comes while the daemon takes a mount down waits likewise.
//!
//! Confirm by hand: `cat /proc/TID/stack` shows `autofs_wait`; the automount point's line in `/proc/TID/mountinfo` has
//! `pipe_ino=N` and `pgrp=N`: `ls -l /proc/*/fd | grep 'pipe:\[N\]'` finds who reads that pipe, in that process group.
//!
//! Release: let the daemon answer (thaw it first if it is frozen), or look at what its mount program waits for: mostly a
//! server that is away. Where the daemon is gone, only SIGKILL ends the wait (under v1 once the task is thawed).
//!
//! Cost: none for thawing. A task that is killed does not come back.
//!
//! Kernels: all with `CONFIG_AUTOFS_FS`. Both hierarchies: the wait is not freezable. Which process reads the pipe is
//! told where the kernel shows `pipe_ino` (`CONFIG_CHECKPOINT_RESTORE`).
//!
//! Source: `fs/autofs/waitq.c`, `autofs_wait`; `fs/autofs/root.c`, `autofs_d_automount`, `autofs_d_manage`;
//! `fs/autofs/inode.c`, `autofs_show_options`.

use super::super::case::{Case, Finding};
use super::super::facts::{Automount, KnownBy, MountFacts};
use super::super::functions::Mechanism;
use super::super::{Cause, Certainty};
use super::{answer, files};

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    if case.task().lock.is_some() || !case.asleep() || !case.innermost(Mechanism::AutofsWait) {
        return None;
    }
    let table = case.details().map_or(&[][..], |details| &details.automounts);
    let (mount, certainty) = place(case, table).unzip();
    let asked: Vec<&Automount> = match mount {
        Some(mount) => automounts(case, std::slice::from_ref(mount)),
        None => automounts(case, table),
    };
    // By the pipe the kernel writes to; where it does not show that, the daemon leads its process group.
    let tied = asked.len() == 1 && asked.iter().all(|automount| automount.pipe.is_some());
    let owing = answer::owing(case, asked.iter().flat_map(|automount| daemons(automount)));
    let of = mount.map_or_else(|| "an automount point".to_owned(), |mount| mount.path.to_string());
    let certainty = certainty.unwrap_or(Certainty::Likely);
    let sure = tied && owing.sole().is_some();
    let mut finding = Finding::new(
        Cause::Autofs,
        if sure { certainty } else { certainty.min(Certainty::Likely) },
        format!("waits at {of} for {}", owing.told("the automount daemon")),
        owing.release("automount daemon", "SIGKILL ends the task's wait, under v1 once it is thawed"),
    );
    if mount.is_none() && table.len() > 1 {
        let points: Vec<String> = table.iter().map(|mount| mount.path.to_string()).collect();
        finding.notes.push(format!("which of its automount points it is could not be told: {}", points.join(", ")));
    }
    finding.waits_for.extend(mount.map(files::step));
    finding.waits_for.extend(owing.chain());
    // wait_event_killable: never with TASK_FREEZABLE.
    finding.never_frozen_in_place = case.uninterruptible();
    Some(finding)
}

/// The automount point that its system call names: the innermost on the way, for what is mounted on it may be what
/// the daemon takes down. Where there is one only, that is the one.
fn place<'a>(case: &Case<'a>, table: &'a [MountFacts]) -> Option<(&'a MountFacts, Certainty)> {
    if let [only] = table {
        return Some((only, Certainty::Certain));
    }
    let on_the_way = |path: &[u8]| {
        let above = table.iter().filter(|mount| lies_below(path, mount.path.as_bytes()));
        above.max_by_key(|mount| mount.path.as_bytes().len())
    };
    let mut named = case.files().iter().filter_map(|file| Some((on_the_way(file.path.as_bytes())?, file.known_by)));
    let (mount, known_by) = named.next()?;
    let one = named.all(|(other, _)| other.minor == mount.minor);
    let certain = one && known_by == KnownBy::Descriptor;
    one.then_some((mount, if certain { Certainty::Certain } else { Certainty::Likely }))
}

fn lies_below(path: &[u8], point: &[u8]) -> bool {
    point == b"/" || path.strip_prefix(point).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}

fn automounts<'a>(case: &Case<'a>, mounts: &[MountFacts]) -> Vec<&'a Automount> {
    let listed = |automount: &&Automount| mounts.iter().any(|mount| mount.minor == automount.minor);
    case.facts.automounts.iter().filter(listed).collect()
}

fn daemons(automount: &Automount) -> Vec<i32> {
    match (automount.pipe, automount.readers.as_slice(), automount.group) {
        (None, [], Some(group)) => vec![group],
        // Children inherit the pipe; the daemon leads the group that the kernel lets through.
        (_, several, Some(group)) if several.contains(&group) => vec![group],
        (_, readers, _) => readers.to_vec(),
    }
}
