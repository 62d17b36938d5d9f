//! `fuse-request`: the task waits for a FUSE server to answer.
//!
//! What happens: a call on a FUSE mount is a message to a process. The freezer's signal makes the task send an
//! INTERRUPT message, and then it sleeps on, killable but deaf to the freezer, until the server answers. A server that
//! is frozen itself (often by this same freeze), stopped, dead-locked or slow never does.
//!
//! Confirm by hand: `cat /proc/TID/stack` shows `request_wait_answer`; the minor device number of the mount in
//! `/proc/TID/mountinfo` is the connection; `grep fuse_connection /proc/*/fdinfo/*` (6.15+) names its server; with
//! fusectl mounted, `/sys/fs/fuse/connections/N/waiting` counts the requests.
//!
//! Release: thaw, and freeze the server's cgroup last; or thaw or continue the server; or, when the server is lost,
//! write 1 to `/sys/fs/fuse/connections/N/abort`.
//!
//! Cost: thawing costs nothing. An abort ends every request of that mount, present and future, with an error, and
//! data the server has not written is lost. Killing the waiting task works only once it is thawed (v1).
//!
//! Kernels: all. Since 6.15 the kernel says which connection a `/dev/fuse` descriptor serves; before that the
//! servers are all who hold one.
//!
//! Source: `fs/fuse/dev.c`, `request_wait_answer`, `fuse_get_req`, `fuse_dev_show_fdinfo`; `fs/fuse/control.c`.

use super::super::case::{Case, Finding};
use super::super::facts::{FuseConnection, MountFacts};
use super::super::follow::{self, Holder};
use super::super::functions::Mechanism;
use super::super::{Cause, Certainty};
use super::files;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    if case.task().lock.is_some() || !case.asleep() {
        // A waiter for a lock inside FUSE code has sent nothing yet.
        return None;
    }
    let sent = case.at(Mechanism::FuseRequest);
    let named = files::mount_where(case, files::is_fuse)
        .or_else(|| files::mapped_where(case, |file| files::is_fuse(&file.mount)));
    // Whoever waits for a page or a name of a FUSE file waits for another task's request.
    let shared = case.uninterruptible()
        && case.at(Mechanism::SharedFetch)
        && (case.at(Mechanism::FuseCode) || named.is_some());
    if !sent && !shared {
        return None;
    }
    let site = site(case, named);
    let servers = servers(case, &site);
    let mut finding = finding(&site, servers);
    finding.never_frozen_in_place = sent;
    if shared && !sent {
        finding.certainty = finding.certainty.min(Certainty::Likely);
        finding.notes.push("waits for a page or name that another task's request is fetching".to_owned());
    }
    Some(finding)
}

/// For a file that something else needs: a loop device's.
pub fn of_mount(case: &Case<'_>, mount: &MountFacts) -> Finding {
    let site = site(case, Some((mount, Certainty::Likely)));
    let servers = servers(case, &site);
    finding(&site, servers)
}

/// Where the request went, as far as it is known.
struct Site<'a> {
    mount: Option<&'a MountFacts>,
    connection: Option<&'a FuseConnection>,
    certainty: Certainty,
}

fn site<'a, 'f: 'a>(case: &Case<'f>, named: Option<(&'a MountFacts, Certainty)>) -> Site<'a> {
    let connections = &case.facts.fuse;
    if let Some((mount, certainty)) = named {
        // FUSE superblocks have anonymous device numbers: major 0. fuseblk has its block device's: no connection there.
        let connection = connections.iter().find(|c| mount.major == 0 && c.number == mount.minor);
        return Site { mount: Some(mount), connection, certainty };
    }
    let mut busy = connections.iter().filter(|c| c.waiting != Some(0));
    match (busy.next(), busy.next()) {
        (Some(only), None) => {
            Site { mount: only.mounts.first(), connection: Some(only), certainty: Certainty::Likely }
        }
        _ => Site { mount: None, connection: None, certainty: Certainty::Likely },
    }
}

fn servers(case: &Case<'_>, site: &Site<'_>) -> Vec<Holder> {
    let Some(connection) = site.connection else { return Vec::new() };
    let mut holders: Vec<Holder> =
        connection.servers.iter().filter_map(|pid| follow::holder(case, *pid)).collect();
    // A forked child keeps the descriptor: the one that is frozen explains the silence.
    holders.sort_by_key(|holder| !holder.frozen);
    holders
}

fn finding(site: &Site<'_>, mut servers: Vec<Holder>) -> Finding {
    let of = site.mount.map_or_else(|| "a FUSE mount that could not be told".to_owned(), |m| m.path.to_string());
    let sole = site.connection.is_some_and(|c| c.servers_certain) || servers.len() == 1;
    let (summary, certainty) = match servers.as_slice() {
        [] => (format!("waits for the FUSE server of {of}; no process was found to serve it"), Certainty::Likely),
        [first, ..] if sole => (
            format!("waits for the FUSE server of {of} ({}), {}", first.who, first.state),
            if site.connection.is_some_and(|c| c.servers_certain) { site.certainty } else { Certainty::Likely },
        ),
        several => {
            let names: Vec<&str> = several.iter().map(|holder| holder.who.as_str()).collect();
            (format!("waits for the FUSE server of {of}: one of {}", names.join("; ")), Certainty::Guess)
        }
    };
    let mut finding = Finding::new(Cause::FuseRequest, certainty, summary, release(site, servers.first()));
    finding.waits_for.extend(site.mount.map(files::step));
    if sole && !servers.is_empty() {
        finding.waits_for.append(&mut servers.remove(0).chain);
    }
    if let Some(waiting) = site.connection.and_then(|c| c.waiting) {
        finding.notes.push(format!("{waiting} requests wait on that connection"));
    }
    finding
}

fn release(site: &Site<'_>, server: Option<&Holder>) -> String {
    let abort = site.connection.map_or_else(String::new, |connection| {
        format!(
            "; if the server is lost, `echo 1 > /sys/fs/fuse/connections/{}/abort` (needs fusectl mounted) ends every \
             request of that mount with an error and may lose unwritten data",
            connection.number
        )
    });
    match server {
        Some(server) if server.frozen => {
            format!("thaw; then freeze the server's cgroup last, or move the server ({}) out first{abort}", server.who)
        }
        Some(server) => format!("make the server ({}) answer{abort}", server.who),
        None => format!("thaw and restart the filesystem's server{abort}"),
    }
}
