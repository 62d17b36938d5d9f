//! When to look again, and when to ask again.

use std::time::{Duration, Instant};

/// Spacing of reads in v1, which has no notification: tiny at first, growing, and never so tight that reading is
/// more than about a tenth of the time.
#[derive(Debug)]
pub(super) struct Pace {
    next: Duration,
}

impl Pace {
    const FIRST: Duration = Duration::from_micros(30);
    const LAST: Duration = Duration::from_millis(20);

    pub(super) fn new() -> Self {
        Self { next: Self::FIRST }
    }

    /// How long to wait after a read that took `cost`.
    pub(super) fn after(&mut self, cost: Duration) -> Duration {
        let now = self.next;
        self.next = (now * 3 / 2).min(Self::LAST);
        now.max(cost * 10)
    }
}

/// Something to be done now and then, ever more rarely.
#[derive(Debug)]
pub(super) struct Occasion {
    due: Instant,
    gap: Duration,
}

impl Occasion {
    const LONGEST: Duration = Duration::from_secs(1);

    pub(super) fn first_after(gap: Duration) -> Self {
        Self { due: Instant::now() + gap, gap }
    }

    /// Whether it is time; if so the next one is due twice as far away.
    pub(super) fn is_due(&mut self) -> bool {
        let now = Instant::now();
        if now < self.due {
            return false;
        }
        self.gap = (self.gap * 2).min(Self::LONGEST);
        self.due = now + self.gap;
        true
    }

    pub(super) fn in_how_long(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cheap_reads_start_close_together_and_end_20_ms_apart() {
        let mut pace = Pace::new();
        assert_eq!(pace.after(Duration::ZERO), Duration::from_micros(30));
        let last = (0..30).map(|_| pace.after(Duration::ZERO)).last().expect("some");
        assert_eq!(last, Duration::from_millis(20));
    }

    #[test]
    fn reading_takes_a_tenth_of_the_time_at_most() {
        let cost = Duration::from_millis(5);
        assert_eq!(Pace::new().after(cost), cost * 10);
    }
}
