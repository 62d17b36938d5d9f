//! A look ahead: what would happen if the cgroup were frozen now. Nothing is written.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use super::Witness;
use crate::cgroupfs::Cgroup;
use crate::control::ControlError;
use crate::explain::facts::BeforeRequest;
use crate::gather::{self, Frozen, Subject, preflight};
use crate::preflight::Sight;
use crate::report::ObserverReport;

/// Between two looks: who has not run meanwhile does not wait in passing only.
const APART: Duration = Duration::from_millis(150);

/// Looks twice at the tasks, once at all they depend on. A root cgroup is not looked into.
pub fn look_ahead(cgroup: &Cgroup, verbose: bool) -> Result<(Sight, Option<ObserverReport>), ControlError> {
    let mut sight = preflight::outline(cgroup)?;
    if sight.request.is_none() {
        return Ok((sight, None));
    }
    let mut witness = Witness::new(cgroup, verbose);
    let before: HashMap<i32, BeforeRequest> =
        witness.look().into_iter().map(|task| (task.tid, BeforeRequest::from(&task))).collect();
    thread::sleep(APART);
    let host = witness.look_at_host();
    let subject = Subject {
        frozen: Frozen::Cgroup(cgroup),
        host,
        asked_ns_ago: None,
        samples: HashMap::new(),
        joined: HashMap::new(),
        before,
        froze: Vec::new(),
        open_files: witness.open_files(),
    };
    let facts = gather::gather(&subject);
    preflight::fill(&mut sight, &subject.host, &facts, subject.open_files.as_ref());
    Ok((sight, Some(witness.report())))
}
