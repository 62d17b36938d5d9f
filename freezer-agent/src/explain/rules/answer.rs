//! Processes of which one owes the task an answer: named where there is one, all of them where there are several.

use super::super::case::Case;
use super::super::follow::{self, Holder};
use super::super::verdict::WaitsFor;

/// Those that may owe it.
pub struct Owing {
    /// The frozen ones first: they explain a silence.
    holders: Vec<Holder>,
    /// The task's own process is the only one.
    own: bool,
}

/// Describes these processes. The task's own counts only where there is no other: it waits, and cannot answer.
pub fn owing(case: &Case<'_>, pids: impl IntoIterator<Item = i32>) -> Owing {
    let mut pids: Vec<i32> = pids.into_iter().collect();
    pids.sort_unstable();
    pids.dedup();
    let own = case.task().tgid;
    let others: Vec<i32> = pids.iter().copied().filter(|pid| *pid != own).collect();
    let alone = others.is_empty();
    let named = if alone { pids } else { others };
    let mut holders: Vec<Holder> = named.iter().filter_map(|pid| follow::holder(case, *pid)).collect();
    holders.sort_by_key(|holder| !holder.frozen);
    Owing { own: alone && !holders.is_empty(), holders }
}

impl Owing {
    /// The only one there is.
    pub fn sole(&self) -> Option<&Holder> {
        match self.holders.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The end of a sentence that says what the task waits for, `role`: who that is, or which of several it may be.
    pub fn told(&self, role: &str) -> String {
        match self.holders.as_slice() {
            [] => format!("{role}; no process was found that is one"),
            [_] if self.own => format!("{role}, which is its own process"),
            [only] => format!("{role} ({}), {}", only.who, only.state),
            several => {
                let all: Vec<String> =
                    several.iter().map(|holder| format!("{}, {}", holder.who, holder.state)).collect();
                format!("{role}, one of {}: {}", several.len(), all.join("; "))
            }
        }
    }

    /// What is to be done, where the one who owes the answer is called `role`, and `end` is what its end brings.
    pub fn release(&self, role: &str, end: &str) -> String {
        match self.holders.as_slice() {
            [] => format!("thaw; find the {role}, or kill the task"),
            [_] if self.own => {
                format!("thaw: a thread of its own must answer; ending the process ends the wait ({end})")
            }
            [only] if only.frozen => {
                format!("thaw; then freeze the {role} ({}) last, or move it out first; {end}", only.who)
            }
            [only] => {
                let deeper = only.deeper.as_ref().map(|finding| format!("{}; or ", finding.release));
                format!("{}make the {role} ({}) answer; {end}", deeper.unwrap_or_default(), only.who)
            }
            several => {
                let frozen = several.iter().filter(|holder| holder.frozen).count();
                let first = if frozen > 0 { "thaw, and freeze those named last; or " } else { "" };
                format!("{first}make each {role} named answer, one after the other; {end}")
            }
        }
    }

    /// The way on from the task, where it is known.
    pub fn chain(self) -> Vec<WaitsFor> {
        match self.holders.len() {
            1 => self.holders.into_iter().flat_map(|holder| holder.chain).collect(),
            _ => Vec::new(),
        }
    }
}
