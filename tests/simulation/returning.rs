//! What people do where consumers were moved to a copy that is no more: as the migration asks, they have the original launched again. Once
//! there is another copy, they have what launches the original moved to that one.

use std::time::Duration;

use amiseal::api::conditions::{self, reason};
use amiseal::api::{AMIMigration, AMIMigrationStatus, Desired, MigrationState};
use ec2sim::model::{Image, World};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use serde::Deserialize;

use super::deciding::want;
use super::followers;
use super::people::MIGRATION;
use super::stage::Stage;
use super::time::age_at;
use super::watchman::Objects;

/// How long it takes until somebody who was told does something about it.
const ACTS_AFTER: Duration = Duration::from_secs(25 * 60);

/// What people do in time. A copy that is there, and only disabled or hidden, is for others to see to.
pub(crate) fn help(stage: &Stage) {
    let migrations: Vec<AMIMigration> = stage
        .api
        .list(MIGRATION)
        .iter()
        .filter_map(|object| AMIMigration::deserialize(&**object).ok())
        .collect();
    for migration in &migrations {
        let name = migration.name_any();
        let rolled_back = stage.notes().copies_gone.get(&name).cloned();
        if asks_for_rollback(migration) && migration.spec.desired != Desired::RolledBack {
            let is_gone = stage.sim.with_world(|world| copy_is_gone(migration, world));
            if is_gone && said_for(stage, migration) >= ACTS_AFTER {
                let copy = copy_of(migration).unwrap_or_default().to_owned();
                stage.note(|notes| {
                    notes.copies_gone.insert(name.clone(), copy);
                });
                want(stage, &name, Desired::RolledBack);
            }
        } else if let Some(gone) = rolled_back
            && (migration.spec.desired != Desired::RolledBack || is_back(migration, &gone))
        {
            // Somebody else may have been first.
            stage.note(|notes| {
                notes.copies_gone.remove(&name);
            });
            if migration.spec.desired == Desired::RolledBack {
                want(stage, &name, Desired::Migrated);
            }
        }
    }
}

/// What people are still to do, as their migrations say.
pub(crate) fn left(stage: &Stage, objects: &Objects) -> Option<String> {
    let notes = stage.notes();
    objects.migrations.iter().find_map(|migration| {
        let name = migration.name_any();
        let is_gone = || stage.sim.with_world(|world| copy_is_gone(migration, world));
        let is_back = notes.copies_gone.contains_key(&name);
        let is_asked = asks_for_rollback(migration) && is_gone();
        (is_back || is_asked).then(|| format!("{name} is to be rolled back, and moved again: {:?}", migration.status))
    })
}

/// Whether a migration waits for somebody who has its consumers put back, since their copy is gone.
fn asks_for_rollback(migration: &AMIMigration) -> bool {
    let stalled = migration.status.as_ref().and_then(stalled);
    stalled.is_some_and(|stalled| {
        stalled.reason == reason::PROMOTED_COPY_GONE && stalled.message.contains("set spec.desired: RolledBack")
    })
}

/// Whether everything is back, and there is another copy to move it to; or there is nothing to go back to any more.
fn is_back(migration: &AMIMigration, gone: &str) -> bool {
    let Some(status) = &migration.status else { return false };
    let moved = conditions::find(&status.conditions, conditions::CONSUMERS_MOVED);
    let is_rolled_back = moved.is_some_and(|moved| moved.reason == reason::ROLLED_BACK);
    let has_another = copy_of(migration).is_some_and(|copy| copy != gone);
    let is_done = status.state == Some(MigrationState::Completed);
    is_done && is_rolled_back && has_another || status.source_gone_time.is_some()
}

/// Whether the copy of a migration is gone for good, and its original is not.
fn copy_is_gone(migration: &AMIMigration, world: &World) -> bool {
    let images = followers::home(world, migration).map(|region| &region.images);
    let exists = |id: &str| images.and_then(|images| images.get(id)).is_some_and(Image::exists);
    exists(&migration.spec.source_image_id) && copy_of(migration).is_some_and(|copy| !exists(copy))
}

fn copy_of(migration: &AMIMigration) -> Option<&str> {
    migration.status.as_ref()?.copy.as_ref()?.image_id.as_deref()
}

fn stalled(status: &AMIMigrationStatus) -> Option<&Condition> {
    conditions::find(&status.conditions, conditions::STALLED).filter(|stalled| stalled.status == "True")
}

/// For how long it has said that somebody has to act.
fn said_for(stage: &Stage, migration: &AMIMigration) -> Duration {
    let since = migration.status.as_ref().and_then(stalled);
    let since = since.map(|stalled| age_at(stalled.last_transition_time.0));
    since.map_or(Duration::ZERO, |since| stage.clock.age().saturating_sub(since))
}
