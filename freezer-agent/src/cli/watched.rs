//! The freeze of `freeze --explain`: watched from before the request to its end.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use super::exit::Failure;
use super::freeze::{self, Args};
use super::output::{self, Shape};
use crate::cgroupfs::Cgroup;
use crate::control::{Ended, Interrupts, Request, Span, TaskCount, monotonic_ns};
use crate::explain::course::Course;
use crate::explain::harm::{SideEffect, harms};
use crate::explain::{Facts, Look, record};
use crate::model::{FreezerState, Latency, LatencyClock, Session};
use crate::report::{Document, TaskDetail};
use crate::session::{
    Before, Costs, Explained, Looks, Samples, Watched, WatchedWait, Witness, clock, explain, harm, join_late,
    looks,
};

/// Freezes, watches, explains, keeps the request or puts back what was found, and prints.
pub async fn freeze(
    cgroup: &Cgroup,
    args: &Args,
    verbose: bool,
    interrupts: &Interrupts,
) -> Result<Ended, Failure> {
    let mut witness = Witness::new(cgroup, verbose);
    let before = look_before(cgroup, &mut witness)?;
    let dumps = harm::dumps_under_way(cgroup);
    // A move within the subtree looks to the kernel side as one from outside.
    let inside = if witness.has_bpf() { cgroup.subtree_tasks().ok() } else { None };
    let mut request = Request::make(cgroup.clone())?;
    let span = request.written().unwrap_or_else(|| {
        let now = monotonic_ns();
        Span { start_ns: now, end_ns: now }
    });
    let looks = Looks::new(request.asked(), args.slow, looks::states(&before.tasks));
    let mut wait = WatchedWait::new(&mut witness, span, inside).with_looks(looks);
    let mut ended = request.wait(args.timeout, &mut wait, interrupts).await?;
    let known_at = monotonic_ns();
    let Watched { mut session, samples, last_look, looks } = wait.finish(ended == Ended::Frozen);
    let frozen_before = before.tasks.iter().filter(|task| task.frozen_in(cgroup.hierarchy) == Some(true));
    session.frozen_before(frozen_before.map(|task| task.tid));

    let mut explained = None;
    if ended != Ended::Frozen {
        let asked_ns_ago = Some(known_at.saturating_sub(span.start_ns));
        let found = explain(
            &mut witness,
            asked_ns_ago,
            samples.clone(),
            Some(&before),
            last_look,
            Some(&mut session),
        );
        if ended == Ended::TimedOut && found.nobody_blocks() && request.look_twice()?.is_none() {
            // The last task got there while we looked.
            ended = Ended::Frozen;
        } else {
            explained = Some(found);
        }
    }
    let mut document = freeze::begin(&request, &ended);
    let mut facts = if let Some(explained) = explained {
        Some(tell_blockers(explained, &mut document))
    } else {
        tell_all_frozen(&mut witness, &mut session, &before, &mut document);
        None
    };
    // Before the thaw, whose own events may be too many.
    document.observer = Some(witness.report());
    let shape = Shape::asked(args.json, args.dot);
    let (mut course, mut ahead) = (Course::default(), None);
    freeze::settle(request, &ended, args, &mut document, |document| {
        course = course_of(&session, &ended, looks, &samples, args.slow);
        if !document.already_frozen {
            let frozen = ended == Ended::Frozen;
            let took = frozen.then(|| known_at.saturating_sub(session.requested_at()));
            times(&session, took, clock(witness.attached(), &session, true), document);
            tell_slow(&course, document);
        }
        if ended != Ended::Frozen {
            ahead = Some(Ahead::of(document, shape)?);
        }
        Ok(())
    })?;
    document.side_effects = side_effects(&mut witness, &dumps, &document, &mut facts);
    let rendered = match ahead.and_then(|ahead| ahead.if_right(&document)) {
        Some(rendered) => rendered,
        None => output::render(&document, shape)?,
    };
    // Only now: the file may lie on a mount that the frozen cgroup serves.
    if let (Some(facts), Some(file)) = (&facts, &args.record) {
        let elapsed_ns = document.elapsed_ns;
        let course = Course { elapsed_ns, ..course.of_the_slow(&document.slow) };
        save(facts, Some(&course), file)?;
    }
    // Before the kernel side is taken down, which nobody need wait for.
    output::bytes(&rendered)?;
    if args.timings {
        timings(span, &session, known_at, &ended, &mut witness);
    }
    Ok(ended)
}

/// A document rendered before all of it was certain.
struct Ahead {
    restored: bool,
    state: Option<FreezerState>,
    rendered: Vec<u8>,
}

impl Ahead {
    fn of(document: &Document, shape: Shape) -> Result<Self, Failure> {
        let rendered = output::render(document, shape)?;
        Ok(Self { restored: document.restored, state: document.state, rendered })
    }

