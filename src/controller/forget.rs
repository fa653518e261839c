//! What is kept in memory is let go here, and nowhere else: with a shard that is lost, and with objects that are no more.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use kube::{Resource, ResourceExt};

use super::Context;
use super::handover::of_shard;
use super::shards::POLICIES;
use super::targets::proofs;
use crate::aws::Session;
use crate::domain::Scope;

/// How often memory is rid of what is no more: nobody visits that.
const SWEEP: Duration = Duration::from_secs(60);

/// Forgets everything that is known of a shard.
pub(super) fn shard(context: &Context, shard: u16) {
    if shard == POLICIES {
        context.maps.clear();
        context.metrics.forget_maps();
        context.registry.accounts.clear();
        context.metrics.forget_accounts();
        context.registry.regions.clear();
        context.metrics.forget_regions();
    }
    let migrations = of_shard(context, context.migrations.state(), shard);
    context.registry.memory.forget(&uids(migrations));
    // Who takes the shard over never hears of what is deleted. It is looked for once this replica holds the shard again.
    context
        .registry
        .keep_left_over(&names(context), context.clock.monotonic());
    let targets = context
        .registry
        .forget(|scope: &Scope| context.shards.shard_of(scope) == shard);
    let targets = targets.into_iter().map(|(name, session)| (name, Some(session)));
    gone(context, targets);
}

/// Forgets now and then what is known of objects that are no more.
pub(super) async fn sweep(context: &Context) {
    context.ready().await;
    loop {
        context.clock.sleep(SWEEP).await;
        let targets = context.targets.state();
        let names = names(context);
        let mut there = uids(targets.into_iter());
        there.extend(uids(context.migrations.state().into_iter()));
        let policies = context.policies.state();
        let policy_names = policies.iter().map(|policy| policy.name_any()).collect();
        for gone in context.maps.retain(&policy_names) {
            context.metrics.map_published(&gone, None);
        }
        for gone in context.registry.accounts.retain(&policy_names) {
            context.metrics.accounts(&gone, None);
        }
        for gone in context.registry.regions.retain(&policy_names) {
            context.metrics.regions_read(&gone, None);
        }
        there.extend(uids(policies.into_iter()));
        context.registry.memory.retain(&there);
        context.registry.keep_left_over(&names, context.clock.monotonic());
        gone(context, context.registry.retain_targets(&names).into_iter());
        end_left_over(context).await;
    }
}

/// The targets that there are.
fn names(context: &Context) -> HashSet<String> {
    let targets = context.targets.state();
    targets.iter().map(|target| target.name_any()).collect()
}

/// Terminates instances that targets have left over which are gone: nobody else looks for them any more.
async fn end_left_over(context: &Context) {
    for (session, until) in context.registry.take_left_over() {
        let is_ours = context.shards.holds(&session.key().scope);
        if is_ours {
            match proofs::end_leftovers(context, &session).await {
                Ok(()) => continue,
                Err(error) => {
                    tracing::warn!(%error, scope = %session.key().scope, "could not look for instances that are left over");
                }
            }
        }
        if context.clock.monotonic() < until {
            context.registry.keep_looking(session, until);
        }
    }
}

/// Takes back what is shown of targets, and drops their sessions.
fn gone(context: &Context, targets: impl Iterator<Item = (String, Option<Arc<Session>>)>) {
    for (name, session) in targets {
        let shown = context.metrics.targets.forget(&name);
        let used = session.map(|session| {
            context.aws.forget(session.key());
            session.key().scope.clone()
        });
        let Some(scope) = used.or(shown) else { continue };
        let mut others = context.targets_by_scope.of(&scope).into_iter();
        if !others.any(|other| context.registry.knows(&other.name_any())) {
            context.metrics.forget_scope(&scope);
        }
    }
}

fn uids<K: Resource>(objects: impl Iterator<Item = Arc<K>>) -> HashSet<String> {
    objects.filter_map(|object| object.uid()).collect()
}
