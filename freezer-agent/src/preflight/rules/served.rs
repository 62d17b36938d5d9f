//! Processes inside that others wait for: FUSE servers, seccomp supervisors, fanotify listeners, userfault handlers,
//! automount daemons. Frozen, they leave whoever asks them waiting: one inside blocks the freeze itself.

use super::super::sight::{Party, Served, Sight, Supervises, Supervisor};
use super::super::{Finding, Grade, Kind};
use super::names;

pub fn judge(sight: &Sight) -> Vec<Finding> {
    sight.fuse.iter().map(fuse).chain(sight.supervisors.iter().map(supervisor)).collect()
}

fn fuse(served: &Served) -> Finding {
    let mut mounts: Vec<String> = served.mounts.iter().map(|mount| mount.path.to_string()).collect();
    mounts.sort_unstable();
    mounts.dedup();
    let of = match mounts.as_slice() {
        [] => "a FUSE mount that is not seen from here".to_owned(),
        [one] => one.clone(),
        several if served.certain => several.join(", "),
        several => format!("one of {}", several.join(", ")),
    };
    let server = &served.server;
    let (inside, outside): (Vec<&Party>, Vec<&Party>) =
        served.clients.iter().partition(|client| client.inside);
    let mut summary = format!("{server} serves the FUSE mount {of}");
    if !inside.is_empty() {
        summary += &format!(
            "; inside too, {} use it: a request under way would block the freeze",
            names(inside.clone())
        );
    }
    if !outside.is_empty() {
        summary += &format!("; outside, {} use it and would hang until the thaw", names(outside.clone()));
    }
    let quiet = inside.is_empty() && outside.is_empty();
    if quiet {
        summary += "; nobody was seen to use it now";
    }
    let grade = if quiet { Grade::Note } else { Grade::Warn };
    let release = "freeze its users first and the server last, or move the server to a cgroup of its own";
    Finding::new(Kind::FuseServer, grade, summary, release).about(server)
}

fn supervisor(supervisor: &Supervisor) -> Finding {
    let who = &supervisor.who;
    let last = "freeze those who wait for it first and it last, or move it to a cgroup of its own";
    match &supervisor.by {
        Supervises::Seccomp(supervised) => {
            let whom = if supervised.is_empty() {
                "whose tasks could not be told".to_owned()
            } else {
                let (inside, outside): (Vec<&Party>, Vec<&Party>) =
                    supervised.iter().partition(|party| party.inside);
                sides(&inside, &outside)
            };
            let summary = format!(
                "{who} decides about system calls of others (seccomp notify), {whom}: such a call waits until the thaw"
            );
            Finding::new(Kind::SeccompSupervisor, Grade::Warn, summary, last).about(who)
        }
        Supervises::Fanotify(mounts) => {
            let mut places: Vec<String> = mounts.iter().map(ToString::to_string).collect();
            places.sort_unstable();
            places.dedup();
            let on = if places.is_empty() { String::new() } else { format!(" on {}", places.join(", ")) };
            let summary = format!(
                "{who} permits file accesses{on} (fanotify): whoever opens such a file, inside or outside, waits until the thaw"
            );
            Finding::new(Kind::FanotifyListener, Grade::Warn, summary, last).about(who)
        }
        Supervises::Userfault(fd) if fd.total > 0 => {
            let summary = format!(
                "{who} holds a userfaultfd with {} faults not resolved: whoever faults waits until the thaw",
                fd.total
            );
            Finding::new(Kind::UserfaultfdHandler, Grade::Warn, summary, last).about(who)
        }
        Supervises::Userfault(_) => {
            let summary = format!(
                "{who} holds a userfaultfd: a fault of another process on that memory would wait until the thaw"
            );
            Finding::new(Kind::UserfaultfdHandler, Grade::Note, summary, last).about(who)
        }
        Supervises::Autofs(mount) => {
            let summary = format!(
                "{who} is the automount daemon of {mount}: whoever enters an unmounted directory there waits until the thaw"
            );
            Finding::new(Kind::AutofsDaemon, Grade::Warn, summary, last).about(who)
        }
    }
}

fn sides(inside: &[&Party], outside: &[&Party]) -> String {
    let side = |parties: &[&Party], where_: &str| {
        (!parties.is_empty()).then(|| format!("{where_} perhaps {}", names(parties.iter().copied())))
    };
    let both: Vec<String> = side(inside, "inside").into_iter().chain(side(outside, "outside")).collect();
    both.join(", ")
}
