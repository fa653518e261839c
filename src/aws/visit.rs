//! One visit to one object of thousands: its calls are sent now or not at all, so that it holds up nobody elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::limiter::{Flight, Limiter};
use crate::domain::Bucket;

/// The calls of one visit. What it has reserved and not used is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Visit {
    who: Arc<str>,
    limiter: Arc<Limiter>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    flight: Option<Flight>,
    /// Calls that are counted already.
    reserved: BTreeMap<Bucket, u32>,
}

impl Visit {
    /// Nothing is reserved yet. `who` is the object, which keeps its place in line from one visit to the next.
    pub(super) fn new(who: &str, limiter: Arc<Limiter>) -> Self {
        Self {
            who: who.into(),
            limiter,
            state: Mutex::default(),
        }
    }

    /// Says when to come back, if too many calls are under way already to begin with one of `bucket`.
    pub(super) fn board(&self, bucket: Bucket) -> Result<(), Duration> {
        let mut state = self.state();
        if state.flight.is_none() {
            state.flight = self.limiter.fly();
        }
        if state.flight.is_some() {
            return Ok(());
        }
        self.limiter.reserve(&self.who, &BTreeMap::from([(bucket, 1)]), false)
    }

    /// Counts a call of `bucket`, or says when to come back.
    pub(super) fn admit(&self, bucket: Bucket) -> Result<(), Duration> {
        let mut state = self.state();
        if let Some(left) = state.reserved.get_mut(&bucket).filter(|left| **left > 0) {
            *left -= 1;
            return Ok(());
        }
        let flies = state.flight.is_some();
        self.limiter.reserve(&self.who, &BTreeMap::from([(bucket, 1)]), flies)
    }

    /// Counts all these calls, or says when to come back: what is repeated from its beginning each time never gets to its end
    /// otherwise.
    pub(super) fn reserve(&self, calls: &BTreeMap<Bucket, u32>) -> Result<(), Duration> {
        let mut state = self.state();
        if state.flight.is_none() {
            state.flight = self.limiter.fly();
        }
        let missing = |(bucket, count): (&Bucket, &u32)| {
            let there = state.reserved.get(bucket).copied().unwrap_or_default();
            let missing = count.saturating_sub(there);
            (missing > 0).then_some((*bucket, missing))
        };
        let missing: BTreeMap<Bucket, u32> = calls.iter().filter_map(missing).collect();
        self.limiter.reserve(&self.who, &missing, state.flight.is_some())?;
        for (bucket, count) in missing {
            *state.reserved.entry(bucket).or_default() += count;
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // It is whole after every statement, so a panic elsewhere leaves it sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        for (bucket, left) in std::mem::take(&mut self.state().reserved) {
            (0..left).for_each(|_| self.limiter.give_back(bucket));
        }
    }
}
