//! Keeps the calls of one account and region within a share of AWS's own limits.
//!
//! AWS counts calls in token buckets per account and region, which everybody in the account shares. Staying below them leaves room for
//! others; when AWS throttles all the same, the rate is halved and comes back with time alone, so that no stretch of errors can keep
//! it down.
//!
//! There are two ways to wait. Who reads for a whole account stays, and is served in the order of coming. Who works on one object of
//! thousands is told when to come back, since whoever stays keeps a place that others need. Where both want the same tokens they
//! have them in turns.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::metrics::AwsMetrics;
use super::queue::Line;
use crate::clock::Clock;
use crate::domain::Bucket;

/// The rate returns from its floor to the full share in this time.
const RECOVERY: Duration = Duration::from_secs(300);
/// Throttled answers that come together are one event.
const SAME_EVENT: Duration = Duration::from_secs(1);
/// The rate is never cut below this part of the share.
const FLOOR: f64 = 1.0 / 16.0;
/// How many visits that do not wait may have calls under way in an account and region: far more than its limits let pass, unless it
/// answers slowly.
const FLIGHTS: usize = 16;
/// How many, while it does not answer at all.
const FLIGHTS_OF_THE_SILENT: usize = 2;
/// When to come back where too many calls are under way.
const LANDED: Duration = Duration::from_secs(1);

/// AWS's capacity of a bucket, and its refill a second.
fn limits(bucket: Bucket) -> (f64, f64) {
    match bucket {
        Bucket::Read | Bucket::Snapshots | Bucket::Consumers | Bucket::Key => (100.0, 20.0),
        Bucket::Copy => (100.0, 1.0),
        Bucket::Modify => (100.0, 5.0),
        Bucket::Tag => (100.0, 10.0),
        Bucket::Write => (50.0, 5.0),
        Bucket::Beside => (40.0, 10.0),
        Bucket::Parameter => (10.0, 3.0),
        Bucket::PublicAccess => (1.0, 0.1),
        Bucket::Queue => (100.0, 20.0),
    }
}

/// The limits of one account and region, shared by all sessions there.
pub(super) struct Limiter {
    clock: Arc<dyn Clock>,
    metrics: AwsMetrics,
    lanes: [Lane; Bucket::ALL.len()],
    /// Visits that do not wait and have calls under way.
    flights: AtomicUsize,
    /// Whether the last call was not answered.
    is_silent: AtomicBool,
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
    state: Mutex<State>,
}

impl Limiter {
    /// A limiter that uses `share` (above 0, up to 1) of what AWS allows.
    pub(super) fn new(clock: Arc<dyn Clock>, share: f64, metrics: AwsMetrics) -> Self {
        let now = clock.monotonic();
        let lanes = Bucket::ALL.map(|bucket| Lane {
            queue: tokio::sync::Mutex::new(()),
            state: Mutex::new(State::new(Level::full(bucket, share, now))),
        });
        Self {
            clock,
            metrics,
            lanes,
            flights: AtomicUsize::new(0),
            is_silent: AtomicBool::new(false),
        }
    }

    /// Waits until a call may be sent, and counts it. For those who read for a whole account.
    pub(super) async fn acquire(&self, bucket: Bucket) {
        let lane = self.lane(bucket);
        let began = self.clock.monotonic();
        let turn = lane.queue.lock().await;
        let stays = Stays::new(lane);
        loop {
            let taken = lane.state().take(self.clock.monotonic());
            match taken {
                Ok(()) => break,
                Err(wait) => self.clock.sleep(wait).await,
            }
        }
        drop((stays, turn));
        let waited = self.clock.monotonic().saturating_sub(began);
        self.metrics.waited(waited);
    }

    /// Counts calls for `who`, so many of each bucket, if all of them may be sent now; else says when to come back. `who` keeps its place in
    /// line until then.
    pub(super) fn reserve(&self, who: &Arc<str>, calls: &BTreeMap<Bucket, u32>, flies: bool) -> Result<(), Duration> {
        let now = self.clock.monotonic();
        // In the one order of the map, since each of them stays locked until all are known.
        let mut states: Vec<_> = calls.keys().map(|bucket| self.lane(*bucket).state()).collect();
        // Whoever has come to the front of one line does not begin anew at the end of another.
        let held = states.iter_mut().filter(|state| state.line.has(who));
        let ahead = held.map(|state| state.line.ahead(who, now)).min_by(f64::total_cmp);
        let waits = states.iter_mut().zip(calls.values()).map(|(state, calls)| {
            let ahead = ahead.unwrap_or_else(|| state.line.ahead(who, now));
            state.wait_of(ahead, f64::from(*calls), now)
        });
        let wait = waits.max().unwrap_or_default();
        let wait = if flies { wait } else { wait.max(LANDED) };
        if !wait.is_zero() {
            states.iter_mut().for_each(|state| state.line.stand(who, now, wait));
            return Err(wait);
        }
        let since = states.iter_mut().zip(calls.values()).filter_map(|(state, calls)| {
            state.serve(f64::from(*calls));
            state.line.leave(who)
        });
        if let Some(since) = since.min() {
            self.metrics.waited(now.saturating_sub(since));
        }
        Ok(())
    }

