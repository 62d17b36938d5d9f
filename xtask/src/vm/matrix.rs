//! `cargo xtask vm test`: the same examination in several guests, and what of it is not as expected.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::expected::Table;
use super::findings::{self, Finding, Outcome, Part};
use super::guest::Guest;

/// How many guests run at once if not said otherwise: each has two processors.
pub const AT_ONCE: usize = 2;

/// How long one guest may take. On two busy cores the whole takes about a quarter of it.
const LIMIT: Duration = Duration::from_secs(1800);

/// A guest's run.
pub struct Examined {
    /// Its name: kernel and layout.
    pub name: String,
    /// What was found, and what of it nobody expects; or why there is nothing.
    pub result: anyhow::Result<(Vec<Finding>, Vec<String>)>,
    /// How long it took.
    pub took: Duration,
}

/// Runs them, `at_once` at a time; `done` is called as each ends.
pub fn run(
    guests: Vec<(&str, Guest<'_>)>,
    at_once: usize,
    mut done: impl FnMut(&Examined),
) -> anyhow::Result<Vec<Examined>> {
    let table = Table::read()?;
    let waiting = Mutex::new(VecDeque::from(guests));
    let (sender, results) = mpsc::channel();
    Ok(thread::scope(|scope| {
        for _ in 0..at_once {
            let (sender, waiting, table) = (sender.clone(), &waiting, &table);
            scope.spawn(move || {
                // A poisoned queue: another runner panicked, and that ends the whole scope.
                while let Some((kernel, guest)) = waiting.lock().ok().and_then(|mut queue| queue.pop_front())
                {
                    let begun = Instant::now();
                    let result = examine(kernel, &guest, table);
                    let examined = Examined { name: guest.name, result, took: begun.elapsed() };
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

fn examine(kernel: &str, guest: &Guest<'_>, table: &Table) -> anyhow::Result<(Vec<Finding>, Vec<String>)> {
    let file = guest.folder().join("output");
    let (mut output, mut kept) = (Vec::new(), None);
    let ran = guest.run(findings::script(), LIMIT, |line| {
        output.extend_from_slice(line);
        // As it comes, for a person who waits; the guest's folder is there once it runs.
        let kept = kept.get_or_insert_with(|| fs::File::create(&file));
        if let Ok(kept) = kept {
            kept.write_all(line).unwrap_or_default();
        }
    });
    ran?;
    let findings = findings::read(&String::from_utf8_lossy(&output));
    let differences = table.differences(kernel, guest.layout, &findings);
    Ok((findings, differences))
}

impl Examined {
    /// Whether all was as expected.
    pub fn is_right(&self) -> bool {
        self.result.as_ref().is_ok_and(|(_, differences)| differences.is_empty())
    }

    /// A row of the table.
    pub fn row(&self) -> String {
        let seconds = self.took.as_secs();
        let Ok((findings, differences)) = &self.result else {
            return format!("{:<14} {:>5} s  DEAD", self.name, seconds);
        };
        let mut row = format!("{:<14} {seconds:>5} s ", self.name);
        for part in Part::ALL {
            let count = |right: bool| {
                let counted = findings.iter().filter(|one| one.part == part);
                counted.filter(|one| (one.outcome == Outcome::Right) == right).count()
            };
            let cell = match part {
                Part::Doctor => format!("{} lost", count(false)),
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
            Ok((_, differences)) => differences
                .iter()
                .fold(String::new(), |text, difference| text + &self.name + ": " + difference + "\n"),
        }
    }
}

/// The head of the table.
pub fn heading() -> String {
    format!("{:<14} {:>7}  {:<17} {:<17} {:<17}", "guest", "time", "doctor", "lab", "selftests")
}
