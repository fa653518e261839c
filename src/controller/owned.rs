//! What comes and goes with a slot: objects to look at, and what is known of their accounts and regions.

use std::collections::HashSet;
use std::sync::Arc;

use kube::{Resource, ResourceExt};

use super::Context;
use super::index::Placed;
use super::slots::{Change, Changes, POLICIES};
use crate::domain::{AccountId, Region};

/// The slot of an object.
pub(super) fn slot_of<K: Placed>(object: &K, context: &Context) -> u16 {
    let (account, region) = object.place();
    context.slots.slot_of(account, region)
}

/// Has everything of a slot looked at that is gained, and forgets what is known of one that is lost: by the time that it
/// comes back, it is not true any more, and others show it in their metrics.
pub(super) async fn follow(context: &Context, mut changes: Changes) {
    let metrics = &context.metrics;
    metrics.slots.set(context.slots.count().into());
    metrics.slots_held.set(0);
    while let Some(change) = changes.next().await {
        match change {
            Change::Gained(slot) => {
                metrics.slots_held.inc();
                if slot == POLICIES {
                    metrics.leader.set(1);
                    tracing::info!("leads");
                }
                // Until everything was listed, the listing leads to all there is.
                if context.is_listed() {
                    wake(context, slot);
                }
            }
            Change::Lost(slot) => {
                metrics.slots_held.dec();
                if slot == POLICIES {
                    metrics.leader.set(0);
                    tracing::info!("does not lead any more");
                }
                forget(context, slot);
                context.slots.cleared(slot);
            }
        }
    }
}

fn wake(context: &Context, slot: u16) {
    for target in of_slot(context, context.targets.state(), slot) {
        context.fleet.wake_target(&target.name_any());
    }
    for migration in of_slot(context, context.migrations.state(), slot) {
        context.fleet.wake_migration(&migration.name_any());
    }
    if slot == POLICIES {
        for policy in context.policies.state() {
            context.fleet.wake_policy(&policy.name_any());
        }
    }
}

fn forget(context: &Context, slot: u16) {
    let migrations = of_slot(context, context.migrations.state(), slot);
    let migrations: HashSet<String> = migrations.filter_map(|migration| migration.uid()).collect();
    let is_lost = |account: &AccountId, region: &Region| {
        let theirs = context.slots.slot_of(account.as_str(), region.as_str());
        theirs == slot
    };
    for (target, session) in context.fleet.forget(is_lost, &migrations) {
        let key = session.key();
        context.aws.forget(key);
        context.metrics.forget_target(&target);
        context.metrics.forget_place(key.account.as_str(), key.region.as_str());
    }
}

fn of_slot<K: Placed + Resource<DynamicType = ()>>(
    context: &Context,
    objects: Vec<Arc<K>>,
    slot: u16,
) -> impl Iterator<Item = Arc<K>> {
    objects
        .into_iter()
        .filter(move |object| slot_of(&**object, context) == slot)
}
