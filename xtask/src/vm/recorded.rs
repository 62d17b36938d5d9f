//! What the guests of `cargo xtask vm test` found, as committed (`recorded.txt` beside this file), from which the README's
//! table of supported kernels is made. Every run compares its own findings with it, so that the table cannot grow old.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::Context;

use super::Layout;
use super::expected::Table;
use super::findings::{Finding, Outcome, PATHS, Part};
use crate::host;

/// What one guest found: a line for each of its parts, the same in every run.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Record {
    /// The kernel's release at that time. Distributions go on: another one is no difference.
    pub release: String,
    /// Values under their names, as in `v1 fentry: freeze_task, __refrigerator`.
    pub values: BTreeMap<String, String>,
}

/// Records by guest (`6.12-hybrid`).
pub type Records = BTreeMap<String, Record>;

impl Record {
    /// Of one guest's findings; what is unsteady is left out.
    pub fn new(kernel: &str, layout: Layout, release: &str, findings: &[Finding], table: &Table) -> Self {
        let steady: Vec<_> =
            findings.iter().filter(|finding| !table.is_unsteady(kernel, layout, finding)).collect();
        let mut record = Record { release: release.to_owned(), values: BTreeMap::new() };
        record.add_plan(&steady);
        for (part, freezer) in [(Part::Lab, " v1"), (Part::Lab, " v2"), (Part::Selftests, "")] {
            let of_part = steady.iter().filter(|finding| finding.part == part);
            let names = |outcome: Outcome| {
                let those = of_part.clone().filter(move |finding| finding.outcome == outcome);
                those.filter_map(|finding| finding.name.strip_suffix(freezer)).collect::<Vec<_>>()
            };
            let right = names(Outcome::Right);
            let title = format!("{}{freezer}", part.name());
            if !right.is_empty() {
                record.values.insert(format!("{title} right"), right.len().to_string());
            }
            record.add_names(&format!("{title} wrong"), &names(Outcome::Wrong));
        }
        record.add_paths(&steady);
        for part in [Part::Lab, Part::Selftests] {
            let missing = steady.iter().filter(|one| one.part == part && one.outcome == Outcome::Missing);
            let names: Vec<_> = missing.map(|finding| finding.name.as_str()).collect();
            record.add_names(&format!("{} missing", part.name()), &names);
        }
        record
    }

    /// What attaches, by path, and what the agent does without.
    fn add_plan(&mut self, findings: &[&Finding]) {
        for freezer in ["v1", "v2"] {
            let own = findings.iter().filter(|finding| finding.part == Part::Doctor);
            let own =
                own.filter_map(|one| Some((one.outcome, one.name.strip_prefix(freezer)?.strip_prefix(' ')?)));
            for path in PATHS {
                let targets: Vec<_> =
                    own.clone().filter_map(|(_, name)| name.strip_prefix(path)?.strip_prefix(' ')).collect();
                self.add_names(&format!("{freezer} {path}"), &targets);
            }
            let lost: Vec<_> = own.filter(|(outcome, _)| *outcome == Outcome::Lost).collect();
            let lost: Vec<_> = lost.into_iter().map(|(_, name)| name).collect();
            self.add_names(&format!("{freezer} without"), &lost);
        }
    }

    /// What is left without each way that was withheld; of the tracepoints, of which it has all or none that can be had that
    /// way, the first.
    fn add_paths(&mut self, findings: &[&Finding]) {
        for finding in findings.iter().filter(|finding| finding.part == Part::Paths) {
            let Some((ways, name)) = finding.name.split_once(": ") else { continue };
            let tracepoint = [" tp_btf ", " raw_tp ", " tracepoint "].iter().any(|way| name.contains(way));
            if tracepoint && !name.ends_with(" sched_switch") {
                continue;
            }
            let name = match finding.outcome {
                Outcome::Right => name.to_owned(),
                other => format!("{name} {}", other.name()),
            };
            let names = self.values.entry(ways.to_owned()).or_default();
            if !names.is_empty() {
                names.push_str(", ");
            }
            names.push_str(&name);
        }
    }

    fn add_names(&mut self, key: &str, names: &[&str]) {
        if !names.is_empty() {
            self.values.insert(key.to_owned(), names.join(", "));
        }
    }

