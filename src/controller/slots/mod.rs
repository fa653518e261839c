//! The slots that this replica holds: who may work on which accounts and regions, and until when without asking.

mod keep;
mod lease;

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::Client;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::plan::slots::{Terms, slot_of};

/// The slot of the policies, which belong to no account.
pub(crate) const POLICIES: u16 = 0;

/// How the slots are shared.
#[derive(Debug, Clone)]
pub struct SlotOptions {
    /// The namespace of the Leases.
    pub namespace: String,
    /// This replica's name. No two replicas that run have the same; one that is started again under its name has its
    /// slots back at once.
    pub identity: String,
    /// How long an account and region may be without anybody who works on it, in whole seconds: at least three.
    pub duration: Duration,
    /// The number of slots, the same for all replicas.
    pub slots: u16,
}

/// The slots, and which of them this replica holds right now.
///
/// A process that was stopped for longer than a Lease holds must not go on as if nothing had happened: what counts is the
/// moment of the last renewal, not that nobody has said otherwise.
pub struct Slots {
    clock: Arc<dyn Clock>,
    slots: Vec<Slot>,
    /// How the Leases are kept; none for somebody who is alone.
    leases: Option<(Client, SlotOptions)>,
    tell: UnboundedSender<Change>,
    changes: Mutex<Option<UnboundedReceiver<Change>>>,
    /// Told when a slot that is given up has no work left.
    idle: Notify,
    /// Whether the Leases were read once, if there are any.
    looked: watch::Sender<bool>,
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots")
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Slot {
    /// Milliseconds of the monotonic clock until which it is held; 0 means that it is not.
    until: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    /// How many visits are under way.
    visits: usize,
    /// Ends them.
    lost: CancellationToken,
}

/// What a slot is in. From the last phase it goes back to the first when nothing is remembered of it any more.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Closed,
    Open,
    /// No visit is begun any more.
    Leaving,
    /// No visit is under way.
    Clearing,
}

/// What has happened to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is ours.
    Gained(u16),
    /// It is not ours any more, or about to be given up: nothing works on it. What is remembered of it has to go, and then
    /// [`Slots::cleared`] be called.
    Lost(u16),
}

/// What happens to the slots, for the one who follows it.
pub(crate) struct Changes {
    slots: Arc<Slots>,
    changes: UnboundedReceiver<Change>,
}

impl Changes {
    pub(crate) async fn next(&mut self) -> Option<Change> {
        self.changes.next().await
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.changes.close();
        // Nobody remembers anything any more.
        for slot in 0..self.slots.count() {
            self.slots.cleared(slot);
        }
    }
}

/// Whether a visit may begin.
pub(crate) enum Entry {
    /// It has begun.
    Begun(Visit),
    /// The slot was not renewed for so long that it may be lost, or is about to be renewed after all: nothing tells when,
    /// so that it has to be asked again.
    NotNow,
    /// The slot is not held. When it is gained, its objects are to be looked at.
    NotOurs,
}

/// A visit to an object of a slot that is held. The slot is not given up before it ends.
pub(crate) struct Visit {
    slots: Arc<Slots>,
    slot: u16,
    lost: CancellationToken,
}

impl Visit {
    /// Returns when the visit has to end, since the slot is not held any more.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut state = self.slots.state(self.slot);
        state.visits -= 1;
        self.slots.clear_if_idle(self.slot, &mut state);
    }
}

impl Slots {
    /// Nothing is held until [`Slots::keep`] runs.
    pub fn new(client: Client, options: SlotOptions, clock: Arc<dyn Clock>) -> Arc<Self> {
        let count = options.slots.max(1);
        let options = SlotOptions {
            duration: Duration::from_secs(options.duration.as_secs().max(3)),
            slots: count,
            ..options
        };
        Arc::new(Self::with(count, Some((client, options)), clock))
    }

    /// For a controller that is alone, for sure: it holds everything for ever, without a Lease.
    pub fn alone(clock: Arc<dyn Clock>) -> Arc<Self> {
        let slots = Self::with(1, None, clock);
        slots.gain(0, Duration::MAX);
        Arc::new(slots)
    }

