//! Checks of instances that calls have launched for a while only, as their tags say.

use super::{Check, Finding, Judge};

/// Runs all checks of instances.
pub(super) fn check(judge: &mut Judge<'_>) {
    let world = judge.world;
    let is_temporary = |key: &String| world.expect.temporary_instances.contains(key);
    for (account, region) in world.regions() {
        for (id, instance) in region.consumers.instances.iter() {
            if !instance.is_there() || !instance.tags.keys().any(is_temporary) || judge.maker_of(id).is_none() {
                continue;
            }
            judge.findings.push(Finding {
                check: Check::InstanceLeft,
                account: account.id.clone(),
                region: region.name.clone(),
                resource: id.to_string(),
                message: format!("is {}, launched from {}", instance.state, instance.image),
            });
        }
    }
}
