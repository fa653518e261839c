//! The clock that the simulator and the product share: fast while nothing goes on, slow while the product is at work.
//!
//! The API server and this machine do not run faster for us. At a hundred simulated seconds a second, a request of 20
//! milliseconds would count as two seconds, and a busy machine would change the figures. So the clock is slow from the
//! moment that the product asks what time it is, or any thread of it wakes, until all of them have slept for a while and
//! the API server owes them no answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use amiseal::clock::Clock;
use ec2sim::{Sim, SimTime};
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::runtime::{Handle, RuntimeMetrics};
use tower::{Layer, Service};

/// How long the clock stays slow after the product was last seen at work: longer than news from the API server take.
pub(crate) const HOLD: Duration = Duration::from_millis(200);
/// How often it is looked whether the product is at work.
const TICK: Duration = Duration::from_millis(2);
/// Simulated seconds in a real one while the product is at work.
pub(crate) const SLOW: f64 = 5.0;

/// The simulator's time, as the product sees it.
#[derive(Debug)]
pub(crate) struct SimClock {
    sim: Sim,
    started: SimTime,
    pace: Arc<Mutex<Pace>>,
    owed: Arc<AtomicUsize>,
}

/// How fast the clock runs.
#[derive(Debug)]
struct Pace {
    fast: f64,
    worked: Instant,
    is_slow: bool,
}

impl Pace {
    /// The product is at work.
    fn work(&mut self, sim: &Sim) {
        self.worked = Instant::now();
        if !self.is_slow {
            self.is_slow = true;
            sim.set_speed(SLOW);
        }
    }

    /// It is not, or not that anybody can see.
    fn rest(&mut self, sim: &Sim) {
        if self.is_slow && self.worked.elapsed() >= HOLD {
            self.is_slow = false;
            sim.set_speed(self.fast);
        }
    }
}

impl SimClock {
    /// The clock of this simulator, with `fast` simulated seconds in a real one while nothing goes on in `product`, the
    /// runtime that the product has to itself.
    pub(crate) fn of(sim: Sim, fast: f64, product: &Handle) -> Self {
        sim.set_speed(SLOW);
        let this = Self {
            started: sim.now(),
            sim,
            pace: Arc::new(Mutex::new(Pace {
                fast,
                worked: Instant::now(),
                is_slow: true,
            })),
            owed: Arc::default(),
        };
        let (sim, owed) = (this.sim.clone(), this.owed.clone());
        let (pace, metrics) = (Arc::downgrade(&this.pace), product.metrics());
        // A thread of its own: on a runtime it would be part of what it looks at.
        std::thread::spawn(move || govern(&sim, &pace, &owed, &metrics));
        this
    }

    /// Lets it run at another speed while nothing goes on.
    pub(crate) fn set_fast(&self, fast: f64) {
        let mut pace = lock(&self.pace);
        pace.fast = fast;
        pace.work(&self.sim);
    }

    /// What a client of the API server is wrapped into, so that the clock waits for its answers.
    pub(crate) fn layer(&self) -> Owing {
        Owing(self.owed.clone())
    }

    fn asked(&self) {
        lock(&self.pace).work(&self.sim);
    }
}

/// Sets the speed by what the product does, until the clock is gone.
fn govern(sim: &Sim, pace: &Weak<Mutex<Pace>>, owed: &AtomicUsize, product: &RuntimeMetrics) {
    // A worker's count is odd while it sleeps.
    let is_awake = |worker| product.worker_park_unpark_count(worker).is_multiple_of(2);
    while let Some(pace) = pace.upgrade() {
        let at_work = owed.load(Ordering::SeqCst) > 0 || (0..product.num_workers()).any(is_awake);
        let mut pace = lock(&pace);
        if at_work {
            pace.work(sim);
        } else {
            pace.rest(sim);
        }
        drop(pace);
        std::thread::sleep(TICK);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.asked();
        Timestamp::from_millisecond(self.sim.now().as_millis()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn monotonic(&self) -> Duration {
        self.asked();
        let seconds = self.sim.now().seconds_since(self.started);
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(self.to_real_time(duration)))
    }

    /// Whoever waits has just asked for the time, so the clock is slow for a while before it is fast. Should the product be
    /// at work in between, the wait ends too early; then it looks at the time and waits for the rest.
    fn to_real_time(&self, duration: Duration) -> Duration {
        let slow = HOLD.mul_f64(SLOW);
        match duration.checked_sub(slow) {
            Some(rest) => HOLD + rest.div_f64(lock(&self.pace).fast),
            None => duration.div_f64(SLOW),
        }
    }
}

fn lock(pace: &Mutex<Pace>) -> MutexGuard<'_, Pace> {
    pace.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts the requests that are not answered yet. The answer to a watch has come once it has begun.
#[derive(Debug, Clone)]
pub(crate) struct Owing(Arc<AtomicUsize>);

impl<S> Layer<S> for Owing {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted {
            inner,
            owed: self.0.clone(),
        }
    }
}

/// A client whose requests are counted.
#[derive(Debug, Clone)]
pub(crate) struct Counted<S> {
    inner: S,
    owed: Arc<AtomicUsize>,
}

impl<R, S> Service<R> for Counted<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let debt = Debt::new(&self.owed);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let _debt = debt;
            answer.await
        })
    }
}

/// A request that is not answered yet.
struct Debt(Arc<AtomicUsize>);

impl Debt {
    fn new(owed: &Arc<AtomicUsize>) -> Self {
        owed.fetch_add(1, Ordering::SeqCst);
        Self(owed.clone())
    }
}

impl Drop for Debt {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
