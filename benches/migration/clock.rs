//! The simulator's clock for the product, so that both live in the same, fast time.

use std::time::Duration;

use amiseal::clock::Clock;
use ec2sim::{Sim, SimTime};
use futures::future::BoxFuture;
use jiff::Timestamp;

/// The simulator's time.
#[derive(Debug)]
pub(crate) struct SimClock {
    sim: Sim,
    started: SimTime,
}

impl SimClock {
    /// The clock of this simulator.
    pub(crate) fn of(sim: Sim) -> Self {
        let started = sim.now();
        Self { sim, started }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.sim.now().as_millis()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn monotonic(&self) -> Duration {
        let seconds = self.sim.now().seconds_since(self.started);
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(self.wall(duration)))
    }

    fn wall(&self, duration: Duration) -> Duration {
        duration.div_f64(self.sim.clock().speed())
    }
}
