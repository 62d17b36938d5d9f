//! `fuse-request`: the task waits for a FUSE server to answer.
//!
//! What happens: a call on a FUSE mount is a message to a process. The freezer's signal makes the task send an
//! INTERRUPT message, and then it sleeps on, killable but deaf to the freezer, until the server answers. A server that
//! is frozen itself (often by this same freeze), stopped, dead-locked or slow never does.
//!
//! Confirm by hand: `cat /proc/TID/stack` shows `request_wait_answer`; the minor device number of the mount in
//! `/proc/TID/mountinfo` is the connection; `grep fuse_connection /proc/*/fdinfo/*` (6.15+) names its server;
//! `mount -t fusectl none /sys/fs/fuse/connections`, where it is not mounted, then `/sys/fs/fuse/connections/N/waiting`
//! counts the requests.
//!
//! A task that closes its files while it exits has nothing left that names the mount: it is the one connection with more
//! requests than other tasks' calls account for, or there is a doubt.
//!
//! Which thread of a server has the request in its hands no file tells: one that reads `/dev/fuse` has none. Where the
//! server itself waits, for a lock or another mount or its own, that is followed. A server that died while a process it
//! forked still holds `/dev/fuse` leaves a mount nobody serves: its requests wait for ever.
//!
//! Release: thaw, and freeze the server's cgroup last; or thaw or continue the server; or, when the server is lost,
//! write 1 to `/sys/fs/fuse/connections/N/abort`, which `umount -f MOUNT` does too.
//!
//! Cost: thawing costs nothing. An abort ends every request of that mount, present and future, with an error, and
//! data the server has not written is lost. Killing the waiting task works only once it is thawed (v1).
//!
//! Kernels: all. `virtiofs` is FUSE whose server is the host of this virtual machine: no process here. Since 6.15 the kernel
//! says in `fdinfo` which connection a `/dev/fuse` descriptor serves; before that a BPF iterator over open files compares
//! the kernel's own pointers; without BPF the servers are all who hold one.
//!
//! Source: `fs/fuse/dev.c`, `request_wait_answer`, `fuse_get_req`, `fuse_dev_show_fdinfo`; `fs/fuse/control.c`.

use std::collections::BTreeSet;

use super::super::case::{Case, Finding};
use super::super::facts::{FuseConnection, MountFacts, TaskFacts};
use super::super::follow::{self, Holder};
use super::super::functions::{self, Mechanism};
use super::super::verdict::WaitsFor;
use super::super::{Cause, Certainty};
use super::files;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    if case.task().lock.is_some() || !case.asleep() {
        // A waiter for a lock inside FUSE code has sent nothing yet.
        return None;
    }
    let sent = case.at(Mechanism::FuseRequest);
    let named = named(case);
    // Whoever waits for a page or a name of a FUSE file waits for another task's request.
    let shared = case.uninterruptible()
        && case.at(Mechanism::SharedFetch)
        && (case.at(Mechanism::FuseCode) || !named.is_empty() && only_fuse(case));
    if !sent && !shared {
        return None;
    }
    let site = site(case, &named);
    let mut finding = match site.mount {
        Some(mount) if files::is_virtiofs(mount) => served_by_host(mount, site.certainty),
        _ => finding(case, &site),
    };
    // A wait for a slot (`fuse_get_req`) is freezable, a wait for the answer is not.
    finding.never_frozen_in_place = sent && !case.at(Mechanism::FreezableSleep);
    if shared && !sent {
        finding.certainty = finding.certainty.min(Certainty::Likely);
        finding.notes.push("waits for a page or name that another task's request is fetching".to_owned());
    }
    Some(finding)
}

/// For a file that something else needs: a loop device's.
pub fn of_mount(case: &Case<'_>, mount: &MountFacts) -> Finding {
    finding(case, &site(case, &[(mount, Certainty::Likely)]))
}

/// Where the request went, as far as it is known.
struct Site<'a> {
    mount: Option<&'a MountFacts>,
    connection: Option<&'a FuseConnection>,
    certainty: Certainty,
    /// Where it may have gone.
    candidates: Vec<&'a MountFacts>,
}

fn connection<'a>(case: &Case<'a>, mount: &MountFacts) -> Option<&'a FuseConnection> {
    case.facts.fuse.iter().find(|connection| connection.number == mount.device())
}

