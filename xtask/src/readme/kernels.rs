//! The README's table of kernels: what guests found (`vm/recorded.txt`), and why some of it differs (`vm/expected.txt`).

use crate::vm::Layout;
use crate::vm::expected::Table;
use crate::vm::findings::PATHS;
use crate::vm::kernel::SERIES;
use crate::vm::recorded::{self, Record};

/// As Markdown.
pub fn table() -> anyhow::Result<String> {
    let records = recorded::read()?;
    let mut text = String::from(
        "| Linux | cgroups | freezer | freezes and thaws | stuck freezes explained | programs attached | without |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for series in SERIES {
        for (layout, freezer) in [(Layout::Hybrid, "v1"), (Layout::V2Only, "v2")] {
            if let Some(record) = records.get(&format!("{}-{}", series.name, layout.name())) {
                text += &row(record, layout, freezer);
            }
        }
    }
    text += "\nWhat is not right in every case, or missing, and why:\n\n";
    for reason in Table::read()?.reasons() {
        text += &format!("- {}: `{}`: {}\n", reason.0, reason.1, reason.2);
    }
    Ok(text)
}

fn row(record: &Record, layout: Layout, freezer: &str) -> String {
    let value = |key: &str| record.values.get(key).map_or("", String::as_str);
    let release = record.release.split("-cloud").next().unwrap_or_default();
    let checks = of_all(record, "selftests", "selftests missing");
    let cases = of_all(record, &format!("lab {freezer}"), "lab missing");
    let paths = PATHS.iter().filter_map(|path| match value(&format!("{freezer} {path}")) {
        "" => None,
        targets => Some(format!("{} {path}", names(targets))),
    });
    let paths = paths.collect::<Vec<_>>().join(", ");
    let without = match value(&format!("{freezer} without")) {
        "" => "nothing".to_owned(),
        lost => format!("`{lost}`"),
    };
    let layout = layout.name();
    format!("| {release} | {layout} | {freezer} | {checks} checks | {cases} cases | {paths} | {without} |\n")
}

/// `12 of 14`: those right of those and the wrong and the missing ones.
fn of_all(record: &Record, title: &str, missing: &str) -> String {
    let right: usize = record.values.get(&format!("{title} right")).map_or(0, |n| n.parse().unwrap_or(0));
    let rest =
        [&format!("{title} wrong"), missing].map(|key| record.values.get(key).map_or(0, |all| names(all)));
    format!("{right} of {}", right + rest.iter().sum::<usize>())
}

fn names(list: &str) -> usize {
    list.split(", ").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_counts_what_is_right_and_names_what_is_lost() {
        let mut record = Record { release: "6.1.0-50-cloud-amd64".to_owned(), ..Record::default() };
        for (key, value) in [
            ("v1 tp_btf", "a, b"),
            ("v1 iter", "tasks"),
            ("v1 without", "task->blocker"),
            ("lab v1 right", "30"),
            ("lab v1 wrong", "x, y"),
            ("selftests right", "14"),
            ("selftests missing", "time_empty"),
        ] {
            record.values.insert(key.to_owned(), value.to_owned());
        }
        assert_eq!(
            row(&record, Layout::Hybrid, "v1"),
            "| 6.1.0-50 | hybrid | v1 | 14 of 15 checks | 30 of 32 cases | 2 tp_btf, 1 iter | `task->blocker` |\n"
        );
    }
}
