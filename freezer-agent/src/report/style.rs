//! Colour and width of a text screen: decided once, by what standard output is.

use std::fmt::Display;
use std::io::IsTerminal as _;

use anstyle::{AnsiColor, Style};

/// Narrower than this no screen is laid out: a wrapped line reads better than a column of syllables.
const NARROWEST: usize = 40;
/// Longer lines than this are hard to read, however wide the terminal.
const WIDEST: usize = 120;
/// Where standard output is no terminal.
const NO_TERMINAL: usize = 100;

/// How to lay a screen out.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Escape sequences for colour.
    pub color: bool,
    /// Columns.
    pub width: usize,
}

impl Screen {
    /// Plain text of a given width.
    #[must_use]
    pub fn plain(width: usize) -> Self {
        Self { color: false, width }
    }

    /// What standard output is now: colour only on a terminal without `NO_COLOR` (no-color.org).
    #[must_use]
    pub fn of_stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let width = if terminal { terminal_width().unwrap_or(NO_TERMINAL) } else { NO_TERMINAL };
        Self { color: terminal && !no_color && !dumb, width: width.clamp(NARROWEST, WIDEST) }
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

    /// `label` and `text` wrapped to the width, further lines under the first one's text.
    #[must_use]
    pub fn field(self, indent: usize, label: &str, text: &str) -> String {
        let column = indent + LABEL;
        let options = textwrap::Options::new(self.width.saturating_sub(column).max(20))
            .word_separator(textwrap::WordSeparator::AsciiSpace)
            .word_splitter(textwrap::WordSplitter::NoHyphenation)
            .break_words(true);
        let mut out = String::new();
        for (n, line) in textwrap::wrap(text, options).iter().enumerate() {
            let label = if n == 0 { label } else { "" };
            out += &format!("{:indent$}{}{line}\n", "", self.faint(format_args!("{label:<LABEL$}")));
        }
        out
    }
}

/// Columns of a label with its gap.
const LABEL: usize = 10;

fn terminal_width() -> Option<usize> {
    let mut size = nix::libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one `winsize`, which outlives the call.
    let done = unsafe { nix::libc::ioctl(nix::libc::STDOUT_FILENO, nix::libc::TIOCGWINSZ, &raw mut size) };
    (done == 0 && size.ws_col > 0).then_some(usize::from(size.ws_col))
}
