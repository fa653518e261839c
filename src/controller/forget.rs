//! What is kept in memory is let go here, and nowhere else: with a shard that is lost, and with objects that are no more.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use kube::{Resource, ResourceExt};

use super::Context;
use super::handover::of_shard;
use crate::aws::Session;
use crate::domain::Scope;

/// How often memory is rid of what is no more: nobody visits that.
const SWEEP: Duration = Duration::from_secs(60);

/// Forgets everything that is known of a shard.
pub(super) fn shard(context: &Context, shard: u16) {
    let migrations = of_shard(context, context.migrations.state(), shard);
    context.registry.memory.forget(&uids(migrations));
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
        let names = targets.iter().map(|target| target.name_any()).collect();
        let mut there = uids(targets.into_iter());
        there.extend(uids(context.migrations.state().into_iter()));
        there.extend(uids(context.policies.state().into_iter()));
        context.registry.memory.retain(&there);
        gone(context, context.registry.retain_targets(&names).into_iter());
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
