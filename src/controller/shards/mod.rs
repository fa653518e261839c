//! The shards that this replica holds: who may work on which accounts and regions, and until when without asking.

mod lease;
mod lease_loop;

pub(crate) use lease::shard_number;

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
use crate::domain::Scope;
use crate::plan::shards::{Criteria, shard_of};

/// The shard of the policies, which belong to no account.
pub(crate) const POLICIES: u16 = 0;

/// How the shards are shared.
#[derive(Debug, Clone)]
pub struct ShardOptions {
    /// The namespace of the Leases.
    pub namespace: String,
    /// This replica's name. No two replicas that run have the same; one that is started again under its name has its
    /// shards back at once.
    pub identity: String,
    /// How long an account and region may be without anybody who works on it, in whole seconds: at least three.
    pub duration: Duration,
    /// The number of shards, the same for all replicas.
    pub shards: u16,
}

/// The shards, and which of them this replica holds right now.
///
/// A process that was stopped for longer than a Lease holds must not go on as if nothing had happened: what counts is the
/// moment of the last renewal, not that nobody has said otherwise.
pub struct Shards {
    clock: Arc<dyn Clock>,
    shards: Vec<Shard>,
    /// How the Leases are kept; none for somebody who is alone.
    leases: Option<(Client, ShardOptions)>,
    tell: UnboundedSender<Change>,
    changes: Mutex<Option<UnboundedReceiver<Change>>>,
    /// Told when a shard that is given up has no work left.
    idle: Notify,
    /// Whether the Leases were read once, if there are any.
    looked: watch::Sender<bool>,
}

impl fmt::Debug for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shards")
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Shard {
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

/// What a shard is in. From the last phase it goes back to the first when nothing is remembered of it any more.
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

/// What has happened to a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is ours.
    Gained(u16),
    /// It is not ours any more, or about to be given up: nothing works on it. What is remembered of it has to go, and then
    /// [`Shards::cleared`] be called.
    Lost(u16),
}

/// What happens to the shards, for the one who follows it.
pub(crate) struct Changes {
    shards: Arc<Shards>,
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
        for shard in 0..self.shards.count() {
            self.shards.cleared(shard);
        }
    }
}

/// Whether a visit may begin.
pub(crate) enum Entry {
    /// It has begun.
    Begun(Visit),
    /// The shard was not renewed for so long that it may be lost, or is about to be renewed after all: nothing tells when,
    /// so that it has to be asked again.
    NotNow,
    /// The shard is not held. When it is gained, its objects are to be looked at.
    NotOurs,
}

/// A visit to an object of a shard that is held. The shard is not given up before it ends.
pub(crate) struct Visit {
    shards: Arc<Shards>,
    shard: u16,
    lost: CancellationToken,
    /// Whether the shard is kept until it ends.
    keeps: bool,
}

impl Visit {
    /// Returns when the visit has to end, since the shard is not held any more.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if !self.keeps {
            return;
        }
        let mut state = self.shards.state(self.shard);
        state.visits -= 1;
        self.shards.clear_if_idle(self.shard, &mut state);
    }
}

impl Shards {
    /// Nothing is held until [`Shards::keep`] runs.
    pub fn new(client: Client, options: ShardOptions, clock: Arc<dyn Clock>) -> Arc<Self> {
        let count = options.shards.max(1);
        let options = ShardOptions {
            duration: Duration::from_secs(options.duration.as_secs().max(3)),
            shards: count,
            ..options
        };
        Arc::new(Self::with(count, Some((client, options)), clock))
    }

    /// For a controller that is alone, for sure: it holds everything for ever, without a Lease.
    pub fn alone(clock: Arc<dyn Clock>) -> Arc<Self> {
        let shards = Self::with(1, None, clock);
        shards.gain(0, Duration::MAX);
        Arc::new(shards)
    }

