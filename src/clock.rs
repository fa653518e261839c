//! Time as a dependency: decisions get `now` as an argument, effects get a [`Clock`].

use std::fmt::Debug;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use jiff::Timestamp;

/// Where time comes from. The product has one clock, [`SystemClock`]; test harnesses bring faster ones.
pub trait Clock: Debug + Send + Sync {
    /// The time of day: what it was when the process began, and what has passed since. It never jumps, however the
    /// machine's is set meanwhile, so that the time between two of them is the time that has passed.
    fn now(&self) -> Timestamp;

    /// The time of day as the machine's clock is set now, for what others are told: it may jump.
    fn system_time(&self) -> Timestamp {
        self.now()
    }

    /// Time since some fixed moment; never jumps.
    fn monotonic(&self) -> Duration;

    /// Waits for `duration` of this clock's time.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// How long `duration` of this clock's time lasts on the wall: for libraries that keep timers of their own.
    fn to_real_time(&self, duration: Duration) -> Duration;
}

/// The machine's own time.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    started_at: Timestamp,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            started_at: Timestamp::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // Whoever lives long enough to see the last year that there is stays there.
        self.started_at
            .saturating_add(self.started.elapsed())
            .unwrap_or(Timestamp::MAX)
    }

    fn system_time(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn to_real_time(&self, duration: Duration) -> Duration {
        duration
    }
}
