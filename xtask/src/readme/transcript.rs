//! Compares two transcripts of the demo: numbers, times and the shape of the histogram differ from run to run.

use std::collections::BTreeSet;

use anyhow::bail;

/// An error that names the lines found only in one of them.
pub fn compare(written: &str, fresh: &str) -> anyhow::Result<()> {
    let (written, fresh) = (lines(written), lines(fresh));
    let only = |ours: &BTreeSet<String>, theirs: &BTreeSet<String>, mark: char| -> Vec<String> {
        ours.difference(theirs).map(|line| format!("{mark} {line}")).collect()
    };
    let mut differing = only(&written, &fresh, '-');
    differing.extend(only(&fresh, &written, '+'));
    if differing.is_empty() {
        return Ok(());
    }
    bail!("lines (numbers as #) in the README only (-) and on the screen only (+):\n{}", differing.join("\n"))
}

/// The lines that every run has, as a set: which task was slowest, and so their order, is chance.
fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(plain).filter(|line| !line.is_empty() && !is_bar(line)).collect()
}

/// A row of the histogram, as in `# -> # : # |*** |`.
fn is_bar(line: &str) -> bool {
    line.starts_with("# -> #")
}

/// A line with each number, with its unit of time if it has one, as `#`, and each run of blanks as one.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line.trim();
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_digit() {
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
            // A full stop after a number ends the sentence, not the number.
            let number = rest[..end].trim_end_matches('.');
            rest = without_unit(&rest[number.len()..]);
            text.push('#');
        } else {
            rest = &rest[first.len_utf8()..];
            if !(first.is_whitespace() && text.ends_with(' ')) {
                text.push(if first.is_whitespace() { ' ' } else { first });
            }
        }
    }
    text
}

fn without_unit(rest: &str) -> &str {
    let unit = ["ns", "µs", "us", "ms", "s"].iter().find_map(|unit| {
        let after = rest.strip_prefix(' ').unwrap_or(rest).strip_prefix(unit)?;
        (!after.starts_with(char::is_alphanumeric)).then_some(after)
    });
    unit.unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_their_units_are_alike() {
        assert_eq!(plain("frozen after 1.25 ms  (pid 4711)."), "frozen after # (pid #).");
        assert_eq!(plain("frozen after 980 µs (pid 12)."), "frozen after # (pid #).");
        assert_eq!(plain("3 stuck tasks at /tmp/lab-12-0"), "# stuck tasks at /tmp/lab-#-#");
    }

    #[test]
    fn order_and_histogram_may_differ() {
        let one = "slow: a 1 ms\nslow: b 2 ms\n  32 -> 63 : 5 |**** |\n";
        let other = "slow: b 9 µs\nslow: a 1 s\n  64 -> 127 : 4 |*** |\n  128 -> 255 : 1 |* |\n";
        compare(one, other).expect("the same but for chance");
    }

    #[test]
    fn another_wording_is_a_difference_that_is_shown() {
        let error = compare("blocked by 1", "held by 2").expect_err("they differ").to_string();
        assert!(error.contains("- blocked by #") && error.contains("+ held by #"), "{error}");
    }
}
