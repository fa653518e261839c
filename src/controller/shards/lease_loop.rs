//! Keeping the Leases: looks at them, asks [`Keeper`] what to write, and writes it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{self, Either, join_all};
use futures::pin_mut;
use kube::Client;

use super::lease::Leases;
use super::{ShardOptions, Shards};
use crate::clock::Clock;
use crate::controller::answers::is_unreachable;
use crate::plan::shards::{Keeper, Name, Outcome, Planned, Write, Written, look_every, request_timeout};

/// How long the visits to a shard that is given up may go on: a call to AWS takes as long, with all its attempts.
const LEAVES_WITHIN: Duration = Duration::from_secs(30);

struct Keeping<'a> {
    shards: &'a Shards,
    clock: &'a dyn Clock,
    keeper: Keeper,
    leases: Leases,
    namespace: &'a str,
    duration: Duration,
    /// Shards that are given up, and until when their visits may go on.
    leaving: BTreeMap<u16, Duration>,
    /// Not to be looked before then.
    rests: Duration,
    contradicted: Option<u16>,
    /// Whether requests for Leases are not answered, which is said once.
    is_unanswered: AtomicBool,
    /// Whether nothing came back when the Leases were last looked at. That is said once, and what follows from it is not.
    is_unreachable: bool,
}

pub(super) async fn keep(
    shards: &Shards,
    client: Client,
    options: &ShardOptions,
    shutdown: impl Future<Output = ()> + Send,
) {
    let terms = Shards::terms(options);
    let mut keeping = Keeping {
        shards,
        clock: &*shards.clock,
        keeper: Keeper::new(terms.clone()),
        leases: Leases::new(client, &options.namespace, terms),
        namespace: &options.namespace,
        duration: options.duration,
        leaving: BTreeMap::new(),
        rests: Duration::ZERO,
        contradicted: None,
        is_unanswered: AtomicBool::new(false),
        is_unreachable: false,
    };
    let mut shutdown = Either::Left(Box::pin(shutdown));
    loop {
        let next = keeping.turn().await;
        if keeping.keeper.has_retired() {
            return;
        }
        let wait = next.saturating_sub(keeping.clock.monotonic());
        tokio::select! {
            () = keeping.clock.sleep(wait) => {}
            () = shards.idle.notified() => {}
            () = &mut shutdown => {
                keeping.keeper.retire();
                shutdown = Either::Right(future::pending());
            }
        }
    }
}

