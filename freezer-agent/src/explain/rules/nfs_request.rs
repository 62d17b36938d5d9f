//! `nfs-request`: the task waits for an NFS or CIFS server.
//!
//! What happens: a call on a network filesystem is a message to another machine. While that does not answer, a hard
//! mount tries for ever; the task sleeps killable, and where it waits for a page that others fetch, uninterruptibly.
//!
//! Confirm by hand: `/proc/TID/stack` shows `rpc_wait_bit_killable` or other functions of `nfs` (NFS), `wait_for_response`
//! (CIFS), or `folio_wait_bit*` with a file on such a mount; `addr=` in `/proc/TID/mountinfo` is the server;
//! `/proc/self/mountstats` and `/proc/fs/cifs/DebugData` show its requests.
//!
//! Release: bring the server or the way to it back. If it is lost: thaw, then `umount -f MOUNT` (NFS fails the requests that
//! wait) or kill the task: these waits end at SIGKILL.
//!
//! Cost: a forced unmount or a kill loses what has not been written. Thawing costs nothing.
//!
//! Kernels: all. Most of these waits are freezable: v1 freezes them in place on 6.1 and newer, and counted them as frozen
//! before that, so there they block no freeze. v2 wants every task in its trap, so they block it. Waits for a page, a lock
//! or an `O_DIRECT` transfer of a network file are not freezable and block both.
//!
//! Source: `net/sunrpc/sched.c`, `rpc_wait_bit_killable`; `fs/nfs/inode.c`, `nfs_wait_bit_killable`;
//! `fs/smb/client/transport.c`, `wait_for_response`; `fs/nfs/super.c`, `nfs_show_options`.

use super::super::case::{Case, Finding};
use super::super::facts::{MountFacts, NetworkMount};
use super::super::functions::Mechanism;
use super::super::{Cause, Certainty, WaitsFor};
use super::files;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    if case.task().lock.is_some() || !case.asleep() {
        return None;
    }
    let sent = case.at(Mechanism::NfsWait) || case.at(Mechanism::CifsWait);
    let named = files::mount_where(case, is_network)
        .or_else(|| files::mapped_where(case, |file| is_network(&file.mount)));
    let page = case.at(Mechanism::PageWait) || case.at(Mechanism::SharedFetch);
    let shared = case.uninterruptible() && page && named.is_some();
    if !sent && !shared {
        return None;
    }
    let (mut finding, others) = match named {
        Some((mount, certainty)) => (about(case, mount, certainty), Vec::new()),
        None => unnamed(case),
    };
    if !others.is_empty() {
        finding.notes.push(format!("mounts it may concern: {}", others.join(", ")));
    }
    if shared && !sent {
        finding.certainty = finding.certainty.min(Certainty::Likely);
        finding.notes.push("waits for a page or name that another request is fetching or writing".to_owned());
        finding.never_frozen_in_place = true;
    }
    Some(finding)
}

/// For a file that something else needs, a loop device's; `None` where the mount is no network filesystem.
pub fn of_mount(case: &Case<'_>, mount: &MountFacts) -> Option<Finding> {
    is_network(mount).then(|| about(case, mount, Certainty::Likely))
}

/// No file names the mount: the only one there is.
fn unnamed(case: &Case<'_>) -> (Finding, Vec<String>) {
    let cifs = case.at(Mechanism::CifsWait);
    let fitting: Vec<&NetworkMount> =
        case.facts.storage.network.iter().filter(|known| is_cifs(&known.mount) == cifs).collect();
    let mut servers: Vec<&str> = fitting.iter().filter_map(|known| known.address.as_deref()).collect();
    servers.sort_unstable();
    servers.dedup();
    if let [only] = fitting.as_slice() {
        return (about(case, &only.mount, Certainty::Likely), Vec::new());
    }
    let what = if cifs { "a CIFS server" } else { "an NFS server" };
    let names = fitting.iter().map(|known| format!("{} ({})", known.mount.path, known.mount.source)).collect();
    let release = "bring the server back; if it is lost, thaw and kill the task, or `umount -f` its mount";
    // Several mounts of one server: the server is known, the mount is not.
    if let [address] = servers.as_slice() {
        let what = format!("waits for {what}, {address}");
        let mut finding = Finding::new(Cause::NfsRequest, Certainty::Likely, what, release);
        finding.waits_for.push(WaitsFor::Server { address: (*address).to_owned() });
        return (finding, names);
    }
    let what = format!("waits for {what} that could not be told");
    (Finding::new(Cause::NfsRequest, Certainty::Likely, what, release), names)
}

fn about(case: &Case<'_>, mount: &MountFacts, certainty: Certainty) -> Finding {
    let known = case.facts.storage.network.iter().find(|known| {
        (known.mount.major, known.mount.minor) == (mount.major, mount.minor)
    });
    let address = known.and_then(|known| known.address.clone()).or_else(|| host(mount));
    let kind = if is_cifs(mount) { "CIFS" } else { "NFS" };
    let server = address.as_deref().unwrap_or("of unknown address");
    let mut finding = Finding::new(
        Cause::NfsRequest,
        certainty,
        format!("waits for the {kind} server of {} ({}), {server}", mount.path, mount.source),
        format!(
            "bring the server {server} or the way to it back; if it is lost, thaw, then `umount -f {}` or kill the task",
            mount.path
        ),
    );
    finding.waits_for.push(files::step(mount));
    finding.waits_for.extend(address.map(|address| WaitsFor::Server { address }));
    if known.is_some_and(|known| known.hard) && kind == "NFS" {
        finding.notes.push("a hard mount: it tries for ever".to_owned());
    }
    finding
}

/// `host:/export` or `//host/share`, where the options name no address.
fn host(mount: &MountFacts) -> Option<String> {
    let source = mount.source.to_string();
    let host = match source.strip_prefix("//") {
        Some(rest) => rest.split('/').next(),
        None => source.rsplit_once(":/").map(|(host, _)| host),
    };
    host.filter(|host| !host.is_empty()).map(str::to_owned)
}

fn is_cifs(mount: &MountFacts) -> bool {
    [&b"cifs"[..], b"smb3"].contains(&mount.fstype.as_bytes())
}

fn is_network(mount: &MountFacts) -> bool {
    is_cifs(mount) || [&b"nfs"[..], b"nfs4"].contains(&mount.fstype.as_bytes())
}
