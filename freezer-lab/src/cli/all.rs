//! `freezer-lab all`: every case on every hierarchy, a line each as it goes, and the score.

use std::io::Write as _;

use anyhow::Result;
use freezer_lab::cases::{self, Case};
use freezer_lab::judge::Aspect;
use freezer_lab::{Form, Hierarchy, Trial, Turn, trial};
use serde_json::json;

use super::score::{COLUMNS, Row, Score};

/// What to run, and what to print.
#[derive(clap::Args)]
pub struct Options {
    /// Print the score as percentages at the end
    #[arg(long)]
    score: bool,
    /// Print one JSON object with every line and the score, and nothing else
    #[arg(long)]
    json: bool,
    /// Only on this freezer
    #[arg(long)]
    hierarchy: Option<Hierarchy>,
    /// Only cases whose names begin so; may be given more than once
    #[arg(long, value_name = "BEGINNING")]
    only: Vec<String>,
    /// Freeze each case once, for the JSON answer, and not again for the screen
    #[arg(long)]
    once: bool,
}

/// Runs them; whether all is right.
pub fn all(options: &Options) -> Result<bool> {
    let forms = if options.once { &[Form::Json][..] } else { &[Form::Json, Form::Text] };
    let wanted = |case: &Case| {
        options.only.is_empty() || options.only.iter().any(|start| case.name.starts_with(start.as_str()))
    };
    let (missing, cases): (Vec<_>, Vec<_>) =
        cases::all().into_iter().filter(wanted).partition(|case| case.missing().is_some());
    let mut out = std::io::stdout().lock();
    if !options.json {
        writeln!(out, "{}", heading())?;
    }
    let mut rows = Vec::new();
    for case in &cases {
        for hierarchy in case.possible() {
            if options.hierarchy.is_some_and(|only| only != hierarchy) {
                continue;
            }
            let turn = Turn::wait()?;
            let mut row = examine(case, hierarchy, forms);
            if trial::is_emulated() && !row.is_perfect() {
                // The agent and the cases keep times that a busy emulator cannot: what it says at its leisure counts.
                row = examine(case, hierarchy, forms);
            }
            drop(turn);
            if !options.json {
                write!(out, "{}", line(&row))?;
                out.flush()?;
            }
            rows.push(row);
        }
    }
    let score = Score::of(&rows);
    let absent: Vec<_> = missing.iter().map(|case| (case.name, case.missing().unwrap_or_default())).collect();
    if options.json {
        let absent: Vec<_> = absent.iter().map(|(name, why)| json!({ "name": name, "why": why })).collect();
        let whole = json!({ "cases": rows, "score": score, "missing": absent });
        writeln!(out, "{whole:#}")?;
        return Ok(score.is_perfect());
    }
    for (name, why) in absent {
        writeln!(out, "{name:<30} missing here: {why}")?;
    }
    if options.score {
        write!(out, "\n{score}")?;
    }
    Ok(score.is_perfect())
}

fn examine(case: &Case, hierarchy: Hierarchy, forms: &[Form]) -> Row {
    let mut row = Row::new(case.name, hierarchy);
    for &form in forms {
        match Trial::run(case, hierarchy, form) {
            Ok(trial) => row.add(trial),
            Err(error) => row.fail(&error),
        }
    }
    row
}

fn heading() -> String {
    let columns: Vec<_> = COLUMNS.iter().map(|(_, title)| *title).collect();
    format!("{:<30} {:<4} {}  ms after the limit", "case", "", columns.join("  "))
}

fn line(row: &Row) -> String {
    let mut text = format!("{:<30} {:<4}", row.case, row.hierarchy.to_string());
    for (aspect, title) in COLUMNS {
        let word = match row.is_right(aspect) {
            true if aspect == Aspect::Replay && !row.replayed => "-",
            true => "ok",
            false => "WRONG",
        };
        text += &format!(" {word:<width$} ", width = title.len());
    }
    let late = row.late_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0}"));
    text += &format!(" {late}\n");
    for why in &row.again {
        text += &format!("      set up again: {why}\n");
    }
    for flaw in &row.flaws {
        text += &format!("      {flaw}\n");
    }
    text
}
