//! Keeps the calls of one account and region within a share of AWS's own limits.
//!
//! AWS counts calls in token buckets per account and region, which everybody in the account shares. Staying below them leaves room for
//! others; when AWS throttles all the same, the rate is halved and comes back with time alone, so that no stretch of errors can keep
//! it down.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::metrics::AwsMetrics;
use crate::clock::Clock;

/// The rate returns from its floor to the full share in this time.
const RECOVERY: Duration = Duration::from_secs(300);
/// Throttled answers that come together are one event.
const SAME_EVENT: Duration = Duration::from_secs(1);
/// The rate is never cut below this part of the share.
const FLOOR: f64 = 1.0 / 16.0;

/// Calls that are counted together. AWS counts each call by itself ("Request throttling for the Amazon EC2 API"); those of
/// which there are few are put together here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bucket {
    /// `Describe*`, filtered or paginated; everything that amiseal reads from EC2 is.
    Read,
    /// `DescribeSnapshots`: a large account has as many pages of these as of images.
    Snapshots,
    /// `CopyImage`.
    Copy,
    /// `DeregisterImage`, `DeleteSnapshot`, `ModifyImageAttribute`.
    Modify,
    /// `CreateTags`, `DeleteTags`.
    Tag,
    /// All other calls of EC2 that write.
    Write,
    /// KMS, whose own limits are far higher: this bounds a fault of ours.
    Key,
}

impl Bucket {
    const ALL: [Self; 7] = [
        Self::Read,
        Self::Snapshots,
        Self::Copy,
        Self::Modify,
        Self::Tag,
        Self::Write,
        Self::Key,
    ];

    /// The bucket of a call; none for STS, whose calls count against the controller's account and are a few an hour.
    pub(super) fn of(service: &str, operation: &str) -> Option<Self> {
        match (service, operation) {
            ("sts", _) => None,
            ("kms", _) => Some(Self::Key),
            (_, "CopyImage") => Some(Self::Copy),
            (_, "DeregisterImage" | "DeleteSnapshot" | "ModifyImageAttribute") => Some(Self::Modify),
            (_, "CreateTags" | "DeleteTags") => Some(Self::Tag),
            (_, "DescribeSnapshots") => Some(Self::Snapshots),
            (_, operation) if operation.starts_with("Describe") => Some(Self::Read),
            _ => Some(Self::Write),
        }
    }

    /// AWS's capacity and refill a second.
    fn limits(self) -> (f64, f64) {
        match self {
            Self::Read | Self::Snapshots | Self::Key => (100.0, 20.0),
            Self::Copy => (100.0, 1.0),
            Self::Modify => (100.0, 5.0),
            Self::Tag => (100.0, 10.0),
            Self::Write => (50.0, 5.0),
        }
    }
}

/// The limits of one account and region, shared by all sessions there.
pub(super) struct Limiter {
    clock: Arc<dyn Clock>,
    metrics: AwsMetrics,
    lanes: [Lane; Bucket::ALL.len()],
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").finish_non_exhaustive()
    }
}

/// One bucket and the queue before it.
struct Lane {
    /// Callers wait in the order they came; only the first one looks at the tokens.
    queue: tokio::sync::Mutex<()>,
    level: Mutex<Level>,
}

impl Limiter {
    /// A limiter that uses `share` (above 0, up to 1) of what AWS allows.
    pub(super) fn new(clock: Arc<dyn Clock>, share: f64, metrics: AwsMetrics) -> Self {
        let now = clock.monotonic();
        let lanes = Bucket::ALL.map(|bucket| Lane {
            queue: tokio::sync::Mutex::new(()),
            level: Mutex::new(Level::full(bucket, share, now)),
        });
        Self { clock, metrics, lanes }
    }

    /// Waits until a call may be sent, and counts it.
    pub(super) async fn acquire(&self, bucket: Bucket) {
        let lane = self.lane(bucket);
        let began = self.clock.monotonic();
        let turn = lane.queue.lock().await;
        loop {
            let taken = lane.level().take(self.clock.monotonic());
            match taken {
                Ok(()) => break,
                Err(wait) => self.clock.sleep(wait).await,
            }
        }
        drop(turn);
        let waited = self.clock.monotonic().saturating_sub(began);
        self.metrics.waited(waited);
    }

    /// Counts a call that was sent without waiting: a retry by the SDK. Later calls wait for it.
    pub(super) fn charge(&self, bucket: Bucket) {
        let now = self.clock.monotonic();
        let mut level = self.lane(bucket).level();
        level.refill(now);
        level.tokens -= 1.0;
    }

    /// A call that was counted is not sent after all.
    pub(super) fn give_back(&self, bucket: Bucket) {
        let mut level = self.lane(bucket).level();
        level.tokens = (level.tokens + 1.0).min(level.capacity);
    }

    /// AWS said that there were too many calls.
    pub(super) fn throttled(&self, bucket: Bucket) {
        let now = self.clock.monotonic();
        self.lane(bucket).level().throttled(now);
    }

    /// How long a call would wait now.
    pub(super) fn delay(&self, bucket: Bucket) -> Duration {
        let now = self.clock.monotonic();
        let mut level = self.lane(bucket).level();
        level.refill(now);
        level.wait()
    }

    fn lane(&self, bucket: Bucket) -> &Lane {
        &self.lanes[bucket as usize]
    }
}

impl Lane {
    fn level(&self) -> MutexGuard<'_, Level> {
        // Every change of a level is complete in itself, so a panic elsewhere leaves it sound.
        self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How full a bucket is.
#[derive(Debug)]
struct Level {
    capacity: f64,
    refill: f64,
    /// Below zero when retries were charged.
    tokens: f64,
    /// What throttling has left of the rate: `FLOOR` to 1.
    factor: f64,
    filled: Duration,
    throttled: Option<Duration>,
}

impl Level {
    fn full(bucket: Bucket, share: f64, now: Duration) -> Self {
        let (capacity, refill) = bucket.limits();
        // Less than one token would never let a call pass.
        let capacity = (capacity * share).max(1.0);
        let refill = refill * share;
        Self {
            capacity,
            refill,
            tokens: capacity,
            factor: 1.0,
            filled: now,
            throttled: None,
        }
    }

    fn refill(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.filled).as_secs_f64();
        self.filled = self.filled.max(now);
        // The rate at the end of the interval: a little generous after long idleness, when the bucket is full anyway.
        self.factor = (self.factor + elapsed / RECOVERY.as_secs_f64() * (1.0 - FLOOR)).min(1.0);
        self.tokens = (self.tokens + elapsed * self.rate()).min(self.capacity);
    }

    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        self.refill(now);
        let wait = self.wait();
        if wait.is_zero() {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(wait)
    }

    fn throttled(&mut self, now: Duration) {
        self.refill(now);
        self.tokens = self.tokens.min(0.0);
        if self.throttled.is_none_or(|last| now.saturating_sub(last) >= SAME_EVENT) {
            self.factor = (self.factor / 2.0).max(FLOOR);
            self.throttled = Some(now);
        }
    }

    fn rate(&self) -> f64 {
        self.refill * self.factor
    }

    /// Until there is a token; a hair of rounding counts as one.
    fn wait(&self) -> Duration {
        let missing = 1.0 - self.tokens;
        if missing <= 1e-6 {
            return Duration::ZERO;
        }
        // Up to the next millisecond: timers are no finer, and waking early would only mean waiting again.
        let millis = (missing / self.rate() * 1e3).ceil().max(1.0);
        Duration::try_from_secs_f64(millis / 1e3).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
#[path = "limiter_tests.rs"]
mod tests;
