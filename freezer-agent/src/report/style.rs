//! Colour and width, where stdout is a terminal.

use std::fmt;
use std::io::IsTerminal as _;
use std::time::Duration;

use crate::model::FreezerState;

/// How text may be dressed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Colours are welcome.
    pub color: bool,
    /// Columns; `None` where lines may be as long as they like.
    pub width: Option<usize>,
}

impl Style {
    /// For stdout: colour on a terminal unless `NO_COLOR` is set (no-color.org) or the terminal is dumb.
    pub fn for_stdout() -> Self {
        let stdout = std::io::stdout();
        if !stdout.is_terminal() {
            return Self::default();
        }
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let width = terminal_size::terminal_size_of(stdout).map(|(width, _)| usize::from(width.0));
        Self { color: !refused && !dumb, width }
    }

    /// The state, in its colour, padded to the longest.
    pub fn state(self, state: FreezerState) -> String {
        let code = match state {
            FreezerState::Thawed => "32",
            FreezerState::Freezing => "33;1",
            FreezerState::Frozen => "36;1",
        };
        let text = state.to_string();
        if self.color { format!("\x1b[{code}m{text:<8}\x1b[0m") } else { format!("{text:<8}") }
    }

    /// `text` in at most `columns` characters, the middle left out: both ends of a path tell something.
    pub fn fit(self, text: &str, columns_taken: usize) -> String {
        let length = text.chars().count();
        let Some(room) = self.width.map(|width| width.saturating_sub(columns_taken).max(16)) else {
            return text.to_owned();
        };
        if length <= room {
            return text.to_owned();
        }
        let (head, tail) = (room / 3, room - room / 3 - 1);
        text.chars().take(head).chain(['…']).chain(text.chars().skip(length - tail)).collect()
    }
}

/// A duration in the unit that fits, with three digits or so.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        let digits = |value: f64| if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        let text = if seconds < 1e-3 {
            format!("{:.0} µs", seconds * 1e6)
        } else if seconds < 1.0 {
            format!("{:.*} ms", digits(seconds * 1e3), seconds * 1e3)
        } else if seconds < 120.0 {
            format!("{seconds:.*} s", digits(seconds))
        } else if seconds < 7200.0 {
            format!("{} min {} s", self.0.as_secs() / 60, self.0.as_secs() % 60)
        } else {
            format!("{} h {} min", self.0.as_secs() / 3600, self.0.as_secs() / 60 % 60)
        };
        f.pad(&text)
    }
}

/// `1 task`, `2 tasks`.
pub fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_takes_the_unit_that_fits() {
        let shown = |nanos| Span(Duration::from_nanos(nanos)).to_string();
        assert_eq!(shown(41_000), "41 µs");
        assert_eq!(shown(1_234_000), "1.23 ms");
        assert_eq!(shown(12_340_000), "12.3 ms");
        assert_eq!(shown(2_000_000_000), "2.00 s");
        assert_eq!(shown(300_000_000_000), "5 min 0 s");
        assert_eq!(shown(9_000_000_000_000), "2 h 30 min");
    }

    #[test]
    fn a_long_path_keeps_both_ends() {
        let style = Style { color: false, width: Some(30) };
        let fitted = style.fit("/sys/fs/cgroup/freezer/docker/0123456789abcdef", 10);
        assert_eq!(fitted.chars().count(), 20);
        assert!(fitted.starts_with("/sys") && fitted.ends_with("cdef"), "{fitted}");
    }

    #[test]
    fn a_pipe_gets_the_whole_path_and_no_colour() {
        let style = Style::default();
        assert_eq!(style.fit("/a/very/long/path/indeed", 200), "/a/very/long/path/indeed");
        assert_eq!(style.state(FreezerState::Frozen), "FROZEN  ");
    }
}