/// FUSE mounts that the call or fault names, one per filesystem, without those that have no request under way.
fn named<'a>(case: &Case<'a>) -> Vec<(&'a MountFacts, Certainty)> {
    let is_fuse = |mount: &MountFacts| files::is_fuse(mount) || files::is_virtiofs(mount);
    let mut seen = BTreeSet::new();
    let mut all: Vec<_> = files::mounts_where(case, is_fuse);
    if all.is_empty() {
        all.extend(files::mapped_where(case, |file| is_fuse(&file.mount)));
    }
    all.retain(|(mount, _)| {
        let idle = connection(case, mount).is_some_and(|connection| connection.waiting == Some(0));
        !idle && seen.insert(mount.device())
    });
    all
}

/// Whether a page that the call waits for can be of no other filesystem.
fn only_fuse(case: &Case<'_>) -> bool {
    let mut mounts = case.files().iter().filter_map(|file| file.mount.as_ref());
    mounts.all(|mount| files::is_fuse(mount) || files::is_virtiofs(mount))
}

fn site<'a>(case: &Case<'a>, named: &[(&'a MountFacts, Certainty)]) -> Site<'a> {
    match named {
        [(mount, certainty)] => Site {
            mount: Some(mount),
            connection: connection(case, mount),
            certainty: *certainty,
            candidates: Vec::new(),
        },
        [] => only_busy(case),
        several => Site {
            mount: None,
            connection: None,
            certainty: Certainty::Likely,
            candidates: several.iter().map(|(mount, _)| *mount).collect(),
        },
    }
}

/// Nothing names the mount: the only connection it must be with requests that no other task's call accounts for.
fn only_busy<'a>(case: &Case<'a>) -> Site<'a> {
    let tid = case.task().tid;
    let busy: Vec<&FuseConnection> = case.facts.fuse.iter().filter(|c| c.may_hold_request_of(tid)).collect();
    let certainty = Certainty::Likely;
    match busy.as_slice() {
        [only] => {
            let mount = only.mounts.first();
            Site { mount, connection: Some(only), certainty, candidates: Vec::new() }
        }
        several => Site {
            mount: None,
            connection: None,
            certainty,
            candidates: several.iter().filter_map(|connection| connection.mounts.first()).collect(),
        },
    }
}

fn served_by_host(mount: &MountFacts, certainty: Certainty) -> Finding {
    let mut finding = Finding::new(
        Cause::FuseRequest,
        certainty,
        format!("waits for the host of this virtual machine, which serves {} (virtiofs)", mount.path),
        "look at virtiofsd on the host: it must answer",
    );
    finding.waits_for.push(files::step(mount));
    finding
}

/// A process that holds the connection's device.
struct Server {
    holder: Holder,
    /// A thread of it reads requests, or did when it was frozen.
    reads: bool,
}

fn servers(case: &Case<'_>, connection: &FuseConnection) -> Vec<Server> {
    let reader = |facts: &TaskFacts| {
        connection.readers.contains(&facts.task.tid)
            || functions::contains(&facts.task.stack, Mechanism::FuseServe)
    };
    let server = |pid: &i32| {
        let holder = follow::process(case, *pid, reader)?;
        Some(Server { holder, reads: case.facts.threads(*pid).any(reader) })
    };
    connection.servers.iter().filter_map(server).collect()
}

/// Which of several processes that hold the device is waited for, and how sure that is at most; `None`: not told.
fn choose(servers: &[Server]) -> Option<(usize, Certainty)> {
    match servers.len() {
        0 => return None,
        1 => return Some((0, Certainty::Certain)),
        _ => {}
    }
    let only = |fits: &dyn Fn(&Server) -> bool| {
        let mut fitting = servers.iter().enumerate().filter(|(_, server)| fits(server)).map(|(at, _)| at);
        fitting.next().filter(|_| fitting.next().is_none())
    };
    let stuck = |server: &Server| server.holder.deeper.is_some() || server.holder.circle;
    let likely = |at| Some((at, Certainty::Likely));
    if servers.iter().any(stuck) {
        return only(&stuck).and_then(likely);
    }
    // A process that never reads requests has them from nobody: it holds the device because it was forked with it.
    if let Some(at) = only(&|server| server.reads) {
        let frozen_beside = servers.iter().any(|server| server.holder.frozen) && !servers[at].holder.frozen;
        return Some((at, if frozen_beside { Certainty::Guess } else { Certainty::Likely }));
    }
    if servers.iter().all(|server| server.holder.frozen) {
        return Some((0, Certainty::Likely));
    }
    only(&|server| server.holder.frozen).and_then(likely)
}

