//! The freeze of the whole system, seen from this side of it: the agent is frozen too, so the kernel side takes the looks
//! while it lasts, and what these tasks point at is gathered before and after it.

use std::collections::HashMap;
use std::fs;
use std::io;

use super::{Explained, Samples, looks};
use crate::control::{boot_ns, monotonic_ns};
use crate::explain::facts::{Froze, TaskDetails, WholeSystem};
use crate::explain::{Look, judge};
use crate::gather::{self, Frozen, Subject};
use crate::host::{Missing, pids};
use crate::model::{
    Caller, Event, Hierarchy, SystemFreezes, SystemSession, TaskSnapshot, TaskState, TaskTimeline,
};
use crate::report::{ObserverMode, ObserverReport};
use crate::source::{Attached, Observer, ObserverOptions, OpenFiles, Scope, Stacks, procfs};

/// `PF_SUSPEND_TASK` (include/linux/sched.h), the same from 5.10 to 7.3.
const PF_SUSPEND_TASK: u64 = 0x8000_0000;

/// The functions that tell of its begin and its end.
const ENDS: [&str; 2] = ["freeze_task", "thaw_processes"];

/// What a freeze of the whole system is observed with.
pub struct SystemWitness {
    observer: Option<Observer>,
    missing: Vec<Missing>,
}

/// A look at every task, and a closer one at those asleep beyond a freezer's reach.
#[derive(Debug, Default)]
pub struct SystemLook {
    /// The tasks.
    pub tasks: Vec<TaskSnapshot>,
    /// The closer look at some of them, by thread id.
    pub details: HashMap<i32, TaskDetails>,
}

impl SystemWitness {
    /// Loads the kernel side; a refusal is kept, and /proc remains.
    #[must_use]
    pub fn new(log: bool) -> Self {
        let without = |why: String| {
            let lost = "no latency per task; who refuses is told from what has not moved during the freeze";
            vec![Missing { what: "bpf".to_owned(), why, lost: lost.to_owned() }]
        };
        if let Some(why) = pids::foreign_to_the_kernel() {
            return Self { observer: None, missing: without(why) };
        }
        match Observer::for_system(&ObserverOptions { log, ..ObserverOptions::default() }) {
            Ok(mut observer) => {
                observer.prepare();
                let mut missing = observer.missing().to_vec();
                missing.extend(pids::mixed());
                Self { observer: Some(observer), missing }
            }
            Err(error) => Self { observer: None, missing: without(error.to_string()) },
        }
    }

    /// Whether freezes by others are seen at all, from begin to end.
    #[must_use]
    pub fn sees_freezes(&self) -> bool {
        let Some(observer) = &self.observer else { return false };
        ENDS.iter().all(|end| observer.attached().iter().any(|one| one.target == *end))
    }

    /// Why they are not, in the kernel's words.
    #[must_use]
    pub fn why_not(&self) -> String {
        let why = |missing: &&Missing| missing.what == "bpf" || ENDS.contains(&missing.what.as_str());
        self.missing.iter().find(why).map_or_else(String::new, |missing| missing.why.clone())
    }

    /// Waits for events; without BPF there are none.
    pub async fn next_events(&mut self, out: &mut Vec<Event>) -> io::Result<()> {
        match &mut self.observer {
            Some(observer) => observer.next_events(out).await,
            None => std::future::pending().await,
        }
    }

    /// Looks at every task of the host.
    pub fn look(&mut self) -> Vec<TaskSnapshot> {
        self.walk(Scope::Host)
    }

    fn walk(&mut self, scope: Scope) -> Vec<TaskSnapshot> {
        if let Some(observer) = &mut self.observer {
            match observer.snapshot(scope, Stacks::NotFrozen) {
                Ok(tasks) => return tasks,
                Err(error) => {
                    let lost = "tasks are looked at one by one in /proc, with less to see";
                    let (what, why) = ("task iterator".to_owned(), error.to_string());
                    let missing = Missing { what, why, lost: lost.to_owned() };
                    if !self.missing.contains(&missing) {
                        self.missing.push(missing);
                    }
                }
            }
        }
        procfs::snapshot(&procfs::host_tids(), true)
    }

