//! How much of what the agent says is right.

use std::fmt;

use freezer_lab::judge::{Aspect, Flaw};
use freezer_lab::{Error, Hierarchy, Trial};
use serde::Serialize;

/// What is counted, and the title of its column.
pub const COLUMNS: [(Aspect, &str); 7] = [
    (Aspect::Blockers, "blockers"),
    (Aspect::Cause, "cause"),
    (Aspect::Holder, "holder"),
    (Aspect::FrozenBlamed, "none blamed wrongly"),
    (Aspect::Hang, "no hang"),
    (Aspect::Replay, "replay"),
    (Aspect::Rest, "the rest"),
];

/// One case on one hierarchy, as JSON and as text.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub case: &'static str,
    /// Where.
    pub hierarchy: Hierarchy,
    /// Everything wrong, in words.
    pub flaws: Vec<String>,
    /// Aspects with something wrong.
    #[serde(skip)]
    wrong: Vec<Aspect>,
    /// Why it was set up again: there was nothing to judge.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<String>,
    /// A recorded session was replayed.
    pub replayed: bool,
    /// From the time limit to the printed verdict, ms; `None` where the limit did not pass.
    pub late_ms: Option<f64>,
}

impl Row {
    /// Nothing wrong so far.
    pub fn new(case: &'static str, hierarchy: Hierarchy) -> Self {
        Self {
            case,
            hierarchy,
            flaws: Vec::new(),
            wrong: Vec::new(),
            again: Vec::new(),
            replayed: false,
            late_ms: None,
        }
    }

    /// Takes a trial in.
    pub fn add(&mut self, trial: Trial) {
        for flaw in trial.flaws {
            self.push(trial.form, &flaw);
        }
        self.again.extend(trial.again);
        self.replayed |= trial.replayed;
        self.late_ms = self.late_ms.or(trial.late_ms);
    }

    /// It could not be set up: then nothing is known to be right.
    pub fn fail(&mut self, error: &Error) {
        self.flaws.push(format!("cannot be set up: {error}"));
        self.wrong.extend(COLUMNS.map(|(aspect, _)| aspect));
    }

    /// Whether nothing is wrong.
    pub fn is_perfect(&self) -> bool {
        self.flaws.is_empty()
    }

    /// Whether nothing is wrong in this respect.
    pub fn is_right(&self, aspect: Aspect) -> bool {
        !self.wrong.contains(&aspect)
    }

    fn push(&mut self, form: freezer_lab::Form, flaw: &Flaw) {
        self.flaws.push(format!("{form:?}, {flaw}"));
        self.wrong.push(flaw.aspect);
    }
}

/// Shares of the rows that are right.
#[derive(Debug, Serialize)]
pub struct Score {
    rows: usize,
    replayed: usize,
    right: Vec<Share>,
    slowest_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Share {
    what: &'static str,
    right: usize,
    of: usize,
}

impl Score {
    /// Counts.
    pub fn of(rows: &[Row]) -> Self {
        let replayed = rows.iter().filter(|row| row.replayed).count();
        let share = |(aspect, what)| {
            let counted = |row: &&Row| aspect != Aspect::Replay || row.replayed || !row.is_right(aspect);
            let counted: Vec<_> = rows.iter().filter(counted).collect();
            Share {
                what,
                right: counted.iter().filter(|row| row.is_right(aspect)).count(),
                of: counted.len(),
            }
        };
        let slowest_ms = rows.iter().filter_map(|row| row.late_ms).max_by(f64::total_cmp);
        Self { rows: rows.len(), replayed, right: COLUMNS.map(share).into(), slowest_ms }
    }

    /// Something was run, and nothing was wrong.
    pub fn is_perfect(&self) -> bool {
        self.rows > 0 && self.right.iter().all(|share| share.right == share.of)
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for share in &self.right {
            // Rounded down: 100 % is said only where nothing is wrong.
            let percent = (share.right * 100).checked_div(share.of).unwrap_or(100);
            writeln!(f, "{:<20} {percent:>3} %  ({} of {})", share.what, share.right, share.of)?;
        }
        if let Some(ms) = self.slowest_ms {
            writeln!(f, "{:<20} {ms:.0} ms from the time limit to the printed verdict", "slowest")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(wrong: &[Aspect]) -> Row {
        Row { wrong: wrong.to_vec(), ..Row::new("x", Hierarchy::V1) }
    }

    #[test]
    fn one_flaw_in_three_hundred_is_not_100_percent() {
        let mut rows: Vec<Row> = (0..299).map(|_| row(&[])).collect();
        rows.push(row(&[Aspect::Cause]));
        let score = Score::of(&rows);
        assert!(!score.is_perfect());
        assert!(score.to_string().contains("cause                 99 %  (299 of 300)"), "{score}");
    }

    #[test]
    fn nothing_run_is_not_perfect() {
        assert!(!Score::of(&[]).is_perfect());
        assert!(Score::of(&[row(&[])]).is_perfect());
    }

    #[test]
    fn replays_are_counted_where_there_was_something_to_replay() {
        let rows = [row(&[]), Row { replayed: true, ..row(&[]) }, row(&[Aspect::Replay])];
        let score = Score::of(&rows);
        let replay = score.right.iter().find(|share| share.what == "replay").expect("counted");
        assert_eq!((replay.right, replay.of), (1, 2));
    }
}
