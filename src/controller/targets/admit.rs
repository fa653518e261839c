//! Letting copies start, within what AWS and the policy allow in this account and region.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::scan::{is_stalled, migration_state, recorded_copy};
use super::{TargetReconciler, is_controlled_by};
use crate::api::{AMIMigration, MigrationState};
use crate::domain::{ImageId, ImageState, Inventory, KeyArn};
use crate::plan::copy_budget::Admission;
use crate::plan::schedule::{self, Asked, Candidate};
use crate::plan::select::Selection;
use crate::plan::{obstacle, permissions, step};

impl TargetReconciler<'_> {
    /// Admits what fits, wakes who was admitted, and says when to look at the copies in flight next.
    pub(super) fn admit(&self) {
        let (inventory, key, progress) = self.state(|state| {
            (
                state.inventory.clone(),
                state.key.view().clone(),
                state.copies.progress().clone(),
            )
        });
        let Some(inventory) = inventory else { return };
        let now = self.ctx.clock.now();
        let permitted = self.state(|state| {
            let denied = state.permission_check.lacking().and_then(permissions::obstacle);
            denied.is_none() && state.permission_check.unanswered().is_none()
        });
        let is_doubted = self.state(|state| state.key.is_doubted());
        let usable = key.arn().is_some() && key.problem().is_none() && !is_doubted && permitted;
        let allowed = self.target.spec.copy.max_concurrent_snapshots;
        let admission = self.ctx.registry.copy_budget(&self.scope, |budget| {
            // All of this is decided on one moment's record, so that an intent counts once: as a grant or as a copy.
            let record = self.record();
            let pending: HashSet<ImageId> = record
                .iter()
                .filter(|m| is_pending(m) || self.may_ask_again(m, now))
                .filter_map(|m| source_of(m))
                .collect();
            budget.keep(&pending);
            let known_since = |migration: &AMIMigration| self.ctx.registry.memory.known_since(migration, now).copy;
            let asked = schedule::in_flight(&progress, &asked(&record, &inventory, known_since));
            let candidates = match key.arn() {
                Some(key) if usable => self.candidates(&record, &inventory, key, now),
                _ => Vec::new(),
            };
            budget.admit(candidates, asked, allowed, now)
        });
        let Admission {
            admitted,
            in_flight,
            limit,
            waits,
        } = admission;
        for candidate in &admitted {
            tracing::debug!(image = %candidate.source, "admitted");
            self.wake(&candidate.source);
        }
        self.ctx.metrics.snapshots_in_flight(&self.scope, in_flight, limit);
        self.state(|state| {
            let is_busy = in_flight > 0 || waits || self.follows();
            let bounds = self.ctx.options.poll;
            state.copies.plan(is_busy, !admitted.is_empty(), bounds, now);
        });
    }

    /// Whether a migration of this target waits for what the next look may show.
    fn follows(&self) -> bool {
        let waits =
            |m: &AMIMigration| matches!(migration_state(m), MigrationState::Copying | MigrationState::Verifying);
        self.migrations.iter().any(|m| waits(m) && !is_stalled(m))
    }

    /// The migrations of images of this account and region, whichever policy made them, as they are now.
    pub(super) fn record(&self) -> Vec<Arc<AMIMigration>> {
        let mut record = self.ctx.migrations_by_scope.of(&self.scope);
        record.retain(|migration| migration.spec.owner_account_id.is_none());
        record
    }

    /// Migrations of this target that wait to be admitted. Those of an image that is not selected any more, or under another
    /// key than the policy's, are about to go.
    fn candidates(
        &self,
        record: &[Arc<AMIMigration>],
        inventory: &Inventory,
        key: &KeyArn,
        now: Timestamp,
    ) -> Vec<Candidate> {
        let candidate = |m: &AMIMigration| {
            let source = source_of(m)?;
            let image = inventory.images.get(&source)?;
            let selected = || self.selector.select(image) == Selection::Selected;
            // What has begun is finished as it was begun.
            let stays = !is_pending(m) || (m.spec.key_arn == key.as_str() && selected());
            (stays && obstacle::of_image(image, &inventory.snapshots).is_none()).then(|| Candidate {
                snapshots: image.snapshot_count(),
                created: image.created,
                refused: m.status.as_ref().is_some_and(step::was_refused),
                source,
            })
        };
        self.state(|state| {
            record
                .iter()
                .filter(|m| (is_pending(m) || self.may_ask_again(m, now)) && is_controlled_by(m, &self.uid))
                // Nothing is asked of AWS before copies of the source were looked for.
                .filter(|m| m.uid().is_some_and(|uid| state.covered.contains(&uid)))
                .filter_map(|m| candidate(m))
                .collect()
        })
    }

    /// Whether AWS refused a copy, and has had the time that was to be waited.
    fn may_ask_again(&self, migration: &AMIMigration, now: Timestamp) -> bool {
        let uid = migration.uid().unwrap_or_default();
        let waited = || {
            self.ctx
                .registry
                .memory
                .problem(&uid)
                .is_none_or(|problem| problem.until <= now)
        };
        migration.status.as_ref().is_some_and(step::was_refused) && waited()
    }

    fn wake(&self, source: &ImageId) {
        for migration in self
            .migrations
            .iter()
            .filter(|m| m.spec.source_image_id == source.as_str())
        {
            self.ctx.registry.wake_migration(&migration.name_any());
        }
    }
}

/// Copies that were asked for and are not known to be done.
fn asked(
    record: &[Arc<AMIMigration>],
    inventory: &Inventory,
    known_since: impl Fn(&AMIMigration) -> Timestamp,
) -> Vec<Asked> {
    record
        .iter()
        .filter(|m| migration_state(m) == MigrationState::Copying && !m.status.as_ref().is_some_and(step::was_refused))
        .filter_map(|m| {
            let image = recorded_copy(m);
            let done = image
                .as_ref()
                .and_then(|id| inventory.images.get(id))
                .is_some_and(|image| {
                    matches!(
                        image.state,
                        ImageState::Available | ImageState::Failed | ImageState::Deregistered
                    )
                });
            m.status.as_ref()?.copy.as_ref()?;
            (!done).then(|| Asked {
                image,
                snapshots: snapshots_of(m, inventory),
                at: known_since(m),
            })
        })
        .collect()
}

fn is_pending(migration: &AMIMigration) -> bool {
    migration_state(migration) == MigrationState::Pending && !is_stalled(migration)
}

fn source_of(migration: &AMIMigration) -> Option<ImageId> {
    migration.spec.source_image_id.parse().ok()
}

fn snapshots_of(migration: &AMIMigration, inventory: &Inventory) -> u32 {
    source_of(migration)
        .and_then(|id| inventory.images.get(&id))
        .map_or(1, |image| image.snapshot_count())
}
