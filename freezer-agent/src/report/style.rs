//! Colour and width of a text screen: decided once, by what standard output is.

use std::fmt::Display;
use std::io::IsTerminal as _;

use anstyle::{AnsiColor, Style};

use crate::model::FreezerState;

/// Narrower than this no screen is laid out: a wrapped line reads better than a column of syllables.
const NARROWEST: usize = 40;
/// Longer lines than this are hard to read, however wide the terminal.
const WIDEST: usize = 120;
/// Where standard output is no terminal.
const NO_TERMINAL: usize = 100;
/// Columns that a text gets at least, however far it is indented.
const LEAST: usize = 16;
/// Columns of a label with its gap.
const LABEL: usize = 10;

/// How to lay a screen out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Screen {
    /// Escape sequences for colour.
    pub color: bool,
    /// Columns; `None` where standard output is no terminal and lines may be as long as they like.
    pub width: Option<usize>,
}

impl Screen {
    /// What standard output is now: colour only on a terminal that is not dumb, without `NO_COLOR` (no-color.org).
    pub fn of_stdout() -> Self {
        let stdout = std::io::stdout();
        if !stdout.is_terminal() {
            return Self::default();
        }
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let width = terminal_size::terminal_size_of(stdout).map(|(width, _)| usize::from(width.0));
        Self { color: !refused && !dumb, width }
    }

    fn paint(self, style: Style, text: impl Display) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_string() }
    }

    /// Something that is as it should be.
    pub fn good(self, text: impl Display) -> String {
        self.paint(AnsiColor::Green.on_default().bold(), text)
    }

    /// Something that is not.
    pub fn bad(self, text: impl Display) -> String {
        self.paint(AnsiColor::Red.on_default().bold(), text)
    }

    /// Something to notice.
    pub fn notable(self, text: impl Display) -> String {
        self.paint(AnsiColor::Yellow.on_default(), text)
    }

    /// What the eye should find first.
    pub fn strong(self, text: impl Display) -> String {
        self.paint(Style::new().bold(), text)
    }

    /// Labels and small print.
    pub fn faint(self, text: impl Display) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    /// The state in its colour, padded to the longest.
    pub fn state(self, state: FreezerState) -> String {
        let text = format!("{:<8}", state.to_string());
        match state {
            FreezerState::Thawed => self.paint(AnsiColor::Green.on_default(), text),
            FreezerState::Freezing => self.paint(AnsiColor::Yellow.on_default().bold(), text),
            FreezerState::Frozen => self.paint(AnsiColor::Cyan.on_default().bold(), text),
        }
    }

    /// `label` and `text` wrapped to the width, further lines under the first one's text.
    #[must_use]
    pub fn field(self, indent: usize, label: &str, text: &str) -> String {
        self.field_behind(indent, label, "", text)
    }

    /// The same with a branch of a tree before the text.
    #[must_use]
    pub fn field_behind(self, indent: usize, label: &str, branch: &str, text: &str) -> String {
        let width = LABEL.max(label.len() + 1);
        let head = format!("{:indent$}{}{branch}", "", self.faint(format_args!("{label:<width$}")));
        self.hang(&head, indent + width + branch.chars().count(), text)
    }

    /// `text` wrapped to the width behind `head`, which takes `column` columns; further lines under the first one's text.
    #[must_use]
    pub fn hang(self, head: &str, column: usize, text: &str) -> String {
        let width = self.width.unwrap_or(NO_TERMINAL).clamp(NARROWEST, WIDEST);
        // A deep tree on a narrow terminal may leave nothing of the line.
        let options = textwrap::Options::new(width.saturating_sub(column).max(LEAST))
            .word_separator(textwrap::WordSeparator::AsciiSpace)
            .word_splitter(textwrap::WordSplitter::NoHyphenation)
            // A path that is cut cannot be copied.
            .break_words(false);
        let mut out = String::new();
        for (n, line) in textwrap::wrap(text, options).iter().enumerate() {
            if n == 0 {
                out += head;
            } else {
                out += &" ".repeat(column);
            }
            out += line;
            out.push('\n');
        }
        out
    }

    /// `text` in what `taken` columns leave of the line, the middle left out: both ends of a path tell something.
    #[must_use]
    pub fn fit(self, text: &str, taken: usize) -> String {
        let length = text.chars().count();
        let Some(room) = self.width.map(|width| width.saturating_sub(taken).max(16)) else {
            return text.to_owned();
        };
        if length <= room {
            return text.to_owned();
        }
        let (head, tail) = (room / 3, room - room / 3 - 1);
        text.chars().take(head).chain(['…']).chain(text.chars().skip(length - tail)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_keeps_both_ends() {
        let screen = Screen { color: false, width: Some(30) };
        let fitted = screen.fit("/sys/fs/cgroup/freezer/docker/0123456789abcdef", 10);
        assert_eq!(fitted.chars().count(), 20);
        assert!(fitted.starts_with("/sys") && fitted.ends_with("cdef"), "{fitted}");
    }

    #[test]
    fn a_deep_tree_on_a_narrow_terminal_still_has_room_for_words() {
        let screen = Screen { color: false, width: Some(20) };
        let text = screen.field_behind(4, "", &"   ".repeat(20), "waits for another task");
        assert_eq!(text.lines().count(), 2, "{text}");
    }

    #[test]
    fn a_pipe_gets_the_whole_path_and_no_colour() {
        let screen = Screen::default();
        assert_eq!(screen.fit("/a/very/long/path/indeed", 200), "/a/very/long/path/indeed");
        assert_eq!(screen.state(FreezerState::Frozen), "FROZEN  ");
    }
}
