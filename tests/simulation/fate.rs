//! What befalls the process: at which of its calls it dies. A dead process makes no further call, and hears no answer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Whom a call is made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Side {
    /// EC2, KMS and STS.
    Aws,
    /// The API server.
    Kubernetes,
}

/// A moment in a history: before or after the effect of the call of this number, from 1, to this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Moment {
    pub(crate) side: Side,
    pub(crate) number: u64,
    pub(crate) after: bool,
}

/// What becomes of the process at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lot {
    /// It goes on.
    Lives,
    /// It dies before the call has an effect, or was dead already.
    DiesBefore,
    /// It dies when the call has had its effect.
    DiesAfter,
}

/// The processes of a history, one after the other, and what ends each.
#[derive(Debug)]
pub(crate) struct Fate {
    state: Mutex<State>,
    dead: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    crashes: BTreeSet<Moment>,
    calls: [u64; 2],
    dead: u64,
}

impl Fate {
    pub(crate) fn new(crashes: impl IntoIterator<Item = Moment>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                crashes: crashes.into_iter().collect(),
                calls: [0; 2],
                dead: 0,
            }),
            dead: watch::channel(0).0,
        })
    }

    /// How many processes have died.
    pub(crate) fn dead(&self) -> watch::Receiver<u64> {
        self.dead.subscribe()
    }

    /// How many calls were made to this side.
    pub(crate) fn calls(&self, side: Side) -> u64 {
        self.lock().calls[side as usize]
    }

    /// Counts a call of this process, the first of which is 0, and says what becomes of it. The number is that of the call.
    pub(crate) fn arrive(&self, side: Side, process: u64) -> (u64, Lot) {
        let mut state = self.lock();
        if state.dead > process {
            return (0, Lot::DiesBefore);
        }
        state.calls[side as usize] += 1;
        let number = state.calls[side as usize];
        let mut dies = |after| state.crashes.remove(&Moment { side, number, after });
        let lot = if dies(false) {
            Lot::DiesBefore
        } else if dies(true) {
            Lot::DiesAfter
        } else {
            return (number, Lot::Lives);
        };
        state.dead = process + 1;
        drop(state);
        self.dead.send_replace(process + 1);
        (number, lot)
    }

    /// No process dies any more.
    pub(crate) fn calm(&self) {
        self.lock().crashes.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
