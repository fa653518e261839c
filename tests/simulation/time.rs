//! Virtual time: tokio's own, which stands still while anything is to be done and then leaps to the next timer.

use std::time::Duration;

use amiseal::clock::Clock;
use ec2sim::{RealTime, SimTime};
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::time::Instant;

/// When every history begins, in milliseconds since 1970: 2026-01-01T00:00:00Z.
pub(crate) const EPOCH_MILLIS: i64 = 1_767_225_600_000;

/// The clock of the product, of the simulated AWS and of the API server double.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Virtual {
    began: Instant,
}

impl Virtual {
    /// A clock that begins now; only on a runtime whose time is paused.
    pub(crate) fn begin() -> Self {
        Self { began: Instant::now() }
    }

    fn elapsed(self) -> Duration {
        self.began.elapsed()
    }

    /// Time since the history began.
    pub(crate) fn age(self) -> Duration {
        self.elapsed()
    }
}

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        let millis = i64::try_from(self.elapsed().as_millis()).expect("a history of less than an age");
        Timestamp::from_millisecond(EPOCH_MILLIS + millis).expect("a time in range")
    }

    fn monotonic(&self) -> Duration {
        self.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn wall(&self, duration: Duration) -> Duration {
        duration
    }
}

impl RealTime for Virtual {
    fn now(&self) -> SimTime {
        SimTime::from_millis(Clock::now(self).as_millisecond())
    }
}
