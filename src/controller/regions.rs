//! Reads which regions are enabled in accounts, where policies take all of them.
//!
//! Policies say what they ask for when they are visited. It is read beside that, so many accounts at a time, and a policy is visited again
//! where a read has come to something new.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use kube::ResourceExt as _;
use tokio::sync::Notify;

use super::Context;
use super::policy::is_made_by;
use super::registry::{jittered, lock};
use crate::api::{AMIEncryptionPolicy, AMIEncryptionPolicySpec};
use crate::aws::{Access, SessionKey};
use crate::domain::{AccountId, Region};
use crate::plan::regions::{self, RegionWatches, Source};

/// So many accounts are read at a time. Most of that is waiting for AWS.
const AT_A_TIME: usize = 64;
/// Of many reads that come to something new a policy is told once in such a time.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// What is known of the regions of policies' accounts, by the policies' names. This replica reads it while it leads.
#[derive(Debug, Default)]
pub(crate) struct Regions {
    watches: Mutex<HashMap<String, Known>>,
    /// Told when something else is asked for.
    asked: Notify,
}

#[derive(Debug, Default)]
struct Known {
    /// The policy that this is known of; another one under the same name starts anew.
    uid: String,
    is_suspended: bool,
    watches: RegionWatches,
}

impl Regions {
    /// Forgets policies that are not in `names` any more, and gives the names of those that were read.
    pub(super) fn retain(&self, names: &HashSet<String>) -> Vec<String> {
        let gone = lock(&self.watches)
            .extract_if(|name, _| !names.contains(name))
            .collect::<Vec<_>>();
        gone.into_iter().map(|(name, _)| name).collect()
    }

    /// Forgets all of them: another replica leads.
    pub(super) fn clear(&self) {
        lock(&self.watches).clear();
    }

    /// Whether a policy asks for this, and is not suspended.
    fn asks(&self, policy: &str, source: &Source) -> bool {
        let watches = lock(&self.watches);
        let known = watches.get(policy).filter(|known| !known.is_suspended);
        known.is_some_and(|known| known.watches.asks(source))
    }
}

/// A policy's spec with the regions that are known of its accounts, as if it listed them, and what is known; nothing where it takes all
/// regions of no account. `spec` has all of its accounts.
pub(super) fn resolve(
    ctx: &Context,
    policy: &AMIEncryptionPolicy,
    spec: &AMIEncryptionPolicySpec,
) -> (AMIEncryptionPolicySpec, Option<RegionWatches>) {
    let name = policy.name_any();
    let sources = regions::sources(spec, ctx.aws.own_partition());
    let all = &ctx.registry.regions;
    if sources.is_empty() {
        lock(&all.watches).remove(&name);
        ctx.metrics.regions_read(&name, None);
        return (spec.clone(), None);
    }
    let uid = policy.uid().unwrap_or_default();
    let mut watches = lock(&all.watches);
    let known = watches.entry(name.clone()).or_default();
    if known.uid != uid {
        *known = Known {
            uid,
            watches: RegionWatches::after(policy.status.as_ref()),
            ..Known::default()
        };
    }
    known.is_suspended = policy.spec.suspend;
    known
        .watches
        .ask(sources, policy.metadata.generation, || present(ctx, policy));
    let shown = (!policy.spec.suspend).then(|| known.watches.read_at());
    ctx.metrics.regions_read(&name, shown);
    let resolved = regions::resolved(spec, |account| known.watches.regions(account));
    // Reads go on meanwhile. What they come to has no targets before the next visit, and until then the status must not count it.
    let now = known.watches.clone();
    drop(watches);
    all.asked.notify_one();
    (resolved, Some(now))
}

/// The regions that a policy's targets are in, by account.
fn present(ctx: &Context, policy: &AMIEncryptionPolicy) -> BTreeMap<AccountId, BTreeSet<Region>> {
    let name = policy.name_any();
    let targets = ctx
        .targets
        .state_filter(|target| target.spec.policy == name && is_made_by(target, policy));
    let mut present: BTreeMap<AccountId, BTreeSet<Region>> = BTreeMap::new();
    for target in targets {
        let scope = (target.spec.account_id.parse(), target.spec.region.parse());
        if let (Ok(account), Ok(region)) = scope {
            present.entry(account).or_default().insert(region);
        }
    }
    present
}

/// Reads what policies ask for, for ever.
pub(super) async fn follow(context: &Context) {
    context.ready().await;
    let mut reader = Reader {
        context,
        queue: VecDeque::new(),
        busy: HashSet::new(),
        reads: FuturesUnordered::new(),
        told: BTreeSet::new(),
        told_at: Duration::ZERO,
    };
    loop {
        reader.turn().await;
    }
}

/// An account of a policy.
type Of = (String, AccountId);

struct Reader<'a> {
    context: &'a Context,
    /// What is due, the longest due first.
    queue: VecDeque<(String, Source)>,
    /// What is read now.
    busy: HashSet<Of>,
    reads: FuturesUnordered<BoxFuture<'a, (Of, bool)>>,
    /// The policies that are to be told of something new.
    told: BTreeSet<String>,
    /// When policies were told last, by the monotonic clock.
    told_at: Duration,
}

