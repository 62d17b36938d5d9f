//! Times for people: three figures and a unit.

/// `38.2 s`, `1.20 ms`, `41.0 µs`, `950 ns`; above two minutes `5m 03s`.
#[must_use]
pub fn duration(ns: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three figures are printed")]
    let value = ns as f64;
    let (scaled, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (value / 1e3, "µs"),
        1_000_000..1_000_000_000 => (value / 1e6, "ms"),
        1_000_000_000..120_000_000_000 => (value / 1e9, "s"),
        _ => return minutes(ns / 1_000_000_000),
    };
    let decimals = if scaled < 9.995 { 2 } else { usize::from(scaled < 99.95) };
    format!("{scaled:.decimals$} {unit}")
}

fn minutes(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match hours {
        0 => format!("{minutes}m {:02}s", seconds % 60),
        1..48 => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{days}d {:02}h", hours % 24),
    }
}

/// `1 task`, `3 tasks`.
#[must_use]
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_figures_and_a_unit() {
        let shown: Vec<String> =
            [999, 1_000, 41_000, 310_400, 1_200_000, 38_200_000_000].map(duration).to_vec();
        assert_eq!(shown, ["999 ns", "1.00 µs", "41.0 µs", "310 µs", "1.20 ms", "38.2 s"]);
    }

    #[test]
    fn long_times_are_minutes_hours_and_days() {
        let shown = [123, 7_260, 260_000].map(|s: u64| duration(s * 1_000_000_000));
        assert_eq!(shown, ["2m 03s", "2h 01m", "3d 00h"]);
    }
}
