//! What wakes a wait.

use std::future::Future;
use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::cgroupfs::v2::EventsFile;

/// What is not frozen yet.
#[derive(Debug)]
pub enum Pending {
    /// Something in a v1 subtree: the kernel will not tell when it is.
    V1,
    /// A cgroup of the v2 subtree, by its `cgroup.events`, read just now.
    V2(EventsFile),
}

/// A task that a freeze may not reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Thread id.
    pub tid: i32,
    /// Id of its v2 cgroup.
    pub cgroup: u64,
}

/// A source of wake-ups. Early or needless ones are harmless: the state is read afterwards anyway.
pub trait FreezeWatch {
    /// Returns when `pending` may have changed, or when `at_most` has passed. Called again and again until the
    /// freeze ends, so this is also where a watch gets to look at the time.
    fn changed(&mut self, pending: &Pending, at_most: Duration) -> impl Future<Output = io::Result<()>>;

    /// No need to look more often than this: what happens in between, the watch tells.
    fn patience(&self) -> Duration {
        Duration::ZERO
    }

    /// The tasks among which one that no freeze can reach must be (a kernel thread, or one in uninterruptible sleep
    /// and not frozen), with the id of their cgroup; `None`: every task may be one. `last`: the time is up, and
    /// this is the look that a time-out is explained by.
    fn suspects(&mut self, last: bool) -> Option<Vec<Suspect>> {
        let _ = last;
        None
    }
}

/// Wakes by the cgroup files alone: v2 notifies, v1 is read again after `at_most`.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileWatch;

impl FreezeWatch for FileWatch {
    async fn changed(&mut self, pending: &Pending, at_most: Duration) -> io::Result<()> {
        match pending {
            // Tokio's timer counts in milliseconds.
            Pending::V1 if at_most < Duration::from_millis(1) => std::thread::sleep(at_most),
            Pending::V1 => tokio::time::sleep(at_most).await,
            Pending::V2(events) => {
                let file = events.file.as_fd();
                // SAFETY: the borrowed descriptor stays open and the same for as long as `ready` lives: `pending`
                // owns it.
                let ready = unsafe { AsyncFd::register_with_interest(file, Interest::PRIORITY) }?;
                match tokio::time::timeout(at_most, ready.ready(Interest::PRIORITY)).await {
                    Ok(woken) => drop(woken?),
                    Err(_passed) => {}
                }
            }
        }
        Ok(())
    }
}
