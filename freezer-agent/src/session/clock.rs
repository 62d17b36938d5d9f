//! Which clock each figure of a session comes from: the programs at work, and what they told.

use std::collections::BTreeMap;

use crate::model::{FrozenBy, FrozenClock, LatencyClock, Session};
use crate::source::Attached;

/// What tells of a request by somebody else.
const REQUESTS: [&str; 2] = ["cgroup_freeze", "freezer_apply_state"];
/// What tells that a task is asked.
const ASKING: [&str; 2] = ["freeze_task", "cgroup_freeze_task"];
/// What tells that a task enters the refrigerator or the frozen trap.
const ENTERING: [&str; 2] = ["__refrigerator", "cgroup_enter_frozen"];

/// The clocks of a session; `own`: this command made the request.
#[must_use]
pub fn clock(attached: &[Attached], session: &Session, own: bool) -> LatencyClock {
    let program = |targets: &[&str]| {
        let mut entries = attached.iter().filter(|program| program.by != "fexit");
        let at_work = entries.find(|program| targets.contains(&program.target));
        at_work.map(|program| format!("{} {}", program.by, program.target))
    };
    let asked = program(&ASKING);
    // The freeze of the whole system begins with the first task asked.
    let by_others = || program(&REQUESTS).or_else(|| asked.clone()).unwrap_or_default();
    let requested = if own { LatencyClock::WRITE.to_owned() } else { by_others() };
    let mut tasks: BTreeMap<FrozenClock, usize> = BTreeMap::new();
    for clock in session.tasks().filter(|task| !task.gone).filter_map(|task| task.clock) {
        *tasks.entry(clock).or_default() += 1;
    }
    let name = |clock| match clock {
        FrozenClock::Entry => program(&ENTERING),
        FrozenClock::Switch => program(&["sched_switch"]),
        FrozenClock::Asked => asked.clone(),
        FrozenClock::WriteEnd => Some(LatencyClock::WRITE_END.to_owned()),
    };
    let frozen =
        tasks.into_iter().filter_map(|(clock, tasks)| Some(FrozenBy { by: name(clock)?, tasks })).collect();
    LatencyClock { requested, asked, frozen }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Event, EventKind, Frozen, Hierarchy};

    fn froze(time_ns: u64, tid: i32) -> Event {
        let frozen = Frozen { v1: true, v2: false };
        Event { time_ns, cpu: 0, kind: EventKind::SwitchOut { tid, state: 0x8000, preempted: false, frozen } }
    }

    fn entered(time_ns: u64, tid: i32) -> Event {
        Event { time_ns, cpu: 0, kind: EventKind::Refrigerated { tid } }
    }

    #[test]
    fn each_clock_is_told_with_the_tasks_it_told() {
        let attached = [("sched_switch", "raw_tp"), ("freeze_task", "kprobe"), ("__refrigerator", "kprobe")];
        let attached = attached.map(|(target, by)| Attached { target, by });
        let mut session = Session::new(Hierarchy::V1, 1000);
        for event in [entered(1100, 7), froze(1110, 7), froze(1200, 8), froze(1300, 9)] {
            session.observe(&event);
        }
        let clock = clock(&attached, &session, true);
        assert_eq!(
            (clock.requested.as_str(), clock.asked.as_deref()),
            (LatencyClock::WRITE, Some("kprobe freeze_task"))
        );
        let by = |by: &str, tasks| FrozenBy { by: by.to_owned(), tasks };
        assert_eq!(clock.frozen, [by("kprobe __refrigerator", 1), by("raw_tp sched_switch", 2)]);
    }
}
