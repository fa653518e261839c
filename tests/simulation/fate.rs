//! What befalls whom: counts the calls, says which faults strike at each, and which processes are alive.
//!
//! A dead process makes no further call, and hears no answer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::branch;
use super::catalogue::Fault;
use super::plan::Strike;

/// What is counted, each from 1, by all processes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Side {
    /// Calls to EC2, KMS and STS.
    Aws,
    /// Calls to copy, dry runs left out.
    Copies,
    /// Requests to the API server.
    Kubernetes,
    /// Those that write.
    Writes,
    /// Events that the API server is about to send to a watch.
    Events,
}

impl Side {
    /// How many there are.
    pub(crate) const COUNT: usize = 5;
}

/// Where other histories part from one, each struck there by what this one is not.
///
/// Nothing of this takes or gives back memory: where things are in memory decides what comes first of what happens at the same
/// time, and a history that has parted is to be the one that it would be alone.
#[derive(Debug)]
struct Branches {
    all: Arc<[Strike]>,
    /// How many have parted.
    parted: usize,
    /// By which of them this history has parted from another.
    own: Option<Strike>,
}

/// So many strikes find room without more memory.
const STRIKES: usize = 16;

/// The processes of a history, and what is to strike them.
#[derive(Debug)]
pub(crate) struct Fate {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    strikes: Vec<Strike>,
    branches: Branches,
    calls: [u64; Side::COUNT],
    struck: usize,
    /// When the last one did.
    struck_at: Option<Instant>,
    /// The number of the next process.
    next: u64,
    alive: BTreeSet<u64>,
    /// A process that hangs, and until when.
    paused: Option<(u64, Instant)>,
}

impl Fate {
    pub(crate) fn new(strikes: &[Strike], branches: Arc<[Strike]>) -> Arc<Self> {
        let mut room = Vec::with_capacity(STRIKES);
        room.extend_from_slice(strikes);
        Arc::new(Self {
            state: Mutex::new(State {
                strikes: room,
                branches: Branches {
                    all: branches,
                    parted: 0,
                    own: None,
                },
                calls: [0; Side::COUNT],
                struck: 0,
                struck_at: None,
                next: 0,
                alive: BTreeSet::new(),
                paused: None,
            }),
            changed: watch::channel(()).0,
        })
    }

    /// A process starts.
    pub(crate) fn begin(&self) -> u64 {
        let mut state = self.lock();
        let process = state.next;
        state.next += 1;
        state.alive.insert(process);
        process
    }

    /// A process ends at once.
    pub(crate) fn kill(&self, process: u64) {
        self.lock().alive.remove(&process);
        self.changed.send_replace(());
    }

    pub(crate) fn is_alive(&self, process: u64) -> bool {
        self.lock().alive.contains(&process)
    }

    /// Returns when a process is no more.
    pub(crate) async fn death(&self, process: u64) {
        let mut changed = self.changed.subscribe();
        while self.is_alive(process) {
            // The sender is ours.
            let _ = changed.changed().await;
        }
    }

    /// Counts what this process does, and says what strikes it: nothing comes of what a dead one does.
    pub(crate) fn arrive(&self, sides: &[Side], process: u64) -> Option<Vec<Fault>> {
        let mut state = self.lock();
        if !state.alive.contains(&process) {
            return None;
        }
        let mut faults = Vec::new();
        for side in sides {
            state.calls[*side as usize] += 1;
            let number = state.calls[*side as usize];
            let strikes = |strike: &Strike| strike.at == number && strike.fault.side() == *side;
            state.part(strikes);
            faults.extend(state.strikes.iter().filter(|strike| strikes(strike)).map(|s| s.fault));
            state.strikes.retain(|strike| !strikes(strike));
        }
        state.struck += faults.len();
        if !faults.is_empty() {
            state.struck_at = Some(Instant::now());
        }
        Some(faults)
    }

    /// How many there were so far.
    pub(crate) fn calls(&self) -> [u64; Side::COUNT] {
        self.lock().calls
    }

    /// How many strikes have struck.
    pub(crate) fn struck(&self) -> usize {
        self.lock().struck
    }

    /// When the last strike struck.
    pub(crate) fn struck_at(&self) -> Option<Instant> {
        self.lock().struck_at
    }

    /// Lets the next one of this side be struck as well.
    pub(crate) fn strike_next(&self, fault: Fault) {
        let mut state = self.lock();
        let at = state.calls[fault.side() as usize] + 1;
        state.strikes.push(Strike { fault, at });
    }

    /// Nothing that this process sends arrives for so long.
    pub(crate) fn pause(&self, process: u64, lasting: Duration) {
        self.lock().paused = Some((process, Instant::now() + lasting));
    }

    /// How long what this process sends is held up.
    pub(crate) fn held_up(&self, process: u64) -> Duration {
        let paused = self.lock().paused.filter(|(one, _)| *one == process);
        paused.map_or(Duration::ZERO, |(_, until)| {
            until.saturating_duration_since(Instant::now())
        })
    }

    /// Whether all strikes have struck, and at most one process is left.
    pub(crate) fn is_over(&self) -> bool {
        self.is_alone() && self.lock().strikes.is_empty()
    }

    /// Whether at most one process is left, and does not hang.
    pub(crate) fn is_alone(&self) -> bool {
        let state = self.lock();
        let paused = state.paused.is_some_and(|(_, until)| until > Instant::now());
        state.alive.len() <= 1 && !paused
    }

    /// Nothing strikes any more.
    pub(crate) fn calm(&self) {
        let mut state = self.lock();
        state.strikes.clear();
        state.paused = None;
    }

    /// What has struck this history and not the one that it has parted from.
    pub(crate) fn branch(&self) -> Option<Strike> {
        self.lock().branches.own
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets the histories part that are struck now.
    fn part(&mut self, now: impl Fn(&Strike) -> bool) {
        let all = self.branches.all.clone();
        for strike in all.iter().copied().filter(now) {
            if self.branches.own.is_some() {
                return;
            }
            self.branches.parted += 1;
            if branch::part() {
                self.branches.own = Some(strike);
                self.strikes.push(strike);
            } else if self.branches.parted == all.len() {
                // What would become of this history is not asked for.
                std::process::exit(0);
            }
        }
    }
}
