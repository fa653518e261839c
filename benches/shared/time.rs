//! Virtual time: tokio's own, which stands still while anything is to be done and then leaps to the next timer.

use std::time::Duration;

use amiseal::clock::Clock;
use ec2sim::{RealTime, SimTime};
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::time::Instant;

/// When every play begins, in milliseconds since 1970: 2026-01-01T00:00:00Z.
const EPOCH_MILLIS: i64 = 1_767_225_600_000;

/// When every play begins.
pub(crate) fn epoch() -> SimTime {
    SimTime::from_millis(EPOCH_MILLIS)
}

/// The one clock of a play.
#[derive(Debug, Clone)]
pub(crate) struct Virtual(Instant);

impl Virtual {
    /// A clock that begins now; only on a runtime whose time is paused.
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    fn millis(&self) -> i64 {
        EPOCH_MILLIS + i64::try_from(self.0.elapsed().as_millis()).unwrap_or(i64::MAX / 2)
    }
}

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.millis()).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn to_real_time(&self, duration: Duration) -> Duration {
        duration
    }
}

impl RealTime for Virtual {
    fn now(&self) -> SimTime {
        SimTime::from_millis(self.millis())
    }
}
