//! From a holder to what the holder itself waits for, until something waits for nothing.

use super::Facts;
use super::case::{Case, Finding, frozen_hierarchy};
use super::facts::TaskFacts;
use super::rules;
use super::standing::{Standing, standing};
use super::verdict::WaitsFor;
use crate::model::{Hierarchy, TaskState};

/// Holders a chain may have: deeper ones are cut, as circles are.
const LONGEST: usize = 16;

/// A holder, as the rules word it.
#[expect(clippy::struct_excessive_bools, reason = "each says one thing of the holder, in any combination")]
pub struct Holder {
    /// The holder, then what it waits for.
    pub chain: Vec<WaitsFor>,
    /// "sshfs, pid 4312"
    pub who: String,
    /// "frozen by this same freeze", "which is running", ...
    pub state: String,
    /// What the holder itself waits for.
    pub deeper: Option<Finding>,
    /// It is frozen, by this freeze or another.
    pub frozen: bool,
    /// It is frozen by the very freeze that is looked at.
    pub frozen_here: bool,
    /// It is among those on the way to it: a circle.
    pub circle: bool,
    /// Which of its threads it is was not told: the likely one was taken, or none.
    pub doubt: bool,
    /// Further observations.
    pub notes: Vec<String>,
}

/// Describes the holder `tid` of what `case` waits for, and follows it.
#[must_use]
pub fn holder(case: &Case<'_>, tid: i32) -> Option<Holder> {
    Some(one(case, case.facts.task(tid)?))
}

/// The same for a process, of which any thread may be the one that is waited for. `idle` tells a thread that waits for
/// further work, so that it has none in its hands.
#[must_use]
pub fn process(case: &Case<'_>, pid: i32, idle: impl Fn(&TaskFacts) -> bool) -> Option<Holder> {
    let threads: Vec<&TaskFacts> = case.facts.threads(pid).filter(|facts| is_alive(facts)).collect();
    let leader = threads.iter().copied().find(|facts| facts.task.tid == pid);
    let Some(shown) = leader.or(threads.first().copied()) else { return holder(case, pid) };
    let free = leader.into_iter().chain(threads.iter().copied());
    let free = free.into_iter().find(|facts| idle(facts) && held_in(case, facts).is_none());
    if let Some(back) = threads.iter().copied().find(|facts| case.path.contains(&facts.task.tid)) {
        // With a thread free to serve, one that waits for its own process is not what keeps it silent.
        return Some(free.map_or_else(|| one(case, back), |free| silent(case, free)));
    }
    let stuck: Vec<Holder> = threads
        .iter()
        .filter(|facts| held_in(case, facts).is_none() && !idle(facts))
        .map(|facts| one(case, facts))
        .filter(|holder| {
            holder.deeper.as_ref().is_some_and(|finding| free.is_none() || !comes_back(finding, pid))
        })
        .collect();
    let (frozen, awake): (Vec<_>, Vec<_>) =
        threads.iter().copied().partition(|facts| held_in(case, facts).is_some());
    let mut found = if !stuck.is_empty() {
        of_stuck(stuck, threads.len())
    } else if let Some(likely) = frozen.iter().find(|facts| !idle(facts)).or(frozen.first()) {
        let mut found =
            if awake.is_empty() { one(case, leader.unwrap_or(likely)) } else { one(case, likely) };
        if !awake.is_empty() {
            found.doubt = true;
            found.notes.push(format!("{} of its {} threads are frozen", frozen.len(), threads.len()));
        }
        return Some(found);
    } else if let Some(free) = free {
        silent(case, free)
    } else {
        one(case, busiest(&threads).unwrap_or(shown))
    };
    if !frozen.is_empty() {
        found.notes.push(format!(
            "{} of its {} threads are {}",
            frozen.len(),
            threads.len(),
            held_in(case, frozen[0]).map_or_else(String::new, |h| case.frozen_by(&frozen[0].task, h))
        ));
    }
    Some(found)
}

/// The thread of a process that is not frozen and not known to wait which tells most.
fn busiest<'a>(threads: &[&'a TaskFacts]) -> Option<&'a TaskFacts> {
    let in_state = |state| threads.iter().copied().find(|facts| facts.task.state == state);
    in_state(TaskState::Running).or_else(|| in_state(TaskState::Uninterruptible))
}

/// One stuck thread is the likely one; of several none is taken unless all end at the same.
fn of_stuck(mut stuck: Vec<Holder>, threads: usize) -> Holder {
    let number = stuck.len();
    let mut first = stuck.remove(0);
    first.doubt = threads > 1;
    if number == 1 {
        return first;
    }
    let end = |holder: &Holder| holder.chain.last().cloned();
    let agreed = stuck.iter().all(|other| end(other) == end(&first));
    first.notes.push(format!("{number} of its {threads} threads are stuck: {}, {}", first.who, first.state));
    for other in stuck.iter().take(3) {
        first.notes.push(format!("and {}, {}", other.who, other.state));
    }
    if !agreed {
        first.chain.truncate(1);
        "of whose threads several are stuck, each in something else".clone_into(&mut first.state);
        first.deeper = None;
    }
    first
}