    /// A look with the closer one.
    pub fn look_closely(&mut self) -> SystemLook {
        let tasks = self.look();
        let details = gather::look_closer(&tasks);
        SystemLook { tasks, details }
    }

    /// The freeze that began at `begun` and is over, by the events of it.
    pub fn finish(&mut self, begun: u64, by: &Caller) -> SystemSession {
        let mut freezes = SystemFreezes::default();
        let mut ended = None;
        if let Some(observer) = &mut self.observer {
            let mut events = Vec::new();
            observer.drain(&mut events);
            ended = events.iter().find_map(|event| freezes.observe(event)).or_else(|| freezes.take());
            self.forget();
        }
        ended.unwrap_or_else(|| SystemSession::new(begun, Some(by.clone())))
    }

    /// Has the kernel side wait for another freeze, also where it did not see the thaw of this one.
    pub fn forget(&mut self) {
        if let Some(Err(error)) = self.observer.as_mut().map(Observer::end_system_freeze) {
            let lost = "the end of a freeze may go unnoticed".to_owned();
            self.missing.push(Missing { what: "map".to_owned(), why: error.to_string(), lost });
        }
    }

    /// The walk over open files; `None` where only /proc remains.
    fn open_files(&self) -> Option<OpenFiles> {
        self.observer.as_ref().map(Observer::open_files)
    }

    /// The programs at work.
    #[must_use]
    pub fn attached(&self) -> &[Attached] {
        self.observer.as_ref().map_or(&[], Observer::attached)
    }

    /// What observed, and what it lost.
    #[must_use]
    pub fn report(&self) -> ObserverReport {
        let mode = if self.observer.is_some() { ObserverMode::Bpf } else { ObserverMode::Proc };
        let missing = self.missing.iter().map(ToString::to_string).collect();
        let counters = self.observer.as_ref().and_then(|observer| observer.counters().ok());
        ObserverReport { mode, lost_events: counters.map_or(0, |counters| counters.lost()), missing }
    }
}

/// A freeze that is over, with what is needed to explain it.
pub struct Past {
    freeze: SystemSession,
    before: SystemLook,
    after: Vec<TaskSnapshot>,
    /// Closer looks that are true of the time of the freeze.
    details: HashMap<i32, TaskDetails>,
    open_files: Option<OpenFiles>,
}

impl Past {
    /// Looks at what is left of it: to be called at once after the thaw, which ends many a wait.
    pub fn look(witness: &mut SystemWitness, mut freeze: SystemSession, before: SystemLook) -> Self {
        let stragglers: Vec<&TaskSnapshot> = freeze.looks.iter().flat_map(|look| &look.tasks).collect();
        // First close, then wide: who has not moved until the second look was seen right by the first.
        let close = if stragglers.is_empty() {
            gather::look_closer(&before.tasks)
        } else {
            gather::look_closer(&stragglers.into_iter().cloned().collect::<Vec<_>>())
        };
        let after = existed(witness.look(), freeze.thaw.map_or_else(monotonic_ns, |thaw| thaw.at));
        let details = true_details(&freeze, &before, &after, &close);
        let frozen_before: Vec<i32> =
            before.tasks.iter().filter(|task| task.frozen_v1 == Some(true)).map(|task| task.tid).collect();
        let system = system(&freeze, &[]);
        let tasks = as_frozen(&after, &freeze.refusing(), &system);
        freeze.look(tasks.iter().filter(|task| system.covers(task)), &frozen_before);
        Self { freeze, before, after, details, open_files: witness.open_files() }
    }

    /// The freeze.
    pub fn freeze(&self) -> &SystemSession {
        &self.freeze
    }

