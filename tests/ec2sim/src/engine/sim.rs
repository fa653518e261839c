//! The simulator as a thing to hold: handles requests, and gives typed access to what is inside.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http;
use serde_json::Value;

use super::State;
use super::dispatch;
use crate::audit::{self, Report};
use crate::clock::{Clock, SimTime};
use crate::control::{self, Edit, EditError};
use crate::faults::FaultRule;
use crate::journal::Call;
use crate::launches::{self, Launch};
use crate::model::World;
use crate::spec::{self, Settings, SpecError, WorldSpec};
use crate::sqs;
use crate::truth::{self, Consumer};
use crate::wire;

/// What whoever carries an answer to the client must do besides; found in the extensions of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Directive {
    /// Wait so long first, in real time.
    pub delay: Duration,
    /// Close the connection in place of an answer.
    pub drop: bool,
}

/// The simulator. Clones share one world.
#[derive(Clone, Debug)]
pub struct Sim {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    clock: Clock,
    /// How many edits were asked for.
    edits: AtomicUsize,
}

impl Sim {
    /// A simulator of this world, on a clock as the world says.
    ///
    /// # Errors
    /// When a value of the world can not be used.
    pub fn new(spec: &WorldSpec) -> Result<Self, SpecError> {
        let clock = Clock::running(spec.clock.start, spec.clock.speed);
        Self::with_clock(spec, clock)
    }

    /// A simulator of this world on a clock that moves only by [`Sim::advance`].
    ///
    /// # Errors
    /// When a value of the world can not be used.
    pub fn stepped(spec: &WorldSpec) -> Result<Self, SpecError> {
        // A stepped run depends on nothing outside the file, so its start is fixed as well.
        let start = spec.clock.start.unwrap_or(SimTime::from_millis(1_767_225_600_000));
        Self::with_clock(spec, Clock::stepped(start))
    }

    /// A simulator of this world on a given clock.
    ///
    /// # Errors
    /// When a value of the world can not be used.
    pub fn with_clock(spec: &WorldSpec, clock: Clock) -> Result<Self, SpecError> {
        let start = clock.now();
        let world = spec::expand(spec, start)?;
        Ok(Self {
            inner: Arc::new(Inner {
                state: Mutex::new(State::new(spec, world, start)),
                clock,
                edits: AtomicUsize::new(0),
            }),
        })
    }

    /// A simulator of the world in a YAML text.
    ///
    /// # Errors
    /// When the text does not parse or a value can not be used.
    pub fn from_yaml(yaml: &str) -> Result<Self, SpecError> {
        Self::new(&WorldSpec::parse(yaml)?)
    }

    /// The state, with everything done that is due.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.inner.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.settle(self.inner.clock.now());
        state
    }

    /// Answers a request. See [`Directive`] for what the carrier must do.
    pub fn handle(&self, request: &http::Request<Bytes>) -> http::Response<Bytes> {
        if let Some(path) = request.uri().path().strip_prefix("/_sim/") {
            let (status, value) = control::serve(self, request, path);
            return wire::json_answer(status, &value);
        }
        dispatch::handle(&mut self.state(), &self.inner.clock, request)
    }

    /// For how long, in real time, a carrier may keep a request back before it hands it over, as one that can wait keeps back
    /// a long poll of a queue until a message is there. What it has waited counts for the delay of the [`Directive`].
    pub fn may_keep_back(&self, request: &http::Request<Bytes>) -> Duration {
        let state = self.state();
        sqs::keep_back(&state, request, self.inner.clock.now())
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Simulated time.
    pub fn now(&self) -> SimTime {
        self.inner.clock.now()
    }

    /// Moves simulated time forward.
    pub fn advance(&self, by: Duration) {
        // What is due under the old time happens first.
        drop(self.state());
        self.inner.clock.advance(by.as_secs_f64());
        drop(self.state());
    }

    /// Changes how many simulated seconds pass in a real one.
    pub fn set_speed(&self, speed: f64) {
        self.inner.clock.set_speed(speed);
    }

    /// Every call so far.
    pub fn journal(&self) -> Vec<Call> {
        self.state().journal.clone()
    }

    /// Looks at every call so far without copying them.
    pub fn with_journal<T>(&self, look: impl FnOnce(&[Call]) -> T) -> T {
        look(&self.state().journal)
    }

    /// How many calls have had an effect and how many edits were made so far, and how many things are still to happen
    /// by themselves: while neither changes, nothing in the world does.
    pub fn stir(&self) -> (usize, usize) {
        let state = self.state();
        let effects = state.journal.iter().filter(|call| call.effect).count();
        let edits = self.inner.edits.load(Ordering::Relaxed);
        (effects + edits, state.events.len())
    }

    /// The calls after the one of this number.
    pub fn journal_after(&self, seq: u64) -> Vec<Call> {
        let state = self.state();
        state.journal.iter().filter(|c| c.seq > seq).cloned().collect()
    }

    /// What exists now.
    pub fn world(&self) -> World {
        self.state().world.clone()
    }

    /// Looks at what exists now without copying it.
    pub fn with_world<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.state().world)
    }

    /// What exists now, as `GET /_sim/world` gives it.
    pub fn world_json(&self) -> Value {
        let state = self.state();
        serde_json::to_value(&state.world).unwrap_or_default()
    }

    /// Judges world and journal by the world's expectations.
    pub fn audit(&self) -> Report {
        let state = self.state();
        audit::judge(&state.world, &state.journal, self.inner.clock.now())
    }

    /// What uses an image of this account and region now, there and in the accounts that may launch it, and what of it can
    /// launch it. See [`ConsumerKind::launches`](crate::ConsumerKind::launches).
    pub fn consumers(&self, account: &str, region: &str, image: &str) -> Vec<Consumer> {
        let state = self.state();
        truth::consumers(&state.world, account, region, image, self.inner.clock.now())
    }

    /// What everything in a region of an account that can launch an image would launch now, whether that works, and
    /// whether it is encrypted.
    pub fn launches(&self, account: &str, region: &str) -> Vec<Launch> {
        let state = self.state();
        launches::launches(&state.world, account, region, self.inner.clock.now())
    }

    /// Whether an image can be launched and there is something that may launch it.
    pub fn launchable_by_somebody(&self, image: &str) -> bool {
        let state = self.state();
        let mut images = state.world.regions().filter_map(|(_, r)| r.images.get(image));
        let now = self.inner.clock.now();
        images.any(|i| truth::is_launchable(&state.world, i, now))
    }

    /// Adds a fault rule.
    pub fn add_fault(&self, rule: FaultRule) {
        self.state().faults.add(rule);
    }

    /// Removes all fault rules.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Removes the fault rules of this name.
    pub fn remove_faults(&self, name: &str) {
        self.state().faults.remove(name);
    }

    /// Changes the world from outside, as an operator of the account would.
    ///
    /// # Errors
    /// When the thing to change is not there.
    pub fn edit(&self, edit: Edit) -> Result<Value, EditError> {
        self.inner.edits.fetch_add(1, Ordering::Relaxed);
        control::apply(self, edit)
    }

    /// Changes how the simulated AWS behaves from now on.
    pub fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        let mut state = self.state();
        let before = state.settings.inspector.clone();
        change(&mut state.settings);
        state.inspector_changed(&before, self.inner.clock.now());
    }
}
