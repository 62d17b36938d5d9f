//! The catalogue of causes, and the manual page of one.

use serde::Serialize;

use super::{SCHEMA, Screen};
use crate::explain::manual::Page;

/// What `causes --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Catalogue<'a> {
    schema: &'static str,
    causes: &'a [Page],
}

impl<'a> Catalogue<'a> {
    /// Of these pages.
    pub fn new(causes: &'a [Page]) -> Self {
        Self { schema: SCHEMA, causes }
    }
}

/// One line, or as many as it takes, for each.
#[must_use]
pub fn list(pages: &[Page], screen: Screen) -> String {
    let longest = pages.iter().map(|page| page.name.name().len()).max().unwrap_or(0);
    pages
        .iter()
        .map(|page| {
            let name = screen.strong(format_args!("{:<longest$}", page.name.name()));
            screen.hang(&format!("{name}  "), longest + 2, &page.summary)
        })
        .collect()
}

/// The manual page.
#[must_use]
pub fn page(page: &Page, screen: Screen) -> String {
    let mut text = format!("{}\n", screen.strong(page.name));
    text += &screen.hang("  ", 2, &page.summary);
    for section in &page.sections {
        text += &format!("\n{}\n", screen.strong(section.title));
        for paragraph in &section.paragraphs {
            text += &match paragraph.strip_prefix("- ") {
                _ if paragraph.starts_with(' ') => format!("{paragraph}\n"),
                Some(item) => screen.hang("  - ", 4, item),
                None => screen.hang("  ", 2, paragraph),
            };
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Cause;
    use crate::explain::manual::pages;

    #[test]
    fn a_manual_page_is_wrapped_and_has_no_markup() {
        let pages = pages();
        let fuse = pages.iter().find(|page| page.name == Cause::FuseRequest).expect("it has a page");
        insta::assert_snapshot!(page(fuse, Screen { color: false, width: Some(72) }));
    }

    #[test]
    fn the_list_fits_the_terminal() {
        for width in [60, 100] {
            let text = list(&pages(), Screen { color: false, width: Some(width) });
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            assert!(text.contains("\nfs-frozen "), "{text}");
        }
    }
}