impl Reader<'_> {
    /// Begins what is due, and waits until something has come of it, more is due, or something else is asked for.
    async fn turn(&mut self) {
        let next = if self.queue.is_empty() { self.look() } else { None };
        while self.reads.len() < AT_A_TIME
            && let Some((policy, source)) = self.queue.pop_front()
        {
            self.begin(policy, source);
        }
        let next = [next, self.tell()].into_iter().flatten().min();
        let context = self.context;
        let wait = async {
            match next {
                Some(wait) => context.clock.sleep(wait).await,
                None => futures::future::pending().await,
            }
        };
        tokio::select! {
            Some((of, is_news)) = self.reads.next() => self.ended(of, is_news),
            () = context.registry.regions.asked.notified() => {
                // What is due is looked up anew: it may have been asked for by another role.
                self.queue.clear();
            }
            () = wait => {}
        }
    }

    /// Puts into the queue what is due. Gives the time until more is.
    fn look(&mut self) -> Option<Duration> {
        let (now, every) = (self.context.clock.now(), self.context.options.regions_every);
        let mut due: Vec<(Timestamp, String, Source)> = Vec::new();
        let mut next: Option<Timestamp> = None;
        let watches = lock(&self.context.registry.regions.watches);
        for (policy, known) in watches.iter().filter(|(_, known)| !known.is_suspended) {
            // A little more than that, as reads that come sooner do not count.
            let spread = |account: &AccountId, wait: Duration| {
                wait + wait.saturating_sub(jittered(wait, &format!("{policy}.{account}")))
            };
            for turn in known.watches.turns(every, spread) {
                let of = (policy.clone(), turn.source.scope.account.clone());
                if self.busy.contains(&of) {
                    continue;
                }
                if turn.due <= now {
                    due.push((turn.due, of.0, turn.source));
                } else {
                    next = Some(next.map_or(turn.due, |next| next.min(turn.due)));
                }
            }
        }
        drop(watches);
        // Of what is due at the same time the order would be that of a hash table.
        due.sort_by_cached_key(|(due, policy, source)| (*due, policy.clone(), source.scope.account.clone()));
        self.queue = due.into_iter().map(|(_, policy, source)| (policy, source)).collect();
        let next = next?;
        Some(Duration::try_from(next.duration_since(now)).unwrap_or_default())
    }

    fn begin(&mut self, policy: String, source: Source) {
        let (context, of) = (self.context, (policy.clone(), source.scope.account.clone()));
        // Since it came into the queue, another replica may lead, or the policy may be gone, suspended or another one.
        if !context.registry.regions.asks(&policy, &source) || !self.busy.insert(of.clone()) {
            return;
        }
        let read = async move {
            let is_news = Box::pin(read(context, &policy, &source)).await;
            (of, is_news)
        };
        self.reads.push(read.boxed());
    }

    fn ended(&mut self, of: Of, is_news: bool) {
        self.busy.remove(&of);
        if is_news {
            self.told.insert(of.0);
        }
    }

    /// Has policies visited again of which there is something new: now and then, and once nothing waits to be read. Gives the time until
    /// that is to be done, where it is not done yet: reads that are under way may take long.
    fn tell(&mut self) -> Option<Duration> {
        if self.told.is_empty() {
            return None;
        }
        let now = self.context.clock.monotonic();
        let wait = TOLD_EVERY.saturating_sub(now.saturating_sub(self.told_at));
        if !self.queue.is_empty() && !wait.is_zero() {
            return Some(wait);
        }
        self.told_at = now;
        for policy in std::mem::take(&mut self.told) {
            self.context.registry.wake_policy(&policy);
        }
        None
    }
}

/// Reads the regions of an account. Says whether that has come to something new.
async fn read(context: &Context, policy: &str, source: &Source) -> bool {
    let began = context.clock.now();
    let key = SessionKey {
        policy: policy.to_owned(),
        scope: source.scope.clone(),
        role_arn: source.role_arn.clone(),
        external_id: source.external_id.clone(),
        access: Access::ReadOnly,
    };
    let answer = context.aws.session(&key).enabled_regions().await;
    // Read so seldom, it is not worth keeping. What was wrong with it may be right the next time.
    context.aws.forget(&key);
    let now = context.clock.now();
    let account = &source.scope.account;
    let mut watches = lock(&context.registry.regions.watches);
    let Some(known) = watches.get_mut(policy) else {
        return false;
    };
    match answer {
        Ok(enabled) => {
            let every = context.options.regions_every;
            let outcome = known.watches.listed(source, enabled, began, every);
            for region in outcome.gone {
                tracing::info!(policy, %account, %region, "a region is no longer enabled, and leaves the policy");
            }
            if !known.is_suspended {
                context.metrics.regions_read(policy, Some(known.watches.read_at()));
            }
            outcome.is_news
        }
        Err(error) => {
            let spread = |wait| jittered(wait, &format!("{policy}.{account}"));
            let Some((failures, is_news)) = known.watches.failed(source, &error, now, spread) else {
                return false;
            };
            tracing::warn!(policy, %account, %error, failures, "could not read which regions are enabled");
            is_news
        }
    }
}