    fn with(count: u16, leases: Option<(Client, ShardOptions)>, clock: Arc<dyn Clock>) -> Self {
        let (tell, changes) = unbounded();
        let looked = watch::Sender::new(leases.is_none());
        Self {
            clock,
            shards: (0..count).map(|_| Shard::default()).collect(),
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

    /// Keeps this replica's share of the shards until `shutdown`, and then gives each up as soon as nothing works on it any
    /// more. Errors of the API server are logged and outlasted.
    pub async fn keep(&self, shutdown: impl Future<Output = ()> + Send) {
        match &self.leases {
            Some((client, options)) => lease_loop::keep(self, client.clone(), options, shutdown).await,
            None => shutdown.await,
        }
    }

    /// Whether this replica may change anything in an account and region right now.
    pub fn holds(&self, scope: &Scope) -> bool {
        let until = &self.shards[usize::from(self.shard_of(scope))].until;
        millis(self.clock.monotonic()) < until.load(Ordering::SeqCst)
    }

    /// The shard of an account and region.
    pub(crate) fn shard_of(&self, scope: &Scope) -> u16 {
        shard_of(scope.account.as_str(), scope.region.as_str(), self.count())
    }

    /// How many shards there are.
    pub(crate) fn count(&self) -> u16 {
        u16::try_from(self.shards.len()).unwrap_or(u16::MAX)
    }

    /// Whether this replica holds any shard right now.
    pub(crate) fn holds_any(&self) -> bool {
        let now = millis(self.clock.monotonic());
        self.shards.iter().any(|shard| now < shard.until.load(Ordering::SeqCst))
    }

    /// Begins a visit, if the shard is held and not about to be given up.
    pub(crate) fn visit(self: &Arc<Self>, shard: u16) -> Entry {
        self.enter(shard, true)
    }

    /// The same, of a visit that only reads and may take long: the shard is given up without it, and it is lost then.
    pub(crate) fn look(self: &Arc<Self>, shard: u16) -> Entry {
        self.enter(shard, false)
    }

    fn enter(self: &Arc<Self>, shard: u16, keeps: bool) -> Entry {
        let mut state = self.state(shard);
        if state.phase != Phase::Open {
            return Entry::NotOurs;
        }
        let until = self.shards[usize::from(shard)].until.load(Ordering::SeqCst);
        if millis(self.clock.monotonic()) >= until {
            return Entry::NotNow;
        }
        state.visits += usize::from(keeps);
        Entry::Begun(Visit {
            shards: self.clone(),
            shard,
            lost: state.lost.clone(),
            keeps,
        })
    }

    /// What happens to the shards. There is one who is told, and who has to call [`Shards::cleared`].
    pub(crate) fn changes(self: &Arc<Self>) -> Option<Changes> {
        let changes = lock(&self.changes).take()?;
        Some(Changes {
            shards: self.clone(),
            changes,
        })
    }

    /// Nothing is remembered of this shard any more.
    pub(crate) fn cleared(&self, shard: u16) {
        let mut state = self.state(shard);
        if state.phase == Phase::Clearing {
            state.phase = Phase::Closed;
            drop(state);
            self.idle.notify_one();
        }
    }

    // --- For the keeping of the Leases. ---

    fn terms(options: &ShardOptions) -> Criteria {
        Criteria {
            identity: options.identity.clone(),
            shards: options.shards,
            duration: options.duration,
        }
    }

    fn gain(&self, shard: u16, until: Duration) {
        let mut state = self.state(shard);
        state.phase = Phase::Open;
        state.lost = CancellationToken::new();
        self.hold(shard, until);
        drop(state);
        // Without a receiver nobody works on anything.
        let _ = self.tell.unbounded_send(Change::Gained(shard));
    }

    fn hold(&self, shard: u16, until: Duration) {
        self.shards[usize::from(shard)]
            .until
            .store(millis(until), Ordering::SeqCst);
    }

    /// Puts off the moment at which it is lost, unless work on it has ended already.
    fn extend(&self, shard: u16, until: Duration) {
        let state = self.state(shard);
        if matches!(state.phase, Phase::Open | Phase::Leaving) && !state.lost.is_cancelled() {
            self.hold(shard, until);
        }
    }

    /// Begins no visit any more.
    fn leave(&self, shard: u16) {
        let mut state = self.state(shard);
        if state.phase == Phase::Open {
            state.phase = Phase::Leaving;
            self.clear_if_idle(shard, &mut state);
        }
    }

    /// Ends all visits at once.
    fn lose(&self, shard: u16) {
        self.hold(shard, Duration::ZERO);
        self.state(shard).lost.cancel();
        self.leave(shard);
    }

    /// Whether nothing works on a shard that is not open, and nothing is remembered of it.
    fn is_idle(&self, shard: u16) -> bool {
        self.shards
            .get(usize::from(shard))
            .is_none_or(|shard| lock(&shard.state).phase == Phase::Closed)
    }

    fn clear_if_idle(&self, shard: u16, state: &mut State) {
        if state.phase == Phase::Leaving && state.visits == 0 {
            let is_followed = self.tell.unbounded_send(Change::Lost(shard)).is_ok();
            state.phase = if is_followed { Phase::Clearing } else { Phase::Closed };
            // For those who look only.
            state.lost.cancel();
            self.idle.notify_one();
        }
    }

    fn state(&self, shard: u16) -> MutexGuard<'_, State> {
        lock(&self.shards[usize::from(shard)].state)
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

        fn to_real_time(&self, duration: Duration) -> Duration {
            duration
        }
    }

    fn scope(region: &str) -> Scope {
        Scope::parse("111122223333", region).expect("a scope")
    }

    fn shards(clock: &Arc<Put>) -> (Arc<Shards>, u16) {
        let shards = Arc::new(Shards::with(16, None, clock.clone()));
        let shard = shards.shard_of(&scope("eu-west-1"));
        (shards, shard)
    }

    fn begun(shards: &Arc<Shards>, shard: u16) -> Visit {
        match shards.visit(shard) {
            Entry::Begun(visit) => visit,
            Entry::NotNow | Entry::NotOurs => panic!("shard {shard} is held"),
        }
    }

    #[test]
    fn a_shard_is_held_until_its_moment_and_asked_for_again_after_it() {
        let clock = Arc::<Put>::default();
        let (shards, shard) = shards(&clock);
        assert!(matches!(shards.visit(shard), Entry::NotOurs));
        shards.gain(shard, Duration::from_secs(10));
        assert!(shards.holds(&scope("eu-west-1")) && !shards.holds(&scope("eu-west-2")));
        drop(begun(&shards, shard));
        clock.0.store(10_000, Ordering::SeqCst);
        assert!(!shards.holds(&scope("eu-west-1")));
        assert!(
            matches!(shards.visit(shard), Entry::NotNow),
            "it may be renewed after all"
        );
        shards.extend(shard, Duration::from_secs(20));
        assert!(shards.holds(&scope("eu-west-1")));
        drop(begun(&shards, shard));
    }

    #[tokio::test]
    async fn a_shard_is_given_up_when_its_visits_have_ended_and_nothing_is_remembered() {
        let clock = Arc::<Put>::default();
        let (shards, shard) = shards(&clock);
        let mut changes = shards.changes().expect("the first to follow");
        assert!(shards.changes().is_none(), "there is one who follows");
        shards.gain(shard, Duration::from_secs(10));
        assert_eq!(changes.next().await, Some(Change::Gained(shard)));
        let visit = begun(&shards, shard);
        shards.leave(shard);
        assert!(matches!(shards.visit(shard), Entry::NotOurs), "no other visit begins");
        assert!(
            shards.holds(&scope("eu-west-1")),
            "the one that has begun may be finished"
        );
        assert!(!shards.is_idle(shard));
        drop(visit);
        assert_eq!(changes.next().await, Some(Change::Lost(shard)));
        assert!(!shards.is_idle(shard));
        shards.cleared(shard);
        assert!(shards.is_idle(shard));
    }

    #[tokio::test]
    async fn a_shard_that_is_lost_ends_its_visits_and_is_not_revived_by_a_late_renewal() {
        let clock = Arc::<Put>::default();
        let (shards, shard) = shards(&clock);
        shards.gain(shard, Duration::from_secs(10));
        let visit = begun(&shards, shard);
        shards.lose(shard);
        visit.lost().await;
        shards.extend(shard, Duration::from_secs(20));
        assert!(!shards.holds(&scope("eu-west-1")));
        drop(visit);
        // Nobody follows any more: nothing is remembered.
        drop(shards.changes());
        assert!(shards.is_idle(shard));
        shards.gain(shard, Duration::from_secs(20));
        assert!(shards.holds(&scope("eu-west-1")), "another time");
    }
}
