//! `freezer-lab list`: what there is, and what of it cannot run here.

use std::io::Write as _;

use anyhow::Result;
use freezer_lab::cases;

/// A line per case, under its cause.
pub fn list() -> Result<()> {
    let mut out = std::io::stdout().lock();
    let mut last = "";
    for (cause, cases) in cases::by_cause() {
        if cause != last {
            writeln!(out, "{cause}")?;
            last = cause;
        }
        for case in cases {
            let on: Vec<_> = case.hierarchies.iter().map(ToString::to_string).collect();
            writeln!(out, "  {:<30} {:<6} {}", case.name, on.join(","), case.about)?;
            if let Some(why) = case.missing() {
                writeln!(out, "  {:<30} {:<6} MISSING HERE: {why}", "", "")?;
            }
        }
    }
    Ok(out.flush()?)
}
