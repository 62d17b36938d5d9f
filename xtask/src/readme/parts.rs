//! Parts of a Markdown file between `<!-- begin NAME: ... -->` and `<!-- end NAME -->`, each on a line of its own.

use std::ops::Range;

use anyhow::{Context, ensure};

/// What stands between the marks.
pub fn get<'a>(text: &'a str, name: &str) -> anyhow::Result<&'a str> {
    Ok(&text[find(text, name)?])
}

/// The file with that part replaced.
pub fn replace(text: &str, name: &str, part: &str) -> anyhow::Result<String> {
    let Range { start, end } = find(text, name)?;
    Ok(format!("{}{}\n{}", &text[..start], part.trim_end(), &text[end..]))
}

fn find(text: &str, name: &str) -> anyhow::Result<Range<usize>> {
    let begin = format!("<!-- begin {name}: ");
    let at = text.find(&begin).with_context(|| format!("the README has no mark `{begin}`"))?;
    let start = at + text[at..].find('\n').context("the mark is not closed")? + 1;
    let end = format!("<!-- end {name} -->");
    let length = text[start..].find(&end).with_context(|| format!("the README has no mark `{end}`"))?;
    ensure!(!text[start..start + length].contains("<!-- begin "), "the mark `{end}` is missing");
    Ok(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a\n<!-- begin x: by a task -->\nold\n<!-- end x -->\nb\n";

    #[test]
    fn a_part_is_what_stands_between_its_marks() {
        assert_eq!(get(TEXT, "x").expect("marked"), "old\n");
    }

    #[test]
    fn replacing_a_part_keeps_the_marks_and_all_else() {
        let text = replace(TEXT, "x", "new").expect("marked");
        assert_eq!(text, "a\n<!-- begin x: by a task -->\nnew\n<!-- end x -->\nb\n");
        assert_eq!(replace(&text, "x", "old").expect("marked"), TEXT);
    }

    #[test]
    fn a_missing_mark_is_an_error() {
        assert!(get(TEXT, "y").is_err());
        assert!(get("<!-- begin x: -->\n<!-- begin y: -->\n<!-- end x -->\n", "x").is_err());
    }
}
