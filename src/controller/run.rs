//! Runs the controllers over one watch for each kind.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::future::{FutureExt, Shared};
use futures::{StreamExt, future, stream};
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::answers::{Pulse, is_unreachable};
use super::events::Events;
use super::failures::Failures;
use super::followers::Followers;
use super::handover::{follow, shard_of};
use super::index::{Index, Scoped};
use super::maps::Maps;
use super::objects::ObjectReader;
use super::registry::{Registry, Wakes};
use super::shards::{Entry, POLICIES, Shards};
use super::watched::{Listed, Seen, Watched};
use super::{Context, Parts, forget, hints, migrations, policy, regions, targets, usage};
use crate::api::{AMIEncryptionPolicy, AMIEncryptionTarget, AMIMigration};
use crate::clock::Clock;
use crate::domain::{Cause, Scope};
use crate::telemetry::{Health, Metrics};

/// The first and the longest wait after a failed visit.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(300));

/// How long to wait for the watch to show our own last write, if it does not lead here by itself.
const CATCH_UP: Duration = Duration::from_secs(1);

/// Runs the controllers until `shutdown`; then every visit that has begun is finished.
pub async fn run(parts: Parts, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    let changes = parts.shards.changes();
    let changes = changes.ok_or_else(|| anyhow::anyhow!("the shards are followed already: each process runs once"))?;
    let health = parts.health.clone();
    let pulses = pulses(&parts.metrics, &parts.clock, parts.options.watching.silent_after);
    let (registry, wakes) = Registry::new();
    let (targets_by_scope, migrations_by_scope) = (Arc::<Index<_>>::default(), Arc::<Index<_>>::default());
    let failures = Arc::<Failures>::default();
    let maps = Arc::new(Maps::new(registry.policy_waker()));
    let followers = Arc::new(Followers::new(targets_by_scope.clone(), &registry));
    let free = freeing(&targets_by_scope, &registry);
    let lasts = parts.options.watching.lasts;
    let [of_policies, of_targets, of_migrations] = pulses.each_ref().map(|pulse| (pulse, lasts));
    let watched = Watches {
        policies: Watched::new(&parts.client, of_policies, |_| {}),
        targets: Watched::new(&parts.client, of_targets, {
            let note = noting(targets_by_scope.clone(), free.clone());
            let hear = hearing(registry.hearer(parts.clock.clone()));
            move |seen| {
                note(seen);
                hear(seen);
            }
        }),
        migrations: Watched::new(&parts.client, of_migrations, {
            let note = noting(migrations_by_scope.clone(), free);
            let (failures, maps, followers) = (failures.clone(), maps.clone(), followers.clone());
            move |seen| {
                note(seen);
                failures.note(seen);
                maps.note(seen);
                followers.note(seen);
            }
        }),
    };
    let objects = parts.options.objects.clone();
    let context = Arc::new(Context {
        objects: ObjectReader::new(parts.client.clone(), parts.clock.clone(), objects),
        client: parts.client.clone(),
        aws: Arc::new(parts.aws),
        clock: parts.clock,
        shards: parts.shards,
        metrics: parts.metrics,
        options: parts.options,
        registry,
        events: Events::new(parts.client, parts.instance),
        policies: watched.policies.store.clone(),
        targets: watched.targets.store.clone(),
        targets_by_scope,
        migrations: watched.migrations.store.clone(),
        migrations_by_scope,
        failures,
        followers,
        maps,
        listed: watched.listed(),
    });
    guard(&context, &pulses, &health);
    tokio::select! {
        () = watched.drive(wakes, &context, shutdown.boxed().shared()) => {}
        () = forget::sweep(&context) => {}
        () = announce(&context, &pulses, &health) => {}
        () = follow(&context, changes) => {}
        () = Box::pin(hints::follow(&context)) => {}
        () = Box::pin(regions::follow(&context)) => {}
    }
    Ok(())
}

/// The watches of the three kinds.
struct Watches {
    policies: Watched<AMIEncryptionPolicy>,
    targets: Watched<AMIEncryptionTarget>,
    migrations: Watched<AMIMigration>,
}

impl Watches {
    fn listed(&self) -> [Listed; 3] {
        [
            self.policies.listed.clone(),
            self.targets.listed.clone(),
            self.migrations.listed.clone(),
        ]
    }

