//! The manual page of a cause: the module documentation of its rule's file, taken apart.
//!
//! The pages are written as Markdown for rustdoc; here they become plain text that a terminal or a script can show.

use serde::Serialize;

use super::{Cause, catalogue};

/// The sections of a page, in their order. Other paragraphs belong to the section before them.
const SECTIONS: [&str; 6] = ["What happens", "Confirm by hand", "Release", "Cost", "Kernels", "Source"];

/// The manual page of one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The cause.
    pub name: Cause,
    /// What it is, in a sentence.
    pub summary: String,
    /// The rest.
    pub sections: Vec<Section>,
}

/// One section of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// `Confirm by hand`
    pub title: &'static str,
    /// Its paragraphs: plain text, to be wrapped. One that begins with a blank is to be left as it is.
    pub paragraphs: Vec<String>,
}

/// Every page, in the order of [`Cause::ALL`].
#[must_use]
pub fn pages() -> Vec<Page> {
    let mut pages: Vec<Page> = catalogue().map(|(cause, text)| page(cause, &text)).collect();
    pages.sort_by_key(|page| page.name);
    pages
}

fn page(name: Cause, text: &str) -> Page {
    let mut page = Page { name, summary: String::new(), sections: Vec::new() };
    for paragraph in paragraphs(text) {
        let (title, paragraph) = match SECTIONS.iter().find_map(|title| headed(title, &paragraph)) {
            Some((title, rest)) => (Some(title), rest.to_owned()),
            None => (None, paragraph),
        };
        match (title, page.sections.last_mut()) {
            (Some(title), _) => page.sections.push(Section { title, paragraphs: vec![paragraph] }),
            (None, Some(section)) => section.paragraphs.push(paragraph),
            (None, None) => page.summary = summary(name, page.summary, &paragraph),
        }
    }
    page
}

fn headed<'t>(title: &'static str, paragraph: &'t str) -> Option<(&'static str, &'t str)> {
    Some((title, paragraph.strip_prefix(title)?.strip_prefix(':')?.trim_start()))
}

/// The first paragraph is `name: what it is.`
fn summary(name: Cause, before: String, paragraph: &str) -> String {
    if before.is_empty() {
        let own = paragraph.strip_prefix(name.name()).and_then(|rest| rest.strip_prefix(": "));
        own.unwrap_or(paragraph).trim_end_matches('.').to_owned()
    } else {
        format!("{before} {paragraph}")
    }
}

/// Paragraphs and list items, each on one line and without markup; lines of tables and code as they are, with a blank
/// before them.
fn paragraphs(text: &str) -> Vec<String> {
    let mut done: Vec<String> = Vec::new();
    let mut open = String::new();
    let mut fenced = false;
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        let verbatim = fenced || open.is_empty() && line.starts_with("    ") || line.starts_with('|');
        let item = is_item(line);
        if fence || verbatim || item || line.trim().is_empty() {
            done.extend((!open.is_empty()).then(|| plain(&std::mem::take(&mut open))));
        }
        if fence {
            fenced = !fenced;
        } else if verbatim {
            done.push(format!("    {}", line.trim_end()));
        } else {
            if !open.is_empty() && !line.trim().is_empty() {
                open.push(' ');
            }
            open.push_str(line.trim());
        }
    }
    done.extend((!open.is_empty()).then(|| plain(&open)));
    done
}

fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    ["- ", "* "].iter().any(|mark| line.starts_with(mark))
        || number.len() < line.len() && number.starts_with(". ")
}

/// Without the marks of code and links. Code of several words is quoted: it must be seen where a command ends.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let unlinked = without_links(text);
    for (n, part) in unlinked.split('`').enumerate() {
        let quote = match part {
            _ if n % 2 == 0 || !part.contains(' ') => "",
            _ if part.contains('\'') => "\"",
            _ => "'",
        };
        out += quote;
        out += part;
        out += quote;
    }
    out
}

/// `[text](address)` and `[text]` of rustdoc become the text. Brackets inside code stay.
fn without_links(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_code = false;
    while let Some(at) = rest.find(['[', '`']) {
        let (before, found) = rest.split_at(at);
        out += before;
        let link = found.strip_prefix('[').filter(|_| !in_code).and_then(|inner| inner.split_once(']'));
        match link {
            Some((label, after)) => {
                out += label;
                let target = after.strip_prefix('(').and_then(|target| target.split_once(')'));
                rest = target.map_or(after, |(_, after)| after);
            }
            None => {
                in_code ^= found.starts_with('`');
                out += &found[..1];
                rest = &found[1..];
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_page_says_what_happens_and_the_way_out_in_plain_text() {
        for page in pages() {
            let name = page.name;
            assert!(
                !page.summary.is_empty() && !page.summary.starts_with(name.name()),
                "{name}: {}",
                page.summary
            );
            for title in SECTIONS {
                let section = page.sections.iter().find(|section| section.title == title);
                let section = section.unwrap_or_else(|| panic!("{name} lacks {title}"));
                assert!(!section.paragraphs.concat().trim().is_empty(), "{name}: {title} is empty");
                assert!(!section.paragraphs.iter().any(|text| text.contains('`')), "{name}: {section:?}");
            }
        }
    }

    #[test]
    fn a_page_is_taken_apart_into_sections_paragraphs_and_items() {
        let text = "`running`: the task runs,\nand more.\n\nWhat happens: one\ntwo.\n\nNote: three.\n\n- a\n- b\n  c\n\n\
                    Release: `kill -9 1`, see [`Cause::Running`] and [there](https://x).\n\n    $ id\n";
        let page = page(Cause::Running, text);
        assert_eq!(page.summary, "the task runs, and more");
        assert_eq!(page.sections[0].paragraphs, ["one two.", "Note: three.", "- a", "- b c"]);
        assert_eq!(
            page.sections[1].paragraphs,
            ["'kill -9 1', see Cause::Running and there.", "        $ id"]
        );
    }

    #[test]
    fn brackets_in_code_are_no_links() {
        assert_eq!(plain("an `anon_inode:[fanotify]` and [`x`]"), "an anon_inode:[fanotify] and x");
    }

    proptest! {
        #[test]
        fn any_text_is_a_page(text in "[a-z`\\[\\]()|\\n :.-]{0,200}") {
            page(Cause::Running, &text);
        }
    }
}
