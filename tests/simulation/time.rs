//! Virtual time: tokio's own, which stands still while anything is to be done and then leaps to the next timer.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use amiseal::clock::Clock;
use ec2sim::{RealTime, SimTime};
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::time::Instant;

/// When every history begins, in milliseconds since 1970: 2026-01-01T00:00:00Z.
pub(crate) const EPOCH_MILLIS: i64 = 1_767_225_600_000;

/// The clock of the simulated AWS and of the API server double, which is right, and those of processes, which may not be.
#[derive(Debug, Clone)]
pub(crate) struct Virtual {
    began: Instant,
    /// How many milliseconds the time of day is ahead.
    ahead: Arc<AtomicI64>,
}

impl Virtual {
    /// A clock that begins now; only on a runtime whose time is paused.
    pub(crate) fn begin() -> Self {
        Self {
            began: Instant::now(),
            ahead: Arc::default(),
        }
    }

    /// A clock of the same age whose time of day may be set.
    pub(crate) fn another(&self) -> Self {
        Self {
            began: self.began,
            ahead: Arc::default(),
        }
    }

    /// The clock of a process that begins now: it takes the time of day once, as the product's own clock does.
    pub(crate) fn of_process(&self) -> Self {
        let of_process = self.another();
        of_process.set_ahead(self.ahead.load(Ordering::Relaxed));
        of_process
    }

    /// Sets the time of day so much ahead of the right one.
    pub(crate) fn set_ahead(&self, millis: i64) {
        self.ahead.store(millis, Ordering::Relaxed);
    }

    /// Time since the history began.
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        let millis = i64::try_from(self.age().as_millis()).expect("a history of less than an age");
        let millis = EPOCH_MILLIS + millis + self.ahead.load(Ordering::Relaxed);
        Timestamp::from_millisecond(millis).expect("a time in range")
    }

    fn monotonic(&self) -> Duration {
        self.age()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn to_real_time(&self, duration: Duration) -> Duration {
        duration
    }
}

/// How long after the beginning of a history a time by a right clock is.
pub(crate) fn age_at(time: Timestamp) -> Duration {
    let millis = time.as_millisecond() - EPOCH_MILLIS;
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// How long after the beginning of a history a time of the simulated AWS is.
pub(crate) fn age_of(time: SimTime) -> Duration {
    let millis = time.as_millis() - EPOCH_MILLIS;
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// The time by a right clock so long after the beginning of a history.
pub(crate) fn time_at(age: Duration) -> SimTime {
    let millis = i64::try_from(age.as_millis()).expect("a history of less than an age");
    SimTime::from_millis(EPOCH_MILLIS + millis)
}

impl RealTime for Virtual {
    fn now(&self) -> SimTime {
        SimTime::from_millis(Clock::now(self).as_millisecond())
    }
}