    /// Begins a visit that does not wait, unless too many have calls under way.
    pub(super) fn fly(self: &Arc<Self>) -> Option<Flight> {
        let most = if self.is_silent.load(Ordering::Relaxed) {
            FLIGHTS_OF_THE_SILENT
        } else {
            FLIGHTS
        };
        let begun = self
            .flights
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |flights| {
                (flights < most).then_some(flights + 1)
            });
        begun.is_ok().then(|| Flight(self.clone()))
    }

    /// Whether the last call was answered, whatever was said.
    pub(super) fn heard(&self, is_answered: bool) {
        self.is_silent.store(!is_answered, Ordering::Relaxed);
    }

    /// Counts a call that was sent without waiting: a retry by the SDK. Later calls wait for it.
    pub(super) fn charge(&self, bucket: Bucket) {
        let now = self.clock.monotonic();
        let level = &mut self.lane(bucket).state().level;
        level.refill(now);
        level.tokens -= 1.0;
    }

    /// A call that was counted is not sent after all.
    pub(super) fn give_back(&self, bucket: Bucket) {
        let level = &mut self.lane(bucket).state().level;
        level.tokens = (level.tokens + 1.0).min(level.capacity);
    }

    /// AWS said that there were too many calls.
    pub(super) fn throttled(&self, bucket: Bucket) {
        let now = self.clock.monotonic();
        self.lane(bucket).state().level.throttled(now);
    }

    /// How long a call would wait now.
    pub(super) fn delay(&self, bucket: Bucket) -> Duration {
        let now = self.clock.monotonic();
        let level = &mut self.lane(bucket).state().level;
        level.refill(now);
        level.wait_for(1.0)
    }

    fn lane(&self, bucket: Bucket) -> &Lane {
        &self.lanes[bucket as usize]
    }
}

impl Lane {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of it is complete in itself, so a panic elsewhere leaves it sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who stays before a bucket until it is served or gives up.
struct Stays<'a>(&'a Lane);

impl<'a> Stays<'a> {
    fn new(lane: &'a Lane) -> Self {
        lane.state().is_stayed_for = true;
        Self(lane)
    }
}

impl Drop for Stays<'_> {
    fn drop(&mut self) {
        self.0.state().is_stayed_for = false;
    }
}

/// A visit that has calls under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Flight(Arc<Limiter>);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.flights.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A bucket, and whose turn it is.
#[derive(Debug)]
struct State {
    level: Level,
    /// Those who were told when to come back.
    line: Line,
    /// Whether somebody stays until there is a token.
    is_stayed_for: bool,
    /// Whether the last token went to one who stayed.
    has_one_who_stayed: bool,
}

impl State {
    fn new(level: Level) -> Self {
        Self {
            level,
            line: Line::default(),
            is_stayed_for: false,
            has_one_who_stayed: false,
        }
    }

    /// A token for one who stays; else how long to wait for one.
    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        self.level.refill(now);
        // One more is left for whom it was promised.
        let left = f64::from(u8::from(self.has_one_who_stayed && self.line.is_anybody_due(now)));
        let wait = self.level.wait_for((1.0 + left).min(self.level.capacity));
        if wait.is_zero() {
            self.level.tokens -= 1.0;
            self.has_one_who_stayed = true;
            return Ok(());
        }
        Err(wait)
    }

    /// How long one of the line has to wait for so many tokens, with so many before it.
    fn wait_of(&mut self, ahead: f64, calls: f64, now: Duration) -> Duration {
        self.level.refill(now);
        let left = f64::from(u8::from(self.is_stayed_for && !self.has_one_who_stayed));
        // What is never in the bucket at once is owed afterwards.
        let own = (calls + left).min(self.level.capacity);
        self.level.wait_for(ahead + own)
    }

    fn serve(&mut self, calls: f64) {
        self.level.tokens -= calls;
        self.has_one_who_stayed = false;
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
        let (capacity, refill) = limits(bucket);
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

    /// Until there are so many tokens; a hair of rounding counts as one.
    fn wait_for(&self, tokens: f64) -> Duration {
        let missing = tokens - self.tokens;
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