impl Keeping<'_> {
    /// Looks at the Leases if that is due, does what is to be done, and says when there is more.
    async fn turn(&mut self) -> Duration {
        let now = self.clock.monotonic();
        let was_unreachable = self.is_unreachable;
        if now >= self.keeper.look_due().max(self.rests) && !self.keeper.has_retired() {
            self.look().await;
        }
        let now = self.clock.monotonic();
        let planned = self.keeper.plan(now, |shard| self.shards.is_idle(shard));
        self.tell(&planned);
        tell_lost(&planned.lost, was_unreachable || self.is_unreachable);
        for shard in &planned.lost {
            self.shards.lose(*shard);
            self.leaving.remove(shard);
        }
        for shard in &planned.leaving {
            tracing::info!(shard, "releasing a shard");
            self.shards.leave(*shard);
            self.leaving.insert(*shard, now + LEAVES_WITHIN);
        }
        for write in planned.writes.iter().filter(|write| write.what == Written::GivenUp) {
            if let Name::Shard(shard) = write.lease {
                // Before it is sent: another may have it from then on, whatever the answer.
                self.shards.hold(shard, Duration::ZERO);
            }
        }
        self.write(planned.writes).await;
        let now = self.clock.monotonic();
        for (shard, until) in &self.leaving {
            if now >= *until {
                self.shards.lose(*shard);
            }
        }
        let ends = self.leaving.values().filter(|until| **until > now).min();
        let next = planned.next.min(self.keeper.look_due()).max(self.rests);
        ends.map_or(next, |ends| next.min(*ends))
    }

    async fn look(&mut self) {
        let sent = self.clock.monotonic();
        let answer = self.in_time(self.leases.list()).await;
        let answered = self.clock.monotonic();
        self.is_unreachable = answer
            .as_ref()
            .is_none_or(|answer| answer.as_ref().is_err_and(is_unreachable));
        match answer {
            Some(Ok(list)) => {
                if self.is_unanswered.swap(false, Ordering::Relaxed) {
                    tracing::info!(
                        namespace = self.namespace,
                        "the API server answers reads of Leases again"
                    );
                }
                self.shards.looked.send_replace(true);
                let list = self.leases.note(list);
                self.keeper.looked(list, sent, answered);
                // After a lost race it is looked again soon, but not without end.
                self.rests = answered + look_every(self.duration) / 10;
            }
            Some(Err(error)) if is_unreachable(&error) => {
                tracing::debug!(namespace = self.namespace, %error, "could not read the Leases");
                self.rests = answered + look_every(self.duration);
            }
            Some(Err(error)) => {
                let namespace = self.namespace;
                tracing::warn!(
                    namespace,
                    %error,
                    "could not read the Leases; list, create, update and delete have to be allowed"
                );
                self.rests = answered + look_every(self.duration);
            }
            None => {
                self.unanswered("the API server does not answer what Leases there are");
                self.rests = answered + look_every(self.duration);
            }
        }
    }

    async fn write(&mut self, writes: Vec<Write>) {
        let people = self.clock.now();
        let sent = self.clock.monotonic();
        let this = &*self;
        let answers = join_all(writes.into_iter().map(|write| async move {
            let answer = this.in_time(this.leases.write(&write, people)).await;
            (write, answer, this.clock.monotonic())
        }));
        let answers = answers.await;
        let mut gained = Vec::new();
        for (write, answer, answered) in answers {
            let (outcome, lease) = answer.unwrap_or_else(|| {
                self.unanswered("the API server does not answer a write of a Lease");
                (Outcome::Unknown, None)
            });
            let done = matches!(outcome, Outcome::Done(_));
            if done {
                self.leases.wrote(&write.lease, lease);
            }
            if outcome == Outcome::Unknown {
                self.rests = answered + look_every(self.duration);
            }
            let is_new = self.keeper.answered(&write, outcome, sent, answered);
            let Name::Shard(shard) = write.lease else { continue };
            if write.what == Written::GivenUp && done {
                self.leaving.remove(&shard);
            }
            if let Some(until) = self.keeper.until(shard) {
                if is_new {
                    self.shards.gain(shard, until);
                    gained.push(shard);
                } else {
                    self.shards.extend(shard, until);
                }
            }
        }
        if !gained.is_empty() {
            tracing::info!(shards = ?gained, "acquired shards");
        }
    }

    /// Says once that requests are not answered.
    fn unanswered(&self, message: &str) {
        if !self.is_unanswered.swap(true, Ordering::Relaxed) {
            tracing::warn!(namespace = self.namespace, "{message}");
        }
    }

    /// Says once what people should know.
    fn tell(&mut self, planned: &Planned) {
        if self.contradicted == planned.contradicted {
            return;
        }
        self.contradicted = planned.contradicted;
        match planned.contradicted {
            Some(theirs) => tracing::warn!(
                ours = self.shards.count(),
                theirs,
                "another replica runs with a different --shards: replicas without shards take none until it stops; start all with the same value"
            ),
            None => tracing::info!("all replicas have the same number of shards"),
        }
    }

    /// An answer, if it comes soon enough to be of use.
    async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        let late = self.clock.sleep(request_timeout(self.duration));
        pin_mut!(answer);
        match future::select(answer, late).await {
            Either::Left((answer, _)) => Some(answer),
            Either::Right(_) => None,
        }
    }
}

/// Says which shards were lost. In an outage each is lost at its own moment, and the outage is said by itself.
fn tell_lost(lost: &[u16], is_outage: bool) {
    if lost.is_empty() {
        return;
    }
    if is_outage {
        tracing::debug!(shards = ?lost, "lost shards: their Leases were not renewed in time");
    } else {
        tracing::warn!(shards = ?lost, "lost shards: their Leases were not renewed in time");
    }
}
