//! What comes and goes with a shard: objects to look at, and what is known of their accounts and regions.

use std::sync::Arc;

use kube::{Resource, ResourceExt};

use super::index::Scoped;
use super::shards::{Change, Changes, POLICIES};
use super::{Context, forget};

/// The shard of an object.
pub(super) fn shard_of<K: Scoped>(object: &K, context: &Context) -> u16 {
    // Whoever has the policies says that an object is malformed.
    object.scope().map_or(POLICIES, |scope| context.shards.shard_of(&scope))
}

/// Has everything of a shard looked at that is gained, and forgets what is known of one that is lost: by the time that it
/// comes back, it is not true any more, and others show it in their metrics.
pub(super) async fn follow(context: &Context, mut changes: Changes) {
    let metrics = &context.metrics;
    metrics.shards.set(context.shards.count().into());
    metrics.shards_held.set(0);
    while let Some(change) = changes.next().await {
        match change {
            Change::Gained(shard) => {
                metrics.shards_held.inc();
                if shard == POLICIES {
                    metrics.leader.set(1);
                    tracing::info!("became leader");
                }
                // Until everything was listed, the listing leads to all there is.
                if context.is_listed() {
                    wake(context, shard);
                }
            }
            Change::Lost(shard) => {
                metrics.shards_held.dec();
                if shard == POLICIES {
                    metrics.leader.set(0);
                    tracing::info!("lost leadership");
                }
                forget::shard(context, shard);
                context.shards.cleared(shard);
            }
        }
    }
}

fn wake(context: &Context, shard: u16) {
    for target in of_shard(context, context.targets.state(), shard) {
        context.registry.wake_target(&target.name_any());
    }
    for migration in of_shard(context, context.migrations.state(), shard) {
        context.registry.wake_migration(&migration.name_any());
    }
    if shard == POLICIES {
        for policy in context.policies.state() {
            context.registry.wake_policy(&policy.name_any());
        }
    }
}

/// The objects of a shard.
pub(super) fn of_shard<K: Scoped + Resource<DynamicType = ()>>(
    context: &Context,
    objects: Vec<Arc<K>>,
    shard: u16,
) -> impl Iterator<Item = Arc<K>> {
    objects
        .into_iter()
        .filter(move |object| shard_of(&**object, context) == shard)
}