    /// Runs a controller for each kind, until `shutdown` and until what they have begun is finished.
    async fn drive(self, wakes: Wakes, context: &Arc<Context>, shutdown: Shared<future::BoxFuture<'static, ()>>) {
        let Self {
            policies,
            targets,
            migrations,
        } = self;
        // Nobody owns policies, and what nobody takes out of a channel would stay in it: each policy as it was after every change.
        drop(policies.children);
        let config = |concurrency| Config::default().concurrency(concurrency);
        let options = &context.options;
        let policy_controller = Controller::for_shared_stream(policies.changes, policies.store)
            .owns_shared_stream(targets.children)
            .reconcile_on(wakes.policies)
            .with_config(config(options.concurrency));
        // Nothing but targets that were scanned leads to a reading of who uses their images.
        let usage_controller = Controller::for_shared_stream(stream::pending(), targets.store.clone())
            .reconcile_on(wakes.usages)
            .with_config(config(options.targets));
        let target_controller = Controller::for_shared_stream(targets.changes, targets.store)
            .owns_shared_stream(migrations.children)
            .reconcile_on(wakes.targets)
            .with_config(config(options.targets));
        let migration_controller = Controller::for_shared_stream(migrations.changes, migrations.store)
            .reconcile_on(wakes.migrations)
            .with_config(config(options.concurrency));
        let (ctx, end) = (|| context.clone(), || shutdown.clone());
        let of_policies = |_: &AMIEncryptionPolicy, _: &Context| POLICIES;
        // A reading that is cut short is lost, and nothing else: nobody waits for it.
        let read = {
            let end = end();
            move |target, context| {
                let end = end.clone();
                async move {
                    tokio::select! {
                        read = usage::reconcile(target, context) => read,
                        () = end => Ok(Action::await_change()),
                    }
                }
            }
        };
        future::join4(
            drive(
                "policy",
                policy_controller,
                ctx(),
                end(),
                of_policies,
                policy::reconcile,
                Shards::visit,
            ),
            drive(
                "target",
                target_controller,
                ctx(),
                end(),
                shard_of,
                targets::reconcile,
                Shards::visit,
            ),
            drive("usage", usage_controller, ctx(), end(), shard_of, read, Shards::look),
            drive(
                "migration",
                migration_controller,
                ctx(),
                end(),
                shard_of,
                migrations::reconcile,
                Shards::visit,
            ),
        )
        .await;
        // The watches end when nobody works on what they show.
        drop([policies.task, targets.task, migrations.task]);
    }
}

/// Has every call that changes something ask the policies, and whoever asks for health the watches: what was suspended or deleted
/// while one is silent is not known.
fn guard(context: &Context, pulses: &[Arc<Pulse>; 3], health: &Health) {
    let (listened, doubts) = (pulses.clone(), pulses.clone());
    let asks = policy::gate(context.policies.clone(), context.targets.clone());
    context.aws.ask_policies(Arc::new(move |policy, scope| {
        if listened.iter().any(|pulse| pulse.problem().is_some()) {
            return Err(Cause::Blind);
        }
        asks(policy, scope)
    }));
    health.ask(move || doubts.iter().find_map(|pulse| pulse.problem()));
}

/// What listens to each of the three watches.
fn pulses(metrics: &Metrics, clock: &Arc<dyn Clock>, silent_after: Duration) -> [Arc<Pulse>; 3] {
    let pulse = |kind: &'static str| {
        let (metrics, clock) = (metrics.clone(), clock.clone());
        Pulse::new(kind, silent_after, move || metrics.heard(kind, clock.system_time()))
    };
    ["AMIEncryptionPolicy", "AMIEncryptionTarget", "AMIMigration"].map(pulse)
}

/// Keeps an index up to date with a watch, and calls `gone` with the scope of what was deleted.
fn noting<K: Scoped + Resource<DynamicType = ()>>(
    index: Arc<Index<K>>,
    gone: impl Fn(&Scope),
) -> impl Fn(&Seen<'_, K>) {
    move |seen| {
        index.note(seen);
        if let Seen::Deleted(object) = seen
            && let Ok(scope) = object.scope()
        {
            gone(&scope);
        }
    }
}

/// Passes on each target that is there: another replica may have told it something.
fn hearing(hear: impl Fn(&AMIEncryptionTarget)) -> impl Fn(&Seen<'_, AMIEncryptionTarget>) {
    move |seen| match seen {
        Seen::Listed(targets) => targets.iter().for_each(|target| hear(target)),
        Seen::Applied(target) => hear(target),
        Seen::Deleted(_) => {}
    }
}