    fn with(count: u16, leases: Option<(Client, SlotOptions)>, clock: Arc<dyn Clock>) -> Self {
        let (tell, changes) = unbounded();
        let looked = watch::Sender::new(leases.is_none());
        Self {
            clock,
            slots: (0..count).map(|_| Slot::default()).collect(),
            leases,
            tell,
            changes: Mutex::new(Some(changes)),
            idle: Notify::new(),
            looked,
        }
    }

    /// Waits until the Leases were read once: whose they are is another matter.
    pub(crate) async fn looked(&self) {
        // The sender is ours.
        let _ = self.looked.subscribe().wait_for(|looked| *looked).await;
    }

    /// Keeps this replica's share of the slots until `shutdown`, and then gives each up as soon as nothing works on it any
    /// more. Errors of the API server are logged and outlasted.
    pub async fn keep(&self, shutdown: impl Future<Output = ()> + Send) {
        match &self.leases {
            Some((client, options)) => keep::keep(self, client.clone(), options, shutdown).await,
            None => shutdown.await,
        }
    }

    /// Whether this replica may change anything in an account and region right now.
    pub fn holds(&self, account: &str, region: &str) -> bool {
        let until = &self.slots[usize::from(self.slot_of(account, region))].until;
        millis(self.clock.monotonic()) < until.load(Ordering::SeqCst)
    }

    /// The slot of an account and region.
    pub(crate) fn slot_of(&self, account: &str, region: &str) -> u16 {
        slot_of(account, region, self.count())
    }

    /// How many slots there are.
    pub(crate) fn count(&self) -> u16 {
        u16::try_from(self.slots.len()).unwrap_or(u16::MAX)
    }

    /// Begins a visit, if the slot is held and not about to be given up.
    pub(crate) fn visit(self: &Arc<Self>, slot: u16) -> Entry {
        let mut state = self.state(slot);
        if state.phase != Phase::Open {
            return Entry::NotOurs;
        }
        let until = self.slots[usize::from(slot)].until.load(Ordering::SeqCst);
        if millis(self.clock.monotonic()) >= until {
            return Entry::NotNow;
        }
        state.visits += 1;
        Entry::Begun(Visit {
            slots: self.clone(),
            slot,
            lost: state.lost.clone(),
        })
    }

    /// What happens to the slots. There is one who is told, and who has to call [`Slots::cleared`].
    pub(crate) fn changes(self: &Arc<Self>) -> Option<Changes> {
        let changes = lock(&self.changes).take()?;
        Some(Changes {
            slots: self.clone(),
            changes,
        })
    }

    /// Nothing is remembered of this slot any more.
    pub(crate) fn cleared(&self, slot: u16) {
        let mut state = self.state(slot);
        if state.phase == Phase::Clearing {
            state.phase = Phase::Closed;
            drop(state);
            self.idle.notify_one();
        }
    }

    // --- For the keeping of the Leases. ---

    fn terms(options: &SlotOptions) -> Terms {
        Terms {
            identity: options.identity.clone(),
            slots: options.slots,
            duration: options.duration,
        }
    }

    fn gain(&self, slot: u16, until: Duration) {
        let mut state = self.state(slot);
        state.phase = Phase::Open;
        state.lost = CancellationToken::new();
        self.hold(slot, until);
        drop(state);
        // Without a receiver nobody works on anything.
        let _ = self.tell.unbounded_send(Change::Gained(slot));
    }

    fn hold(&self, slot: u16, until: Duration) {
        self.slots[usize::from(slot)]
            .until
            .store(millis(until), Ordering::SeqCst);
    }

    /// Puts off the moment at which it is lost, unless work on it has ended already.
    fn extend(&self, slot: u16, until: Duration) {
        let state = self.state(slot);
        if matches!(state.phase, Phase::Open | Phase::Leaving) && !state.lost.is_cancelled() {
            self.hold(slot, until);
        }
    }

    /// Begins no visit any more.
    fn leave(&self, slot: u16) {
        let mut state = self.state(slot);
        if state.phase == Phase::Open {
            state.phase = Phase::Leaving;
            self.clear_if_idle(slot, &mut state);
        }
    }

    /// Ends all visits at once.
    fn lose(&self, slot: u16) {
        self.hold(slot, Duration::ZERO);
        self.state(slot).lost.cancel();
        self.leave(slot);
    }

