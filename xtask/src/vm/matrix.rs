//! `cargo xtask vm test`: the same examination in several guests, and what of it is not as expected.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::expected::Table;
use super::extent::Extent;
use super::findings::{self, Finding, Outcome, Part};
use super::guest::{Guest, Limit};
use super::kernel::Series;
use super::recorded::{Record, Records};
use crate::counts::Counts;
use crate::interrupt::Interrupt;

/// How many guests run at once if not said otherwise: each is emulated by one thread, and the smallest machines of
/// continuous integration have two processors.
pub const AT_ONCE: usize = 2;

/// What to do in every guest, and how.
pub struct Matrix<'a> {
    /// How much of the lab.
    pub extent: Extent,
    /// So many guests at once.
    pub at_once: usize,
    /// Findings are to be the same as these; `None`: they are about to be recorded.
    pub recorded: Option<Records>,
    /// Ends it before its time.
    pub interrupt: &'a Interrupt,
}

/// A guest to be examined.
pub struct Candidate<'a> {
    /// Its kernel.
    pub series: &'static Series,
    /// The guest.
    pub guest: Guest<'a>,
}

/// A guest's run.
pub struct Examined {
    /// Its name: kernel and layout.
    pub name: String,
    /// What came of it; or why there is nothing.
    pub result: anyhow::Result<Report>,
    /// How long it took.
    pub took: Duration,
}

/// What a guest's run shows.
pub struct Report {
    /// All that was found.
    pub findings: Vec<Finding>,
    /// What of it nobody expects.
    pub differences: Vec<String>,
    /// What is recorded of it.
    pub record: Record,
}

/// How long one guest may take: on two idle cores a whole one takes about a quarter of it.
fn limit(extent: Extent) -> Limit {
    let minutes = match extent {
        Extent::Chosen => 15,
        Extent::Every => 60,
    };
    // The longest case says nothing for half a minute.
    Limit { whole: Duration::from_secs(minutes * 60), silent: Duration::from_secs(240) }
}

impl Matrix<'_> {
    /// Runs them, some at a time; `done` is called as each ends.
    pub fn run(
        &self,
        candidates: Vec<Candidate<'_>>,
        mut done: impl FnMut(&Examined),
    ) -> anyhow::Result<Vec<Examined>> {
        let table = Table::read()?;
        let waiting = Mutex::new(VecDeque::from(candidates));
        let (sender, results) = mpsc::channel();
        Ok(thread::scope(|scope| {
            for _ in 0..self.at_once {
                let (sender, waiting, table) = (sender.clone(), &waiting, &table);
                scope.spawn(move || {
                    // A poisoned queue: another runner panicked, and that ends the whole scope.
                    while let Some(next) = waiting.lock().ok().and_then(|mut queue| queue.pop_front()) {
                        if self.interrupt.seen() {
                            return;
                        }
                        let begun = Instant::now();
                        let result = self.examine(&next, table);
                        let examined = Examined { name: next.guest.name, result, took: begun.elapsed() };
                        if sender.send(examined).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            results.iter().inspect(|examined| done(examined)).collect()
        }))
    }

    fn examine(&self, candidate: &Candidate<'_>, table: &Table) -> anyhow::Result<Report> {
        let Candidate { series, guest } = candidate;
        let file = guest.folder().join("output");
        let (mut output, mut kept) = (Vec::new(), None);
        let script = findings::script(series.parts, self.extent, guest.layout);
        let ran = guest.run(script, limit(self.extent), self.interrupt, |line| {
            output.extend_from_slice(line);
            // As it comes, for a person who waits; the guest's folder is there once it runs.
            let kept = kept.get_or_insert_with(|| fs::File::create(&file));
            if let Ok(kept) = kept {
                kept.write_all(line).unwrap_or_default();
            }
        });
        ran?;
        let findings = findings::read(series.parts, &String::from_utf8_lossy(&output));
        let mut differences = table.differences(series.name, guest.layout, self.extent, &findings);
        let record = Record::new(series.name, guest.layout, &guest.kernel.release, &findings, table);
        // What is recorded are the chosen cases; and a difference that is told need not be told twice.
        if let (Some(recorded), Extent::Chosen, true) = (&self.recorded, self.extent, differences.is_empty())
        {
            match recorded.get(&guest.name) {
                Some(recorded) => differences.extend(recorded.differences(&record)),
                None => differences.push("recorded.txt has nothing about this guest".to_owned()),
            }
        }
        Ok(Report { findings, differences, record })
    }
}

impl Examined {
    /// Whether all was as expected.
    pub fn is_right(&self) -> bool {
        self.result.as_ref().is_ok_and(|report| report.differences.is_empty())
    }

    /// As tests: what is as it should be, or differs for a known reason, has passed. What needs a v1 freezer and finds
    /// none is a test of the other layout.
    pub fn counts(&self) -> Counts {
        let Ok(report) = &self.result else { return Counts { failed: 1, ..Counts::default() } };
        let looked_at = report.findings.iter().filter(|finding| finding.outcome != Outcome::NoV1).count();
        let failed = report.differences.len();
        Counts { passed: looked_at.saturating_sub(failed), failed, skipped: 0 }
    }

    /// A row of the table.
    pub fn row(&self) -> String {
        let seconds = self.took.as_secs();
        let Ok(Report { findings, differences, .. }) = &self.result else {
            return format!("{:<14} {:>5} s  DEAD", self.name, seconds);
        };
        let mut row = format!("{:<14} {seconds:>5} s ", self.name);
        for part in Part::ALL {
            let count = |right: bool| {
                let counted = findings.iter().filter(|one| one.part == part);
                counted.filter(|one| (one.outcome == Outcome::Right) == right).count()
            };
            let cell = match part {
                Part::Doctor => format!("{} hooks, {} lost", count(true), count(false)),
                _ => format!("{} right, {} not", count(true), count(false)),
            };
            write!(row, " {cell:<17}").unwrap_or_default();
        }
        row += &match differences.len() {
            0 => "as expected".to_owned(),
            number => format!("{number} UNEXPLAINED"),
        };
        row
    }

    /// All that is not as expected, for people.
    pub fn complaint(&self) -> String {
        match &self.result {
            Err(error) => format!("{}: {error:#}\n", self.name),
            Ok(report) => report
                .differences
                .iter()
                .fold(String::new(), |text, difference| text + &self.name + ": " + difference + "\n"),
        }
    }
}

/// The head of the table.
pub fn heading() -> String {
    format!("{:<14} {:>7}  {:<17} {:<17} {:<17}", "guest", "time", "doctor", "lab", "selftests")
}