/// Lets the targets of an account and region look again: what is gone from there may have kept images from them.
fn freeing(targets: &Arc<Index<AMIEncryptionTarget>>, registry: &Registry) -> impl Fn(&Scope) + Clone + use<> {
    let (targets, wake) = (targets.clone(), registry.waker());
    move |scope| {
        for target in targets.of(scope) {
            // Without a receiver the controllers are not running.
            let _ = wake.unbounded_send(ObjectRef::from_obj(&*target));
        }
    }
}

/// Says when the process is ready: a roll-out that lacks a definition or a right goes no further than its first Pod.
async fn announce(context: &Context, pulses: &[Arc<Pulse>], health: &Health) {
    context.ready().await;
    for pulse in pulses {
        pulse.begun().await;
    }
    context.shards.looked().await;
    health.set_ready();
    future::pending().await
}

/// Runs one controller: counts and times its visits, and lets failures wait longer each time.
async fn drive<K, R, F>(
    name: &'static str,
    controller: Controller<K>,
    context: Arc<Context>,
    shutdown: Shared<future::BoxFuture<'static, ()>>,
    shard_of: fn(&K, &Context) -> u16,
    reconcile: R,
    enter: fn(&Arc<Shards>, u16) -> Entry,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + DeserializeOwned + 'static,
    R: Fn(Arc<K>, Arc<Context>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Action, kube::Error>> + Send + 'static,
{
    let visit = move |object: Arc<K>, context: Arc<Context>| {
        let reconcile = reconcile.clone();
        async move {
            context.ready().await;
            let owned = match enter(&context.shards, shard_of(&object, &context)) {
                Entry::Begun(visit) => visit,
                Entry::NotNow => return Ok(Action::requeue(CATCH_UP)),
                // Another replica's. When it comes to be ours, it is looked at again.
                Entry::NotOurs => return Ok(Action::await_change()),
            };
            if context.registry.memory.is_outdated(&*object, context.clock.monotonic()) {
                // The watch has not caught up with our own last write: what it will bring leads here again.
                return Ok(Action::requeue(CATCH_UP));
            }
            let began = context.clock.monotonic();
            let reconciled = reconcile(object.clone(), context.clone());
            let span = tracing::info_span!(parent: None, "reconcile", controller = name, object = object.name_any());
            let until_lost = async move {
                tokio::select! {
                    outcome = reconciled => outcome,
                    () = owned.lost() => Ok(Action::await_change()),
                }
            };
            let outcome = spawned(until_lost.instrument(span)).await;
            let took = context.clock.monotonic().saturating_sub(began);
            context
                .metrics
                .reconcile_duration
                .with_label_values(&[name])
                .observe(took.as_secs_f64());
            if outcome.is_ok() {
                context.registry.memory.visited(name, &*object, false);
            }
            outcome
        }
    };
    let on_error = move |object: Arc<K>, error: &kube::Error, context: Arc<Context>| {
        let count = context.registry.memory.visited(name, &*object, true);
        let wait = BACKOFF.0.saturating_mul(1 << (count - 1).min(10)).min(BACKOFF.1);
        if is_unreachable(error) {
            // That is said for all of them.
            tracing::debug!(controller = name, object = object.name_any(), %error, failures = count, "reconcile failed");
        } else {
            tracing::warn!(controller = name, object = object.name_any(), %error, failures = count, "reconcile failed");
        }
        context
            .metrics
            .reconcile_errors
            .with_label_values(&[name, "Kubernetes"])
            .inc();
        Action::requeue(wait)
    };
    controller
        .graceful_shutdown_on(shutdown)
        .run(visit, on_error, context)
        .for_each(|outcome| {
            // Errors of visits were dealt with; what is left are objects that have gone, and queue errors.
            if let Err(error) = outcome {
                tracing::debug!(controller = name, %error, "reconcile skipped");
            }
            future::ready(())
        })
        .await;
}

/// Runs one visit as a task of its own: kube runs all visits of a controller in one task, which is one thread at a time, and
/// reading pages is work.
async fn spawned<T: Send + 'static>(visit: impl Future<Output = T> + Send + 'static) -> T {
    // A visit ends with whoever waits for it.
    match AbortOnDropHandle::new(tokio::spawn(visit)).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is gone, and so is whoever waits.
            Err(_) => future::pending().await,
        },
    }
}

impl Context {
    /// Whether every kind was listed once.
    pub(super) fn is_listed(&self) -> bool {
        self.listed.iter().all(Listed::is_listed)
    }

    /// Waits until every kind was listed once: what is not in a store before that is not known to be missing.
    pub(super) async fn ready(&self) {
        for kind in &self.listed {
            kind.wait().await;
        }
    }
}