fn silent(case: &Case<'_>, subject: &TaskFacts) -> Holder {
    let state = "which is not frozen: it waits for further requests and has not answered this one";
    Holder { state: state.to_owned(), deeper: None, ..described(case, subject) }
}

/// Whether a way leads to a task of this process again.
fn comes_back(finding: &Finding, pid: i32) -> bool {
    finding.waits_for.iter().any(|step| matches!(step, WaitsFor::Task { pid: other, .. } if *other == pid))
}

/// One task, by itself.
fn one(case: &Case<'_>, subject: &TaskFacts) -> Holder {
    let held_in = held_in(case, subject);
    let mut holder = described(case, subject);
    if case.path.contains(&subject.task.tid) {
        "which waits for this very task in turn".clone_into(&mut holder.state);
        holder.circle = true;
    } else if let Some(hierarchy) = held_in {
        holder.state = case.frozen_by(&subject.task, hierarchy);
    } else if let Some(finding) = onwards(case, subject) {
        holder.state = format!("which itself {}", finding.summary);
        holder.chain.extend(finding.waits_for.iter().cloned());
        holder.deeper = Some(finding);
    } else if is_doubtful(case, subject) {
        "which may be frozen by this same freeze: /proc alone does not tell".clone_into(&mut holder.state);
    } else {
        doing(subject).clone_into(&mut holder.state);
    }
    holder
}

fn described(case: &Case<'_>, subject: &TaskFacts) -> Holder {
    let held_in = held_in(case, subject);
    Holder {
        chain: vec![entry(case, subject, held_in)],
        who: wording(subject),
        state: String::new(),
        deeper: None,
        frozen: held_in.is_some(),
        frozen_here: held_in == Some(case.facts.hierarchy) && case.in_subtree(&subject.task),
        circle: false,
        doubt: false,
        notes: Vec::new(),
    }
}

fn onwards(case: &Case<'_>, subject: &TaskFacts) -> Option<Finding> {
    if case.path.len() >= LONGEST {
        return None;
    }
    let mut path = case.path.to_vec();
    path.push(subject.task.tid);
    let next = Case { facts: case.facts, subject, path: &path };
    rules::waits(&next)
}

/// Where the holder is frozen: by its marks, or, where there are none, by what leaves no doubt about it.
fn held_in(case: &Case<'_>, subject: &TaskFacts) -> Option<Hierarchy> {
    let own = case.facts.hierarchy;
    frozen_hierarchy(&subject.task)
        .or_else(|| (unmarked(case, subject) == Some(Standing::Done) && is_alive(subject)).then_some(own))
}

fn is_doubtful(case: &Case<'_>, subject: &TaskFacts) -> bool {
    unmarked(case, subject) == Some(Standing::Doubtful)
}

/// Standing of a task of the subtree that carries no mark of this freeze.
fn unmarked(case: &Case<'_>, subject: &TaskFacts) -> Option<Standing> {
    let marked = subject.task.frozen_in(case.facts.hierarchy).is_some();
    let next = Case { subject, ..*case };
    (!marked && case.in_subtree(&subject.task)).then(|| standing(&next))
}

fn is_alive(subject: &TaskFacts) -> bool {
    !matches!(subject.task.state, TaskState::Zombie | TaskState::Dead)
}

fn entry(case: &Case<'_>, subject: &TaskFacts, held_in: Option<Hierarchy>) -> WaitsFor {
    let task = &subject.task;
    let own = held_in.unwrap_or(case.facts.hierarchy);
    let in_this = held_in == Some(case.facts.hierarchy) && case.in_subtree(task);
    let froze = case.facts.froze.iter().find(|froze| in_this && froze.tid == task.tid);
    WaitsFor::Task {
        pid: task.tgid,
        tid: task.tid,
        comm: task.comm.clone(),
        frozen: held_in.is_some(),
        // No cgroup holds what the freeze of the whole system has frozen.
        cgroup: task
            .cgroup_in(own)
            .filter(|_| !in_this || case.facts.system.is_none())
            .and_then(|id| case.facts.cgroup_path(own, id))
            .cloned(),
        frozen_by: held_in.map_or_else(Vec::new, |hierarchy| case.askers(task, hierarchy).to_vec()),
        frozen_after_ns: froze.and_then(|froze| froze.after_ns),
    }
}

/// A task as a step of a chain.
pub fn step(facts: &Facts, subject: &TaskFacts) -> WaitsFor {
    let path = [subject.task.tid];
    let case = Case { facts, subject, path: &path };
    entry(&case, subject, held_in(&case, subject))
}

fn wording(subject: &TaskFacts) -> String {
    let task = &subject.task;
    if task.tid == task.tgid {
        format!("{}, pid {}", task.comm, task.tgid)
    } else {
        format!("{}, thread {} of pid {}", task.comm, task.tid, task.tgid)
    }
}

fn doing(subject: &TaskFacts) -> &'static str {
    match subject.task.state {
        TaskState::Running => "which is running",
        TaskState::Stopped => "which is stopped (SIGCONT continues it)",
        TaskState::Traced => "which its tracer holds stopped",
        TaskState::Uninterruptible => "which is in uninterruptible sleep itself",
        TaskState::Zombie | TaskState::Dead => "which is dead",
        _ => "which is not frozen",
    }
}