    /// The lines that only one of both has.
    pub fn differences(&self, found: &Record) -> Vec<String> {
        let only = |ours: &Record, theirs: &Record, mark: &str| -> Vec<String> {
            let lines = ours.values.iter().filter(|(key, value)| theirs.values.get(*key) != Some(value));
            lines.map(|(key, value)| format!("{mark} {key}: {value}")).collect()
        };
        let mut lines = only(self, found, "recorded");
        lines.extend(only(found, self, "found   "));
        lines
    }
}

/// Reads the committed ones.
pub fn read() -> anyhow::Result<Records> {
    let path = path();
    let text = fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
    parse(&text)
}

/// Writes those found, beside the committed ones of other guests.
pub fn write(found: Records) -> anyhow::Result<()> {
    let mut all = if path().is_file() { read()? } else { Records::new() };
    all.extend(found);
    let path = path();
    fs::write(&path, print(&all)).with_context(|| format!("could not write {}", path.display()))
}

fn path() -> PathBuf {
    host::root().join("xtask/src/vm/recorded.txt")
}

const HEAD: &str = "\
# What guests found, written by `cargo xtask vm test --record` and compared by every `cargo xtask test`. The table of kernels
# in README.md is made from it. Why things differ is in expected.txt.
";

fn print(records: &Records) -> String {
    let mut text = HEAD.to_owned();
    for (guest, record) in records {
        text += &format!("\n{guest} {}\n", record.release);
        for (key, value) in &record.values {
            text += &format!("    {key}: {value}\n");
        }
    }
    text
}

fn parse(text: &str) -> anyhow::Result<Records> {
    let mut records: Vec<(String, Record)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let bad = || format!("recorded.txt has a line that cannot be read: {line}");
        if let Some(value) = line.strip_prefix("    ") {
            let (key, value) = value.split_once(": ").with_context(bad)?;
            let (_, record) = records.last_mut().with_context(bad)?;
            record.values.insert(key.to_owned(), value.to_owned());
        } else {
            let (guest, release) = line.split_once(' ').with_context(bad)?;
            records.push((guest.to_owned(), Record { release: release.to_owned(), ..Record::default() }));
        }
    }
    Ok(records.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(part: Part, name: &str, outcome: Outcome) -> Finding {
        Finding { part, name: name.to_owned(), outcome, detail: String::new() }
    }

    fn record() -> Record {
        let findings = [
            finding(Part::Doctor, "v1 mode bpf", Outcome::Right),
            finding(Part::Doctor, "v1 fentry freeze_task", Outcome::Right),
            finding(Part::Doctor, "v1 fentry __refrigerator", Outcome::Right),
            finding(Part::Doctor, "v1 task->blocker", Outcome::Lost),
            finding(Part::Lab, "fuse-read v1", Outcome::Wrong),
            finding(Part::Lab, "vfork v1", Outcome::Right),
            finding(Part::Lab, "autofs-direct", Outcome::Missing),
            finding(Part::Selftests, "simple", Outcome::Right),
        ];
        Record::new("6.12", Layout::Hybrid, "6.12.1", &findings, &Table::read().expect("a table"))
    }

    #[test]
    fn a_record_has_a_line_for_each_part() {
        let lines: Vec<_> = record().values.into_iter().map(|(key, value)| key + ": " + &value).collect();
        assert_eq!(
            lines,
            [
                "lab missing: autofs-direct",
                "lab v1 right: 1",
                "lab v1 wrong: fuse-read",
                "selftests right: 1",
                "v1 fentry: freeze_task, __refrigerator",
                "v1 without: task->blocker",
            ]
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        let records = Records::from([("6.12-hybrid".to_owned(), record())]);
        assert_eq!(parse(&print(&records)).expect("records"), records);
    }

    #[test]
    fn another_release_is_no_difference_and_another_path_is_one() {
        let mut newer = record();
        newer.release = "6.12.2".to_owned();
        assert!(record().differences(&newer).is_empty());
        newer.values.insert("v1 fentry".to_owned(), "freeze_task".to_owned());
        assert_eq!(
            record().differences(&newer),
            ["recorded v1 fentry: freeze_task, __refrigerator", "found    v1 fentry: freeze_task"]
        );
    }
}