    /// User tasks there were, the one that froze them excepted.
    pub fn tasks(&self) -> usize {
        let system = system(&self.freeze, &[]);
        let alive = |task: &&TaskSnapshot| !matches!(task.state, TaskState::Zombie | TaskState::Dead);
        self.after.iter().filter(|task| system.covers(task)).filter(alive).count()
    }

    /// Who refused to freeze, and why.
    pub fn explain(&self) -> Explained {
        let refusing: Vec<TaskSnapshot> = if self.freeze.looks.is_empty() {
            unmoved(&self.before.tasks, &self.after)
        } else {
            self.freeze.refusing().into_iter().cloned().collect()
        };
        self.explain_those(&refusing)
    }

    /// Who was late in the kernel side's looks while the freeze lasted.
    pub fn looks(&self) -> Vec<Look> {
        let look = |look: &crate::model::Look| Look {
            after_ns: look.at.saturating_sub(self.freeze.begun_at()),
            blockers: self.explain_those(&look.tasks).verdict.blockers,
            spent: Vec::new(),
        };
        self.freeze.looks.iter().map(look).collect()
    }

    fn explain_those(&self, refusing: &[TaskSnapshot]) -> Explained {
        let refusing: Vec<&TaskSnapshot> = refusing.iter().collect();
        let user_space_frozen = refusing.iter().all(|task| task.kernel_thread);
        let system = system(&self.freeze, if user_space_frozen { &refusing } else { &[] });
        let subject = Subject {
            frozen: Frozen::System(&system, &self.details),
            host: as_frozen(&self.after, &refusing, &system),
            asked_ns_ago: self.freeze.thaw.map(|thaw| thaw.at.saturating_sub(self.freeze.begun_at())),
            samples: Samples::new(),
            joined: HashMap::new(),
            before: looks::states(&self.before.tasks),
            froze: froze(&self.freeze),
            open_files: self.open_files.clone(),
        };
        let facts = gather::gather(&subject);
        let verdict = judge(&facts);
        Explained { facts, verdict }
    }
}

/// What this freeze covers; `refusing` may name kernel threads.
fn system(freeze: &SystemSession, refusing: &[&TaskSnapshot]) -> WholeSystem {
    let by = freeze.by.clone();
    WholeSystem {
        exempt: by.iter().map(|by| by.tid).collect(),
        by,
        kernel_threads: refusing.iter().filter(|task| task.kernel_thread).map(|task| task.tid).collect(),
    }
}

/// Without the tasks that have started since.
fn existed(mut tasks: Vec<TaskSnapshot>, thawed_at: u64) -> Vec<TaskSnapshot> {
    // Start times are counted from boot, suspended or not.
    let thawed = thawed_at.saturating_add(boot_ns().saturating_sub(monotonic_ns()));
    tasks.retain(|task| task.start_ns <= thawed);
    tasks
}

/// The tasks as they were in the freeze: those refusing as they were seen then, all others frozen.
fn as_frozen(after: &[TaskSnapshot], refusing: &[&TaskSnapshot], system: &WholeSystem) -> Vec<TaskSnapshot> {
    let same =
        |one: &TaskSnapshot, other: &TaskSnapshot| one.tid == other.tid && one.start_ns == other.start_ns;
    let mut tasks: Vec<TaskSnapshot> = after
        .iter()
        .map(|task| match refusing.iter().find(|refusing| same(refusing, task)) {
            Some(refusing) => (*refusing).clone(),
            None if !system.covers(task) => task.clone(),
            None => TaskSnapshot { frozen_v1: Some(true), lock: None, ..task.clone() },
        })
        .collect();
    // Killed meanwhile, it still refused.
    let gone = refusing.iter().filter(|refusing| !after.iter().any(|task| same(task, refusing)));
    tasks.extend(gone.map(|&task| task.clone()));
    tasks
}

