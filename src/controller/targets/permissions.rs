//! Asking whether the role may do what migrating needs, before any copy is asked for.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::TargetReconciler;
use super::scan::migration_state;
use crate::api::labels::TAG_SOURCE_IMAGE;
use crate::api::{AMIMigration, MigrationState};
use crate::aws::Sample;
use crate::domain::{Image, ImageState, Inventory};
use crate::plan::{permissions, problem, request};

/// Among how many images those to ask about are chosen.
const CHOICE: usize = 100;

impl TargetReconciler<'_> {
    /// Asks by dry runs, when that is due. Until the answer is that all is allowed, it is asked again every few minutes.
    pub(super) async fn ask_permissions(&self) {
        let now = self.ctx.clock.now();
        if !self.state(|state| state.permission_check.is_due(now)) {
            return;
        }
        let (inventory, key) = self.state(|state| (state.inventory.clone(), state.key.view().clone()));
        let Some(inventory) = inventory else { return };
        let done = self.state(|state| state.permission_check.is_doubted());
        let copies = {
            let images = self.to_ask_about(&inventory, done);
            let images = images.iter().copied();
            request::samples(images, &self.target.spec, &self.scope, key.arn())
        };
        if copies.is_empty() {
            return;
        }
        let sample = Sample {
            copies: &copies,
            copy: permissions::sample_copy(&inventory).map(|image| &**image),
            tag: TAG_SOURCE_IMAGE,
            key: key.arn(),
            seal: self.target.spec.promotion.seal.as_deref(),
        };
        let answer = Box::pin(self.session.missing_permissions(sample)).await;
        let now = self.ctx.clock.now();
        let wakes = match answer {
            Ok(lacking) => {
                if !lacking.certain.is_empty() {
                    tracing::warn!(actions = ?lacking.certain, "the role lacks permissions");
                } else if !lacking.untagged.is_empty() {
                    tracing::info!(actions = ?lacking.untagged, "rights that are for copies alone are asked for again once there is one");
                }
                let permits = permissions::obstacle(&lacking).is_none();
                let changed = self.state(|state| state.permission_check.answered(lacking, now));
                if permits {
                    self.forgive_denials(changed, now);
                }
                changed || permits
            }
            Err(error) => {
                self.note(&error);
                tracing::warn!(%error, "could not check the role's permissions");
                let wait = |failures| problem::retry_after(&error, failures);
                let (problem, may_come) = (problem::of_error(&error), problem::may_be_answered(&error));
                self.state(|state| state.permission_check.failed(now, problem, may_come, wait));
                false
            }
        };
        if wakes {
            self.wake_migrations();
        }
    }

    /// Lets migrations that were denied something go on once they are woken.
    fn forgive_denials(&self, news: bool, now: Timestamp) {
        let migrations: Vec<String> = self.migrations.iter().filter_map(|m| m.uid()).collect();
        let memory = &self.ctx.registry.memory;
        memory.forgive_denials(migrations.iter().map(String::as_str), permissions::forgives(news), now);
    }

    /// When to ask again.
    pub(super) fn permissions_due(&self) -> Option<Timestamp> {
        let due = self.state(|state| state.permission_check.due())?;
        self.has_image_to_ask_about(self.state(|state| state.permission_check.is_doubted()))
            .then_some(due)
    }

    /// Whether there is any image to ask about: one that is still to be copied or to be found copied, or one that is `done` with.
    pub(super) fn has_image_to_ask_about(&self, done: bool) -> bool {
        let inventory = self.state(|state| state.inventory.clone());
        inventory.is_some_and(|inventory| !self.to_ask_about(&inventory, done).is_empty())
    }

    /// Images that are still to be copied or to be found copied, or with `done` also those that are done with: no more than are
    /// worth choosing from.
    fn to_ask_about<'i>(&self, inventory: &'i Inventory, done: bool) -> Vec<&'i Arc<Image>> {
        let Some(classified) = self.state(|state| state.classified.clone()) else {
            return Vec::new();
        };
        let is_completed = |m: &&Arc<AMIMigration>| migration_state(m) == MigrationState::Completed;
        let completed = self.migrations.iter().filter(is_completed);
        let completed: HashSet<&str> = completed.map(|m| m.spec.source_image_id.as_str()).collect();
        classified
            .wanted
            .iter()
            .filter(|wanted| done || !completed.contains(wanted.image.as_str()))
            .filter_map(|wanted| inventory.images.get(&wanted.image))
            // AWS may refuse another one for its own sake.
            .filter(|image| image.ebs_root && image.state == ImageState::Available)
            .take(CHOICE)
            .collect()
    }
}
