//! The table: each figure beside its limit.

use std::fmt;

/// A figure with its unit.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Quantity {
    /// Nanoseconds.
    Time(f64),
    /// Bytes.
    Bytes(f64),
    /// One thing is so many times another.
    Times(f64),
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Time(ns) if ns < 1e3 => write!(f, "{ns:.0} ns"),
            Self::Time(ns) if ns < 1e6 => write!(f, "{:.0} µs", ns / 1e3),
            Self::Time(ns) => write!(f, "{:.2} ms", ns / 1e6),
            Self::Bytes(bytes) => write!(f, "{:.1} MB", bytes / 1e6),
            Self::Times(times) => write!(f, "{times:.1} x"),
        }
    }
}

/// What a figure must keep to, and where that comes from.
pub enum Limit {
    /// Not more than this.
    AtMost(Quantity, String),
    /// Not less than this.
    AtLeast(Quantity, String),
}

/// One line of the table.
pub struct Row {
    what: String,
    measured: anyhow::Result<Quantity>,
    limit: Limit,
}

impl Row {
    /// A figure, or why there is none.
    pub fn new(what: String, measured: anyhow::Result<Quantity>, limit: Limit) -> Self {
        Self { what, measured, limit }
    }

    /// Whether the limit is kept; what could not be measured keeps none.
    pub fn holds(&self) -> bool {
        match (&self.measured, &self.limit) {
            (Ok(measured), Limit::AtMost(limit, _)) => measured <= limit,
            (Ok(measured), Limit::AtLeast(limit, _)) => measured >= limit,
            (Err(_), _) => false,
        }
    }

    fn cells(&self) -> [String; 4] {
        let (word, limit, why) = match &self.limit {
            Limit::AtMost(limit, why) => ("at most", limit, why),
            Limit::AtLeast(limit, why) => ("at least", limit, why),
        };
        let (measured, verdict) = match &self.measured {
            Ok(measured) => (measured.to_string(), if self.holds() { "ok" } else { "OVER" }.to_owned()),
            Err(error) => ("-".to_owned(), format!("NO FIGURE: {error:#}")),
        };
        [self.what.clone(), measured, format!("{word} {limit} ({why})"), verdict]
    }
}

/// The table as text.
pub fn show(rows: &[Row]) -> String {
    let title = ["", "measured", "limit", ""].map(str::to_owned);
    let cells: Vec<[String; 4]> = std::iter::once(title).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (what, measured, limit) = (width(0), width(1), width(2));
    cells
        .iter()
        .map(|[a, b, c, d]| {
            format!("{a:what$}  {b:>measured$}  {c:limit$}  {d}").trim_end().to_owned() + "\n"
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(measured: anyhow::Result<Quantity>, limit: Limit) -> Row {
        Row::new("x".to_owned(), measured, limit)
    }

    #[test]
    fn a_figure_over_its_limit_does_not_hold() {
        let limit = |ns| Limit::AtMost(Quantity::Time(ns), String::new());
        assert!(row(Ok(Quantity::Time(5.0)), limit(5.0)).holds());
        assert!(!row(Ok(Quantity::Time(6.0)), limit(5.0)).holds());
        assert!(!row(Ok(Quantity::Times(9.9)), Limit::AtLeast(Quantity::Times(10.0), String::new())).holds());
    }

    #[test]
    fn a_missing_figure_does_not_hold_and_says_why() {
        let missing =
            row(Err(anyhow::anyhow!("no BPF here")), Limit::AtMost(Quantity::Time(1.0), String::new()));
        assert!(!missing.holds());
        assert!(show(&[missing]).contains("NO FIGURE: no BPF here"));
    }

    #[test]
    fn times_are_shown_in_the_unit_that_reads_best() {
        let shown = [17.4, 17_400.0, 17_400_000.0].map(|ns| Quantity::Time(ns).to_string());
        assert_eq!(shown, ["17 ns", "17 µs", "17.40 ms"]);
    }
}
