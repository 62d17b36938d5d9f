//! What `check` found: a line for each finding, what would block first, then the verdict.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{ObserverReport, SCHEMA, Screen};
use crate::model::units::count;
use crate::model::{Hierarchy, Name};
use crate::preflight::{Finding, Grade, Kind, Sight};

/// Findings of one kind and grade that are told one by one; the others are counted.
const IN_FULL: usize = 4;
/// Columns of a grade with its gap.
const GRADE: usize = 7;

/// Everything `check` reports.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    schema: &'static str,
    cgroup: Name,
    hierarchy: Hierarchy,
    verdict: Verdict,
    /// Living tasks inside.
    tasks: usize,
    findings: Vec<Finding>,
    /// What could not be looked at.
    gaps: Vec<String>,
    observer: Option<ObserverReport>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Go,
    NoGo,
}

impl CheckReport {
    /// Of one look ahead.
    pub fn new(sight: &Sight, findings: Vec<Finding>, observer: Option<ObserverReport>) -> Self {
        let no_go = findings.iter().any(|finding| finding.grade == Grade::NoGo);
        Self {
            schema: SCHEMA,
            cgroup: sight.cgroup.clone(),
            hierarchy: sight.hierarchy,
            verdict: if no_go { Verdict::NoGo } else { Verdict::Go },
            tasks: sight.tasks,
            findings,
            gaps: sight.gaps.clone(),
            observer,
        }
    }

    /// The screen.
    #[must_use]
    pub fn render(&self, screen: Screen) -> String {
        let mut text = String::new();
        let mut shown: BTreeMap<(Grade, Kind), usize> = BTreeMap::new();
        for finding in &self.findings {
            let n = shown.entry((finding.grade, finding.kind)).or_default();
            *n += 1;
            if *n <= IN_FULL {
                text += &line(finding, screen);
            }
        }
        for ((grade, kind), n) in shown {
            if let Some(more) = n.checked_sub(IN_FULL).filter(|&more| more > 0) {
                let more =
                    format!("and {} of {} (--json lists all)", count(more, "more finding"), word(kind));
                text += &screen.hang(&graded(grade, screen), GRADE, &more);
            }
        }
        for gap in &self.gaps {
            text += &screen.field(0, "not seen", gap);
        }
        for missing in self.observer.iter().flat_map(|observer| &observer.missing) {
            // What only sharpens times does not matter to a look at what is.
            if missing.starts_with("bpf") || missing.starts_with("task iterator") {
                text += &screen.field(0, "without", missing);
            }
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text + &self.verdict(screen)
    }

    fn verdict(&self, screen: Screen) -> String {
        let of = |grade| self.findings.iter().filter(|finding| finding.grade == grade).count();
        let place = format!("{} ({}), {}", self.cgroup, self.hierarchy, count(self.tasks, "task"));
        let (in_the_way, warnings) = (of(Grade::NoGo), count(of(Grade::Warn), "warning"));
        let (word, column, reasons) = match self.verdict {
            Verdict::NoGo => {
                let things =
                    if in_the_way == 1 { "1 thing".to_owned() } else { format!("{in_the_way} things") };
                (screen.bad("NO-GO"), 7, format!("{things} in the way, {warnings}"))
            }
            Verdict::Go if of(Grade::Warn) > 0 => {
                (screen.notable("GO"), 4, format!("nothing in the way, {warnings}"))
            }
            Verdict::Go => (screen.good("GO"), 4, "nothing in the way".to_owned()),
        };
        screen.hang(&format!("{word}  "), column, &format!("{place}: {reasons}"))
    }
}

fn graded(grade: Grade, screen: Screen) -> String {
    let (word, painted) = match grade {
        Grade::NoGo => ("no-go", screen.bad("no-go")),
        Grade::Warn => ("warn", screen.notable("warn")),
        Grade::Note => ("note", screen.faint("note")),
    };
    format!("{painted}{}", " ".repeat(GRADE - word.len()))
}

/// A finding and its way out, in one wrapped line.
fn line(finding: &Finding, screen: Screen) -> String {
    let mut text = finding.summary.clone();
    if let (Some(cause), Grade::NoGo) = (finding.cause, finding.grade) {
        text += &format!(" [{cause}]");
    }
    if finding.grade != Grade::Note {
        text += &format!(" -> {}", finding.release);
    }
    screen.hang(&graded(finding.grade, screen), GRADE, &text)
}

/// As in JSON.
fn word(kind: Kind) -> String {
    serde_json::to_value(kind).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Cause;
    use crate::preflight::Obstacle;
    use crate::report::ObserverMode;

    fn finding(kind: Kind, grade: Grade, summary: &str) -> Finding {
        Finding::new(kind, grade, summary, "do this first")
    }

    fn report(findings: Vec<Finding>, missing: &[&str]) -> CheckReport {
        let verdict =
            if findings.iter().any(|f| f.grade == Grade::NoGo) { Verdict::NoGo } else { Verdict::Go };
        CheckReport {
            schema: SCHEMA,
            cgroup: Name::from(&b"/cg/a\x1b[2J"[..]),
            hierarchy: Hierarchy::V2,
            verdict,
            tasks: 12,
            findings,
            gaps: vec!["reading the memory map of 9 took too long".to_owned()],
            observer: Some(ObserverReport {
                mode: ObserverMode::Proc,
                lost_events: 0,
                missing: missing.iter().map(ToString::to_string).collect(),
            }),
        }
    }

    #[test]
    fn the_findings_come_first_and_the_verdict_last() {
        let stuck = finding(
            Kind::Stuck,
            Grade::NoGo,
            "backup (7) waits for the FUSE server of /mnt/data (sshfs, pid 4), which is not frozen",
        );
        let mut findings = vec![Finding { cause: Some(Cause::FuseRequest), ..stuck }.blocks(Obstacle::Stuck)];
        findings.push(finding(Kind::Tracer, Grade::Warn, "gdb (5) traces db (6), outside"));
        findings.extend(vec![finding(Kind::ChildFrozen, Grade::Note, "/cg/a/b asks for itself"); 6]);
        let report = report(findings, &["bpf: CAP_BPF (no lock owners)", "freeze_task: EPERM (no times)"]);
        insta::assert_snapshot!(report.render(Screen { color: false, width: Some(80) }));
    }

    #[test]
    fn a_quiet_cgroup_is_a_word() {
        let report = CheckReport { gaps: vec![], ..report(vec![], &[]) };
        assert_eq!(
            report.render(Screen::default()),
            "GO  /cg/a\\x1b[2J (v2), 12 tasks: nothing in the way\n"
        );
    }

    #[test]
    fn thousands_of_findings_are_one_screen() {
        let findings = vec![finding(Kind::Stuck, Grade::NoGo, "x (1) waits"); 5000];
        let text = report(findings, &[]).render(Screen::default());
        assert!(text.contains("and 4996 more findings of stuck"), "{text}");
        assert!(text.lines().count() < 24, "{text}");
    }
}