    /// Whether nothing works on a slot that is not open, and nothing is remembered of it.
    fn is_idle(&self, slot: u16) -> bool {
        self.slots
            .get(usize::from(slot))
            .is_none_or(|slot| lock(&slot.state).phase == Phase::Closed)
    }

    fn clear_if_idle(&self, slot: u16, state: &mut State) {
        if state.phase == Phase::Leaving && state.visits == 0 {
            let is_followed = self.tell.unbounded_send(Change::Lost(slot)).is_ok();
            state.phase = if is_followed { Phase::Clearing } else { Phase::Closed };
            self.idle.notify_one();
        }
    }

    fn state(&self, slot: u16) -> MutexGuard<'_, State> {
        lock(&self.slots[usize::from(slot)].state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The state is whole after every statement, so a panic elsewhere leaves it sound.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;
    use jiff::Timestamp;

    use super::*;

    /// A clock that stands where it is put.
    #[derive(Debug, Default)]
    struct Put(AtomicU64);

    impl Clock for Put {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::SeqCst))
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }

        fn wall(&self, duration: Duration) -> Duration {
            duration
        }
    }

    const ACCOUNT: &str = "111122223333";
    const REGION: &str = "eu-west-1";

    fn slots(clock: &Arc<Put>) -> (Arc<Slots>, u16) {
        let slots = Arc::new(Slots::with(16, None, clock.clone()));
        let slot = slots.slot_of(ACCOUNT, REGION);
        (slots, slot)
    }

    fn begun(slots: &Arc<Slots>, slot: u16) -> Visit {
        match slots.visit(slot) {
            Entry::Begun(visit) => visit,
            Entry::NotNow | Entry::NotOurs => panic!("slot {slot} is held"),
        }
    }

    #[test]
    fn a_slot_is_held_until_its_moment_and_asked_for_again_after_it() {
        let clock = Arc::<Put>::default();
        let (slots, slot) = slots(&clock);
        assert!(matches!(slots.visit(slot), Entry::NotOurs));
        slots.gain(slot, Duration::from_secs(10));
        assert!(slots.holds(ACCOUNT, REGION) && !slots.holds(ACCOUNT, "eu-west-2"));
        drop(begun(&slots, slot));
        clock.0.store(10_000, Ordering::SeqCst);
        assert!(!slots.holds(ACCOUNT, REGION));
        assert!(
            matches!(slots.visit(slot), Entry::NotNow),
            "it may be renewed after all"
        );
        slots.extend(slot, Duration::from_secs(20));
        assert!(slots.holds(ACCOUNT, REGION));
        drop(begun(&slots, slot));
    }

    #[tokio::test]
    async fn a_slot_is_given_up_when_its_visits_have_ended_and_nothing_is_remembered() {
        let clock = Arc::<Put>::default();
        let (slots, slot) = slots(&clock);
        let mut changes = slots.changes().expect("the first to follow");
        assert!(slots.changes().is_none(), "there is one who follows");
        slots.gain(slot, Duration::from_secs(10));
        assert_eq!(changes.next().await, Some(Change::Gained(slot)));
        let visit = begun(&slots, slot);
        slots.leave(slot);
        assert!(matches!(slots.visit(slot), Entry::NotOurs), "no other visit begins");
        assert!(slots.holds(ACCOUNT, REGION), "the one that has begun may be finished");
        assert!(!slots.is_idle(slot));
        drop(visit);
        assert_eq!(changes.next().await, Some(Change::Lost(slot)));
        assert!(!slots.is_idle(slot));
        slots.cleared(slot);
        assert!(slots.is_idle(slot));
    }

    #[tokio::test]
    async fn a_slot_that_is_lost_ends_its_visits_and_is_not_revived_by_a_late_renewal() {
        let clock = Arc::<Put>::default();
        let (slots, slot) = slots(&clock);
        slots.gain(slot, Duration::from_secs(10));
        let visit = begun(&slots, slot);
        slots.lose(slot);
        visit.lost().await;
        slots.extend(slot, Duration::from_secs(20));
        assert!(!slots.holds(ACCOUNT, REGION));
        drop(visit);
        // Nobody follows any more: nothing is remembered.
        drop(slots.changes());
        assert!(slots.is_idle(slot));
        slots.gain(slot, Duration::from_secs(20));
        assert!(slots.holds(ACCOUNT, REGION), "another time");
    }
}