    fn if_right(self, document: &Document) -> Option<Vec<u8>> {
        let right = self.restored == document.restored
            && self.state == document.state
            && document.side_effects.is_empty();
        right.then_some(self.rendered)
    }
}

fn tell_blockers(explained: Explained, document: &mut Document) -> Facts {
    document.tasks = explained.count().into();
    document.unknown = explained.unknown();
    document.blockers = explained.verdict.blockers;
    document.cycles = explained.verdict.cycles;
    explained.facts
}

fn tell_all_frozen(witness: &mut Witness, session: &mut Session, before: &Before, document: &mut Document) {
    let tasks = witness.look();
    witness.catch_up(session);
    if !witness.has_bpf() {
        join_late(witness, session, &tasks, Some(before));
    }
    session.look(&tasks);
    document.tasks = TaskCount { total: tasks.len(), at_least: tasks.len(), at_most: tasks.len() }.into();
}

/// Without BPF only the difference tells a task frozen in place from a blocked one; and a task that was frozen
/// already has no latency.
fn look_before(cgroup: &Cgroup, witness: &mut Witness) -> Result<Before, Failure> {
    let untouched = || -> Result<bool, crate::cgroupfs::FileError> {
        Ok(cgroup.state()?.state == FreezerState::Thawed && cgroup.requesting_descendants()?.is_empty())
    };
    if witness.has_bpf() && untouched().map_err(crate::control::ControlError::from)? {
        return Ok(Before::default());
    }
    let at_ns = monotonic_ns();
    Ok(Before { at_ns, tasks: witness.look() })
}

/// How long the tasks took, and the whole of it where that is known.
pub fn times(
    session: &Session,
    request_to_frozen_ns: Option<u64>,
    clock: LatencyClock,
    document: &mut Document,
) {
    let requested_at = session.requested_at();
    document.latency = Some(Latency { clock, ..session.latency(request_to_frozen_ns) });
    let timelines = session.timelines().into_iter().filter(|task| !task.gone);
    document.tasks_detail = timelines.map(|task| TaskDetail::of(&task, requested_at)).collect();
}

/// What the freeze broke: for the outside while it stands, for the inside what stays after it. Where nobody blocked,
/// the `facts` are those that this rests on.
fn side_effects(
    witness: &mut Witness,
    dumps: &[harm::Dump],
    document: &Document,
    facts: &mut Option<Facts>,
) -> Vec<SideEffect> {
    let mut found = harm::dumps_cut(dumps);
    found.extend(match document.state {
        Some(FreezerState::Thawed) => harm::spins(witness, &document.blockers),
        Some(state) => {
            let outside = harm::outsiders(witness, state == FreezerState::Frozen);
            let hurt = harms(&outside);
            facts.get_or_insert(outside);
            hurt
        }
        None => Vec::new(),
    });
    found
}

/// The way, of which the slow tasks are told.
fn course_of(
    session: &Session,
    ended: &Ended,
    looks: Vec<Look>,
    samples: &Samples,
    limit: Duration,
) -> Course {
    Course {
        frozen: *ended == Ended::Frozen,
        elapsed_ns: 0,
        requested_at: session.requested_at(),
        write_took_ns: session.write_took_ns(),
        limit_ns: u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX),
        tasks: session.timelines(),
        looks,
        samples: samples.iter().map(|(&tid, samples)| (tid, samples.clone())).collect(),
    }
}

/// Where the time of the tasks that froze late went.
pub(super) fn tell_slow(course: &Course, document: &mut Document) {
    let blocking: Vec<i32> = document.blockers.iter().map(|blocker| blocker.tid).collect();
    document.slow = course.slow(&blocking);
    document.slow_limit_ns = Some(course.limit_ns);
    document.slow_write_ns = course.slow_write_ns();
}

/// Keeps the facts for `replay`.
pub fn save(facts: &Facts, course: Option<&Course>, path: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::Record { path: path.to_path_buf(), error };
    let file = File::create(path).map_err(|error| failed(error.into()))?;
    record::save(facts, course, BufWriter::new(file)).map_err(failed)
}

/// For the benchmark.
fn timings(span: Span, session: &Session, known_at: u64, ended: &Ended, witness: &mut Witness) {
    // Measured only where nobody waits for a verdict: that takes its time.
    let costs = if *ended == Ended::Frozen { witness.costs() } else { Costs::default() };
    eprintln!(
        "{}",
        serde_json::json!({
            "requested_at_ns": span.start_ns,
            "write_ns": span.end_ns.saturating_sub(span.start_ns),
            "last_frozen_to_known_ns": session.last_frozen_at().map(|at| known_at.saturating_sub(at)),
            "sched_switch_outside_ns": costs.sched_switch_outside_ns,
            "snapshot_ns": costs.snapshot_ns,
        })
    );
}
