//! `cargo xtask vm others`: freezers of other people, as Debian has them, and what the agent says of what they freeze.

pub mod packages;

use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use super::Layout;
use super::findings::{self, Finding, Outcome};
use super::guest::{Guest, Limit};
use super::kernel::Kernel;
use super::programs::Program;
use crate::counts::Counts;
use crate::interrupt::Interrupt;

/// A program that freezes.
pub struct Subject {
    /// What it is called.
    pub name: &'static str,
    /// The guests it is tried in.
    layouts: &'static [Layout],
    /// The test program.
    tests: &'static str,
}

const ANY: &[Layout] = &[Layout::Hybrid, Layout::V2Only];

/// All of them. A test's name begins with its subject's.
pub const SUBJECTS: &[Subject] = &[
    Subject { name: "runc", layouts: ANY, tests: "kernel_runtimes" },
    Subject { name: "crun", layouts: ANY, tests: "guest_others" },
    Subject { name: "criu", layouts: ANY, tests: "guest_others" },
    Subject { name: "lxc", layouts: ANY, tests: "guest_others" },
    // Freezes in v2 only.
    Subject { name: "systemd", layouts: &[Layout::Systemd], tests: "guest_others" },
];

/// The kernel they are tried on: the first of Debian's with FUSE built in, and everything that CRIU needs.
pub const KERNEL: &str = "6.12";

/// Some programs hang for ten seconds before they give a freeze up, and systemd's client for 25; a quarter of this is
/// usual.
const LIMIT: Limit = Limit { whole: Duration::from_secs(600), silent: Duration::from_secs(180) };

/// What one guest shows.
pub struct Tried {
    layout: Layout,
    subjects: Vec<&'static Subject>,
    findings: anyhow::Result<Vec<Finding>>,
    took: Duration,
}

/// The guests, those in a row one after the other: each row keeps one processor busy.
const ROWS: [&[Layout]; 2] = [&[Layout::Hybrid, Layout::Systemd], &[Layout::V2Only]];

/// Tries subjects in all guests they belong in.
pub fn run(
    chosen: &[&'static Subject],
    kernel: &Kernel,
    programs: &[Program],
    interrupt: &Interrupt,
) -> anyhow::Result<Vec<Tried>> {
    let extra = packages::archive(kernel)?;
    let try_in = |layout: Layout| {
        let belongs = |subject: &&Subject| subject.layouts.contains(&layout);
        let subjects: Vec<_> = chosen.iter().copied().filter(belongs).collect();
        if subjects.is_empty() || interrupt.seen() {
            return None;
        }
        let begun = Instant::now();
        let findings = examine(layout, &subjects, kernel, programs, &extra, interrupt);
        Some(Tried { layout, subjects, findings, took: begun.elapsed() })
    };
    let row = |row: &[Layout]| row.iter().filter_map(|layout| try_in(*layout)).collect::<Vec<_>>();
    Ok(thread::scope(|scope| {
        let row = &row;
        let rows = ROWS.map(|layouts| scope.spawn(move || row(layouts)));
        // One that panicked ends the whole scope with its panic.
        rows.into_iter().flat_map(|row| row.join().unwrap_or_default()).collect()
    }))
}

fn examine(
    layout: Layout,
    subjects: &[&Subject],
    kernel: &Kernel,
    programs: &[Program],
    extra: &[u8],
    interrupt: &Interrupt,
) -> anyhow::Result<Vec<Finding>> {
    let words = match layout {
        Layout::Systemd => format!("systemd.unit={}", packages::UNIT),
        _ => String::new(),
    };
    let name = format!("others-{}-{}", layout.name(), std::process::id());
    let guest = Guest { name, kernel, layout, words, programs, extra };
    let mut output = Vec::new();
    guest.run(script(subjects), LIMIT, interrupt, |line| output.extend_from_slice(line))?;
    guest.forget()?;
    let findings = findings::selftests(&String::from_utf8_lossy(&output));
    let mut all = Vec::new();
    for subject in subjects {
        let own = findings.iter().filter(|finding| finding.name.starts_with(subject.name));
        all.extend(own.cloned());
        // What does not run at all is no success.
        if !all.iter().any(|finding| finding.name.starts_with(subject.name)) {
            let detail = String::from_utf8_lossy(&output).into_owned();
            all.push(Finding {
                part: findings::Part::Selftests,
                name: subject.name.to_owned(),
                outcome: Outcome::Wrong,
                detail,
            });
        }
    }
    Ok(all)
}

/// Runs the tests of subjects, each by its name.
fn script(subjects: &[&Subject]) -> String {
    let line =
        |subject: &&Subject| format!("/vm/bin/tests/{} --test-threads=1 {}\n", subject.tests, subject.name);
    let tests: String = subjects.iter().map(line).collect();
    // Some of them may have been inserted already.
    format!("sh /vm/more/insert 2>/dev/null\n{tests}")
}

impl Tried {
    /// Whether every test passed.
    pub fn is_right(&self) -> bool {
        let right = |finding: &Finding| finding.outcome == Outcome::Right;
        self.findings.as_ref().is_ok_and(|findings| findings.iter().all(right))
    }

    /// As tests.
    pub fn counts(&self) -> Counts {
        let Ok(findings) = &self.findings else { return Counts { failed: 1, ..Counts::default() } };
        let passed = findings.iter().filter(|finding| finding.outcome == Outcome::Right).count();
        Counts { passed, failed: findings.len() - passed, skipped: 0 }
    }

    /// A row of the table.
    pub fn row(&self) -> String {
        let mut row = format!("{:<14} {:>5} s ", self.layout.name(), self.took.as_secs());
        let Ok(findings) = &self.findings else { return row + " DEAD" };
        for subject in &self.subjects {
            let own = findings.iter().filter(|finding| finding.name.starts_with(subject.name));
            let (right, wrong): (Vec<_>, Vec<_>) = own.partition(|one| one.outcome == Outcome::Right);
            let cell = format!("{} {} right, {} not", subject.name, right.len(), wrong.len());
            write!(row, " {cell:<23}").unwrap_or_default();
        }
        row.trim_end().to_owned()
    }

    /// All that is not right, for people.
    pub fn complaint(&self) -> String {
        let name = self.layout.name();
        match &self.findings {
            Err(error) => format!("{name}: {error:#}\n"),
            Ok(findings) => {
                let wrong = findings.iter().filter(|finding| finding.outcome != Outcome::Right);
                wrong.fold(String::new(), |text, finding| {
                    let Finding { name: test, outcome, detail, .. } = finding;
                    text + &format!("{name}: {test} {}: {}\n", outcome.name(), detail.trim_end())
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subject_is_tried_by_its_own_tests() {
        let named = |name| SUBJECTS.iter().find(|subject| subject.name == name).expect("a subject");
        assert_eq!(
            script(&[named("runc"), named("lxc")]),
            "sh /vm/more/insert 2>/dev/null\n\
             /vm/bin/tests/kernel_runtimes --test-threads=1 runc\n\
             /vm/bin/tests/guest_others --test-threads=1 lxc\n"
        );
    }
}