/// Where no program looked: what slept uninterruptibly before the freeze and has not run since was asleep all through it.
/// Whether the freezer took it as it slept is not known.
fn unmoved(before: &[TaskSnapshot], after: &[TaskSnapshot]) -> Vec<TaskSnapshot> {
    let slept = |task: &&TaskSnapshot| !task.kernel_thread && task.state == TaskState::Uninterruptible;
    let known =
        |task: &&TaskSnapshot| before.iter().any(|earlier| slept(&earlier) && is_unmoved(earlier, task));
    let found = after.iter().filter(slept).filter(known);
    found.map(|task| TaskSnapshot { frozen_v1: None, ..task.clone() }).collect()
}

/// The same task, in the same sleep.
fn is_unmoved(one: &TaskSnapshot, other: &TaskSnapshot) -> bool {
    (one.tid, one.start_ns) == (other.tid, other.start_ns)
        && one.switches.is_some()
        && one.switches == other.switches
}

/// What a task does now, or did before, tells of the freeze only where it has not run in between. Of the others it is
/// known that nothing is.
fn true_details(
    freeze: &SystemSession,
    before: &SystemLook,
    after: &[TaskSnapshot],
    close: &HashMap<i32, TaskDetails>,
) -> HashMap<i32, TaskDetails> {
    let unmoved =
        |tasks: &[TaskSnapshot], task: &TaskSnapshot| tasks.iter().any(|other| is_unmoved(other, task));
    let true_of = |task: &TaskSnapshot| {
        let now = close.get(&task.tid).filter(|_| unmoved(after, task));
        let then = || before.details.get(&task.tid).filter(|_| unmoved(&before.tasks, task));
        now.or_else(then).cloned().unwrap_or_default()
    };
    if freeze.looks.is_empty() {
        return close.clone();
    }
    let stragglers = freeze.looks.iter().flat_map(|look| &look.tasks);
    stragglers.map(|task| (task.tid, true_of(task))).collect()
}

fn froze(freeze: &SystemSession) -> Vec<Froze> {
    let at = |task: &TaskTimeline| match task.arrival? {
        crate::model::Arrival::Before => Some(Froze { tid: task.tid, after_ns: None }),
        crate::model::Arrival::Seen => None,
        _ => {
            let after_ns = task.latency_ns(freeze.begun_at());
            after_ns.map(|ns| Froze { tid: task.tid, after_ns: Some(ns) })
        }
    };
    freeze.session().tasks().filter_map(at).collect()
}

/// Looks at a freeze of the whole system that goes on now. That can be done by the one who froze it alone, and by what
/// it has started since: `None` for everybody else, for everybody else is frozen.
pub fn look_inside(witness: &mut SystemWitness) -> Option<Explained> {
    let own = std::process::id().cast_signed();
    is_exempt(own).then(|| {
        let tasks = witness.walk(Scope::System);
        let awake =
            tasks.iter().filter(|task| !task.kernel_thread && task.frozen_in(Hierarchy::V1) != Some(true));
        // A thread of this process may have ended since, and it was started by the one that is exempt.
        let is_exempt = |task: &&TaskSnapshot| task.tgid == own || is_exempt(task.tid);
        let exempt = awake.filter(is_exempt).map(|task| task.tid).collect();
        let system = WholeSystem { exempt, ..WholeSystem::default() };
        look_as(&system, tasks, HashMap::new(), witness.open_files())
    })
}

/// The facts of the whole system as it is, asked to freeze or not; this process excepted.
pub fn look_ahead(witness: &mut SystemWitness, before: &[TaskSnapshot]) -> Explained {
    let own = std::process::id().cast_signed();
    let tasks = witness.look();
    let exempt = tasks.iter().filter(|task| task.tgid == own).map(|task| task.tid).collect();
    let system = WholeSystem { exempt, ..WholeSystem::default() };
    look_as(&system, tasks, looks::states(before), witness.open_files())
}

