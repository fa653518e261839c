//! Time as a dependency: decisions get `now` as an argument, effects get a [`Clock`].

use std::fmt::Debug;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use jiff::Timestamp;

/// Where time comes from. The product has one clock, [`SystemClock`]; test harnesses bring faster ones.
pub trait Clock: Debug + Send + Sync {
    /// The time of day.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment; never jumps.
    fn monotonic(&self) -> Duration;

    /// Waits for `duration` of this clock's time.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// How long `duration` of this clock's time lasts on the wall: for libraries that keep timers of their own.
    fn wall(&self, duration: Duration) -> Duration;
}

/// The machine's own time.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn wall(&self, duration: Duration) -> Duration {
        duration
    }
}