fn finding(case: &Case<'_>, site: &Site<'_>) -> Finding {
    let of = site.mount.map_or_else(|| "a FUSE mount that could not be told".to_owned(), |m| m.path.to_string());
    let mut servers = site.connection.map_or_else(Vec::new, |connection| servers(case, connection));
    let proved = site.connection.is_some_and(|connection| connection.servers_certain);
    // Without the kernel's word any process with some /dev/fuse may be the server: not even the only one that reads must be.
    let chosen = if proved || servers.len() == 1 { choose(&servers) } else { None };
    let names: Vec<String> = servers.iter().map(|server| server.holder.who.clone()).collect();
    let mut finding = if let Some((at, at_most)) = chosen {
        by_server(site, &of, servers.remove(at).holder, at_most.min(site.certainty), proved)
    } else if names.is_empty() {
        let nobody = if site.connection.is_some() { "; no process was found to serve it" } else { "" };
        let summary = format!("waits for the FUSE server of {of}{nobody}");
        let release = format!("thaw and restart the filesystem's server{}", abort(site));
        let mut finding = Finding::new(Cause::FuseRequest, Certainty::Likely, summary, release);
        finding.waits_for.extend(site.mount.map(files::step));
        finding
    } else {
        let summary = format!("waits for the FUSE server of {of}: one of {}", names.join("; "));
        let frozen = servers.iter().find(|server| server.holder.frozen).or(servers.first());
        let release = frozen.map_or_else(String::new, |server| release(site, &server.holder));
        let mut finding = Finding::new(Cause::FuseRequest, Certainty::Guess, summary, release);
        finding.waits_for.extend(site.mount.map(files::step));
        finding
    };
    if chosen.is_some() && names.len() > 1 {
        finding.notes.push(format!("its /dev/fuse is held by several processes: {}", names.join("; ")));
    }
    if !site.candidates.is_empty() {
        let paths: Vec<String> = site.candidates.iter().map(|mount| mount.path.to_string()).collect();
        finding.notes.push(format!("it may be any of these FUSE mounts: {}", paths.join(", ")));
    }
    if let Some(waiting) = site.connection.and_then(|c| c.waiting) {
        let requests = if waiting == 1 { "request waits" } else { "requests wait" };
        finding.notes.push(format!("{waiting} {requests} on that connection"));
    }
    finding
}

fn by_server(site: &Site<'_>, of: &str, holder: Holder, at_most: Certainty, proved: bool) -> Finding {
    let doubt = !proved || holder.doubt;
    let certainty = if doubt { at_most.min(Certainty::Likely) } else { at_most };
    let summary = format!("waits for the FUSE server of {of} ({}), {}", holder.who, holder.state);
    let mut finding = Finding::new(Cause::FuseRequest, certainty, summary, release(site, &holder));
    finding.waits_for.extend(site.mount.map(files::step));
    finding.waits_for.extend(holder.chain);
    finding.notes.extend(holder.notes);
    finding
}

fn abort(site: &Site<'_>) -> String {
    let Some(connection) = site.connection else { return String::new() };
    format!(
        "; if the server is lost, `echo 1 > /sys/fs/fuse/connections/{}/abort` (needs fusectl mounted) ends every \
         request of that mount with an error and may lose unwritten data",
        connection.number
    )
}

fn release(site: &Site<'_>, server: &Holder) -> String {
    let abort = abort(site);
    if let Some(deeper) = &server.deeper {
        return deeper.release.clone();
    }
    if server.circle {
        return format!("no answer will come: the server ({}) waits for this in turn{abort}", server.who);
    }
    match server.chain.first() {
        Some(WaitsFor::Task { frozen: true, frozen_by, .. })
            if !server.frozen_here && !frozen_by.is_empty() =>
        {
            let askers: Vec<String> = frozen_by.iter().map(ToString::to_string).collect();
            let askers = askers.join(" and ");
            format!(
                "thaw {askers}, which holds the server ({}) frozen; to have both frozen, freeze this cgroup first{abort}",
                server.who
            )
        }
        _ if server.frozen => {
            format!("thaw; then freeze the server's cgroup last, or move the server ({}) out first{abort}", server.who)
        }
        _ => format!("make the server ({}) answer{abort}", server.who),
    }
}