fn look_as(
    system: &WholeSystem,
    host: Vec<TaskSnapshot>,
    before: looks::Before,
    open_files: Option<OpenFiles>,
) -> Explained {
    let known = HashMap::new();
    let subject = Subject {
        frozen: Frozen::System(system, &known),
        host,
        asked_ns_ago: None,
        samples: Samples::new(),
        joined: HashMap::new(),
        before,
        froze: Vec::new(),
        open_files,
    };
    let facts = gather::gather(&subject);
    let verdict = judge(&facts);
    Explained { facts, verdict }
}

/// Whether suspend never freezes this task.
fn is_exempt(tid: i32) -> bool {
    let stat = fs::read(format!("/proc/{tid}/stat")).unwrap_or_default();
    flags(&stat).is_some_and(|flags| flags & PF_SUSPEND_TASK != 0)
}

/// `task->flags`, behind the name, which may hold anything (`do_task_stat`, fs/proc/array.c).
fn flags(stat: &[u8]) -> Option<u64> {
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    std::str::from_utf8(stat.get(close + 1..)?).ok()?.split_ascii_whitespace().nth(6)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::joined::tests::task;

    fn asleep(tid: i32, switches: u64) -> TaskSnapshot {
        TaskSnapshot { switches: Some(switches), state: TaskState::Uninterruptible, ..task(tid, 0) }
    }

    #[test]
    fn a_straggler_is_told_as_it_was_and_all_others_as_frozen() {
        let seen = TaskSnapshot { frozen_v1: Some(false), ..asleep(7, 3) };
        let gone = TaskSnapshot { frozen_v1: Some(false), ..asleep(9, 3) };
        let system = WholeSystem { exempt: vec![10], ..WholeSystem::default() };
        let after = [task(7, 0), task(8, 0), task(10, 0)];
        let tasks = as_frozen(&after, &[&seen, &gone], &system);
        let marks: Vec<_> = tasks.iter().map(|task| (task.tid, task.frozen_v1)).collect();
        assert_eq!(marks, [(7, Some(false)), (8, Some(true)), (10, None), (9, Some(false))]);
        assert_eq!(tasks[0].state, TaskState::Uninterruptible);
    }

    #[test]
    fn without_looks_only_who_slept_all_through_is_suspected() {
        let before = [asleep(1, 5), asleep(2, 5), task(3, 0)];
        let after = [asleep(1, 5), asleep(2, 6), asleep(3, 5), asleep(4, 5)];
        assert_eq!(unmoved(&before, &after).iter().map(|task| task.tid).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_closer_look_is_true_only_of_a_task_that_has_not_moved() {
        let looked = |name: &str| TaskDetails { wchan: Some(name.to_owned()), ..TaskDetails::default() };
        let mut freeze = SystemSession::new(1, None);
        let tasks = vec![asleep(1, 5), asleep(2, 5), asleep(3, 5)];
        freeze.looks.push(crate::model::Look { at: 2, tasks });
        let before = SystemLook {
            tasks: vec![asleep(1, 4), asleep(2, 5), asleep(3, 4)],
            details: [(1, looked("then")), (2, looked("then")), (3, looked("then"))].into(),
        };
        let after = [asleep(1, 5), asleep(2, 6), asleep(3, 6)];
        let close = [(1, looked("now")), (2, looked("now")), (3, looked("now"))].into();
        let found = true_details(&freeze, &before, &after, &close);
        let said = |tid: i32| found[&tid].wchan.as_deref();
        assert_eq!((said(1), said(2), said(3)), (Some("now"), Some("then"), None));
    }

    #[test]
    fn flags_are_read_behind_any_name() {
        assert_eq!(flags(b"1 (a) R 0 1) S 1 2 3 0 -1 2151677952 0"), Some(2_151_677_952));
        assert_eq!(flags(b"1 (a"), None);
    }
}
