//! The sections of slow tasks, of whom a freeze hurts, and of circles: also narrow, and with the oddest names.

use super::{blocker, document, wide};
use crate::explain::harm::SideEffect;
use crate::explain::slow::SlowStages;
use crate::explain::{Cause, Certainty, Cycle, Evidence, SlowTask, WaitsFor};
use crate::model::{FreezerState, Name};
use crate::report::text::render;
use crate::report::{Document, Outcome, Screen};

fn narrow() -> Screen {
    Screen { color: false, width: Some(48) }
}

/// Escape sequences, a newline and stray bytes, as any program may call itself.
fn odd_name() -> Name {
    Name::from(&b"a\x1b[31m\nb \xff\xfe"[..])
}

fn slow_task(tid: i32, comm: Name, took_ns: u64, cause: Cause) -> SlowTask {
    SlowTask {
        tid,
        tgid: Some(4700),
        comm: Some(comm),
        request_to_frozen_ns: Some(took_ns),
        request_to_gone_ns: None,
        last_seen_not_frozen_ns: None,
        request_to_arrival_ns: None,
        stages: SlowStages {
            running_ns: Some(310_000),
            runnable_ns: Some(1_200_000),
            asleep_ns: Some(took_ns - 1_510_000),
            ..SlowStages::default()
        },
        cause,
        certainty: Certainty::Likely,
        summary: "waits for the FUSE server of /mnt/data (sshfs, pid 4312), which is not frozen".into(),
        evidence: Evidence {
            notes: vec!["3 requests wait on that connection".into()],
            ..Evidence::default()
        },
        waits_for: blocker(tid).waits_for,
    }
}

/// One of every kind: frozen late, gone instead, only seen by looks, late itself; and a slow write.
fn slow_freeze() -> Document {
    let mut document = document(Outcome::Frozen, FreezerState::Frozen);
    document.elapsed_ns = 912_000_000;
    document.slow_limit_ns = Some(100_000_000);
    document.slow_write_ns = Some(140_000_000);
    let gone = SlowTask {
        request_to_frozen_ns: None,
        request_to_gone_ns: Some(800_000_000),
        summary: "is exiting and still tears down its memory or files".into(),
        certainty: Certainty::Certain,
        evidence: Evidence::default(),
        waits_for: Vec::new(),
        ..slow_task(4720, odd_name(), 800_000_000, Cause::Exiting)
    };
    let looked_at = SlowTask {
        request_to_frozen_ns: None,
        last_seen_not_frozen_ns: Some(400_000_000),
        request_to_arrival_ns: Some(200_000_000),
        summary: "is runnable and got no CPU for 398 ms; who has CPU 1 is not known".into(),
        certainty: Certainty::Guess,
        waits_for: Vec::new(),
        ..slow_task(4721, "db".into(), 400_000_000, Cause::CpuStarved)
    };
    document.slow = vec![
        slow_task(4711, "backup".into(), 912_000_000, Cause::FuseRequest),
        slow_task(4712, "backup".into(), 300_000_000, Cause::FuseRequest),
        gone,
        looked_at,
    ];
    document
}

#[test]
fn slow_tasks_are_grouped_with_where_their_time_went() {
    insta::assert_snapshot!(render(&slow_freeze(), wide()));
}

#[test]
fn slow_tasks_with_odd_names_fit_a_narrow_terminal() {
    insta::assert_snapshot!(render(&slow_freeze(), narrow()));
}

fn side_effect(tid: i32, kind: &str, comm: Name) -> SideEffect {
    SideEffect {
        kind: kind.to_owned(),
        pid: 5000,
        tid,
        comm,
        certainty: Certainty::Likely,
        summary: "waits for the FUSE server of /mnt/data (sshfs, pid 4312), frozen by this same freeze"
            .into(),
        evidence: Evidence {
            notes: vec!["3 requests wait on that connection".into()],
            ..Evidence::default()
        },
        waits_for: blocker(tid).waits_for,
        release: "thaw this cgroup".into(),
    }
}

fn hurting() -> Document {
    let mut document = document(Outcome::Frozen, FreezerState::Frozen);
    document.side_effects = vec![
        side_effect(5000, "fuse-request", "rsync".into()),
        side_effect(5001, "lock-held", odd_name()),
        SideEffect { certainty: Certainty::Certain, ..side_effect(5000, "tracer-waits", "gdb".into()) },
    ];
    document
}

#[test]
fn whom_a_freeze_hurts_is_named_with_the_way_out() {
    insta::assert_snapshot!(render(&hurting(), wide()));
}

#[test]
fn whom_a_freeze_hurts_fits_a_narrow_terminal() {
    insta::assert_snapshot!(render(&hurting(), narrow()));
}

#[test]
fn many_whom_a_freeze_hurts_are_counted() {
    let mut document = hurting();
    document.side_effects = (1..=40).map(|tid| side_effect(tid, "fuse-request", "rsync".into())).collect();
    let text = render(&document, wide());
    assert!(text.contains("and 34 more tasks (--json lists all)"), "{text}");
}

fn frozen_task(pid: i32, comm: Name, cgroup: &str) -> WaitsFor {
    let cgroup = Some(Name::from(cgroup));
    let frozen_by = cgroup.iter().cloned().collect();
    WaitsFor::Task { pid, tid: pid, comm, frozen: true, cgroup, frozen_by, frozen_after_ns: Some(800_000) }
}

/// Two freezes, each of which holds what the other waits for; and one with its own server.
fn circles() -> Document {
    let freeze = |path: &str| WaitsFor::Cgroup { path: path.into(), limit: None };
    let (a, b) = ("/sys/fs/cgroup/freezer/a", "/sys/fs/cgroup/freezer/b");
    let two = Cycle {
        summary: format!(
            "cgroup {a} and cgroup {b} cannot both be frozen: each holds the other's FUSE server"
        ),
        steps: vec![
            freeze(a),
            WaitsFor::Task {
                pid: 4700,
                tid: 4711,
                comm: odd_name(),
                frozen: false,
                cgroup: Some(a.into()),
                frozen_by: Vec::new(),
                frozen_after_ns: None,
            },
            frozen_task(4312, "sshfs".into(), b),
            freeze(b),
        ],
        blockers: vec![4711],
        order: Vec::new(),
        advice: "no order of freezing works: move pid 4312 out of both first".into(),
    };
    let own = Cycle {
        summary: format!(
            "cgroup {a} cannot freeze: it waits for its own FUSE server, frozen 800 µs into this freeze"
        ),
        steps: vec![freeze(a), frozen_task(4312, "sshfs".into(), a)],
        advice: "freeze the cgroup of backup (pid 4700) first, then that of sshfs (pid 4312)".into(),
        ..two.clone()
    };
    let mut document = document(Outcome::TimedOut, FreezerState::Freezing);
    document.cycles = vec![two, own];
    document
}

#[test]
fn circles_are_drawn_with_an_order_that_works() {
    insta::assert_snapshot!(render(&circles(), wide()));
}

#[test]
fn circles_fit_a_narrow_terminal() {
    insta::assert_snapshot!(render(&circles(), narrow()));
}

#[test]
fn no_name_reaches_the_terminal_as_it_is() {
    for document in [slow_freeze(), hurting(), circles()] {
        let text = render(&document, wide());
        assert!(!text.contains('\x1b') && text.contains("\\x1b") && !text.contains('\u{fffd}'), "{text}");
    }
}
