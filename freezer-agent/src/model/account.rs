//! What a task spends its time on, by the scheduler's events.

use super::Spent;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// No event has told yet: the next one tells what it was.
    Unknown,
    Running,
    Runnable,
    Asleep,
    /// Frozen or gone: its time is no longer counted.
    Done,
}

/// How a task left its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Preempted, throttled or yielding.
    Runnable,
    /// To sleep.
    Asleep,
    /// Frozen or dead.
    Done,
}

/// One task's account, from the request on.
#[derive(Clone, Debug)]
pub(super) struct Account {
    since: u64,
    doing: Doing,
    spent: Spent,
}

impl Account {
    /// From this time on, `CLOCK_MONOTONIC` ns.
    pub fn open(at: u64) -> Self {
        Self { since: at, doing: Doing::Unknown, spent: Spent::default() }
    }

    /// It is woken. A task that is not asleep may be woken too; that changes nothing.
    pub fn woken(&mut self, at: u64) {
        if matches!(self.doing, Doing::Unknown | Doing::Asleep) {
            self.turn(at, Doing::Asleep, Doing::Runnable);
        }
    }

    /// It gets a CPU.
    pub fn got_cpu(&mut self, at: u64) {
        self.turn(at, Doing::Runnable, Doing::Running);
    }

    /// It leaves its CPU.
    pub fn left_cpu(&mut self, at: u64, how: Left) {
        let next = match how {
            Left::Runnable => Doing::Runnable,
            Left::Asleep => Doing::Asleep,
            Left::Done => Doing::Done,
        };
        self.turn(at, Doing::Running, next);
    }

    /// Its time up to `at`.
    pub fn spent(&self, at: u64) -> Spent {
        let mut now = self.clone();
        now.turn(at, Doing::Done, Doing::Done);
        now.spent
    }

    /// Books the time since the last event; where nothing was known, the event itself tells what the task was at.
    fn turn(&mut self, at: u64, if_unknown: Doing, next: Doing) {
        let took = at.saturating_sub(self.since);
        match if self.doing == Doing::Unknown { if_unknown } else { self.doing } {
            Doing::Running => self.spent.running_ns += took,
            Doing::Runnable => self.spent.runnable_ns += took,
            Doing::Asleep => self.spent.asleep_ns += took,
            Doing::Unknown | Doing::Done => {}
        }
        self.since = at;
        self.doing = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_event_tells_what_a_task_was_at_since_the_request() {
        let spent = |event: fn(&mut Account)| {
            let mut account = Account::open(100);
            event(&mut account);
            let spent = account.spent(150);
            (spent.running_ns, spent.runnable_ns, spent.asleep_ns)
        };
        assert_eq!(spent(|account| account.got_cpu(150)), (0, 50, 0));
        assert_eq!(spent(|account| account.woken(150)), (0, 0, 50));
        assert_eq!(spent(|account| account.left_cpu(150, Left::Asleep)), (50, 0, 0));
        assert_eq!(spent(|_| {}), (0, 0, 0));
    }

    #[test]
    fn a_way_through_sleep_queue_and_cpu_adds_up() {
        let mut account = Account::open(0);
        account.woken(300);
        account.woken(310);
        account.got_cpu(350);
        account.left_cpu(360, Left::Runnable);
        account.got_cpu(400);
        account.left_cpu(401, Left::Done);
        let spent = account.spent(1000);
        assert_eq!((spent.running_ns, spent.runnable_ns, spent.asleep_ns), (11, 90, 300));
    }
}
