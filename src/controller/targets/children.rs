//! Making and removing migrations.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Resource, ResourceExt};

use super::scan::{is_stalled, migration_state, recorded_copy};
use super::{TargetReconciler, is_controlled_by};
use crate::api::{AMIMigration, AMIMigrationSpec, AMIMigrationStatus, Approval, Desired, MigrationState, labels};
use crate::controller::apply::{FIELD_MANAGER, is_conflict, is_not_found};
use crate::controller::policy;
use crate::domain::{ImageId, Inventory};
use crate::plan::migrations::{self, Present};
use crate::plan::select::Selection;
use crate::plan::source_keys;

impl TargetReconciler<'_> {
    /// Creates the migrations that are missing and deletes those that nobody wants any more. Says whether it did either,
    /// and so has to look again when that shows.
    pub(super) async fn adjust_children(&self) -> Result<bool, kube::Error> {
        let (inventory, classified, key) = self.state(|state| {
            (
                state.inventory.clone(),
                state.classified.clone(),
                state.key.view().clone(),
            )
        });
        let (Some(inventory), Some(classified), Some(key)) = (inventory, classified, key.arn()) else {
            return Ok(false);
        };
        let by_source: HashMap<ImageId, &Arc<AMIMigration>> = self
            .migrations
            .iter()
            .filter_map(|m| Some((m.spec.source_image_id.parse().ok()?, m)))
            .collect();
        let (ttl, now) = (self.target.spec.history_ttl.as_std(), self.ctx.clock.now());
        let is_done =
            |m: &AMIMigration| migration_state(m) == MigrationState::Completed && m.spec.key_arn == key.as_str();
        let has_made_copies = self.migrations.iter().any(|m| is_done(m));
        let has_own_key = |source: &ImageId| {
            let image = inventory.images.get(source);
            image.is_some_and(|image| source_keys::of_image(image, &inventory).iter().any(|own| *own != key))
        };
        let is_aside = |source: &ImageId, status: &AMIMigrationStatus| {
            let is_explained = || has_made_copies || has_own_key(source);
            migrations::is_blocked_by_image(status) || migrations::is_exhausted_for_its_own_sake(status, is_explained)
        };
        // The target knows of a map in parameters, and the policy of one in a ConfigMap too.
        let policy = policy::governing(self.target, &self.ctx.policies);
        let is_mapped = policy.is_none_or(|policy| policy.spec.promotion.map.is_some());
        let is_history = |m: &AMIMigration, status: &AMIMigrationStatus| {
            let copy = recorded_copy(m).and_then(|copy| inventory.images.get(&copy));
            let is_copy_there = copy.is_some_and(|copy| copy.is_there());
            migrations::is_history(status, ttl, now) && !migrations::is_of_use(status, is_copy_there, is_mapped)
        };
        let present: Vec<Present> = by_source
            .iter()
            .map(|(source, m)| Present {
                source: source.clone(),
                key: m.spec.key_arn.clone(),
                state: migration_state(m),
                begun: has_begun(m),
                dismissed: is_stalled(m) && self.leaves_alone(&inventory, source),
                is_record: m.status.as_ref().is_some_and(migrations::is_record),
                aside: m.status.as_ref().is_some_and(|status| is_aside(source, status)),
                history: m.status.as_ref().is_some_and(|status| is_history(m, status)),
            })
            .collect();
        let taken = self.taken_by_others();
        let changes = migrations::changes(&classified.wanted, &present, &taken, key, |id| {
            inventory.images.contains_key(id)
        });
        let mut is_being_set_back = !changes.delete.is_empty();
        let api = Api::<AMIMigration>::all(self.ctx.client.clone());
        for source in &changes.delete {
            if let Some(migration) = by_source.get(source) {
                delete(&api, migration).await?;
            }
        }
        let followed = self.followed_images();
        let is_there = |source: &ImageId| by_source.contains_key(source) || followed.contains(source);
        self.state(|state| state.creations.look(is_there, now));
        for source in &changes.create {
            if self.state(|state| state.creations.holds_back(source, now)) {
                continue;
            }
            is_being_set_back = true;
            if self.create(&api, source, key.as_str()).await? {
                self.state(|state| state.creations.created(source, now));
            }
        }
        if is_being_set_back {
            self.classify();
        }
        Ok(is_being_set_back)
    }

    /// Images that have a migration of another owner, whose name is taken: another policy's, or that of a former policy or target
    /// of the same name which Kubernetes has not collected yet. When it goes, this target is woken.
    fn taken_by_others(&self) -> HashSet<ImageId> {
        let others = self.record();
        let others = others
            .iter()
            .filter(|migration| !is_controlled_by(migration, &self.uid));
        others.filter_map(|m| m.spec.source_image_id.parse().ok()).collect()
    }

    /// Whether the selector does not mean an image (any more).
    fn leaves_alone(&self, inventory: &Inventory, image: &ImageId) -> bool {
        let image = inventory.images.get(image);
        image.is_some_and(|image| self.selector.select(image) != Selection::Selected)
    }

    /// Creates a migration; false means that one of its name is there already. It is written once and never applied
    /// again: what people change in it stays.
    async fn create(&self, api: &Api<AMIMigration>, source: &ImageId, key: &str) -> Result<bool, kube::Error> {
        let name = labels::migration_name(source.as_str(), self.scope.region.as_str());
        let spec = self.migration_of(source, key, None);
        self.create_named(api, &name, spec).await
    }

    /// What a migration of an image is about; `owner` is whose image it is, where it is another account's.
    pub(super) fn migration_of(&self, source: &ImageId, key: &str, owner: Option<&str>) -> AMIMigrationSpec {
        AMIMigrationSpec {
            policy: self.target.spec.policy.clone(),
            account_id: self.scope.account.to_string(),
            owner_account_id: owner.map(str::to_owned),
            region: self.scope.region.to_string(),
            source_image_id: source.to_string(),
            key_arn: key.to_owned(),
            approval: Approval::default(),
            approved_by: None,
            desired: Desired::default(),
        }
    }

    /// The same for any name and spec.
    pub(super) async fn create_named(
        &self,
        api: &Api<AMIMigration>,
        name: &str,
        spec: AMIMigrationSpec,
    ) -> Result<bool, kube::Error> {
        let mut migration = AMIMigration::new(name, spec);
        migration.metadata.owner_references = self.target.controller_owner_ref(&()).map(|owner| vec![owner]);
        migration.metadata.labels = self.target.metadata.labels.clone();
        let parameters = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        match api.create(&parameters, &migration).await {
            Ok(_) => Ok(true),
            // Another policy's, or one of a former policy that Kubernetes has not collected yet: the store will tell.
            Err(error) if is_conflict(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Whether AWS was asked for a copy that may be there or come to be. Not when every call was refused, nor when the last
/// attempt has come to nothing.
fn has_begun(migration: &AMIMigration) -> bool {
    let asks = migration_state(migration) != MigrationState::Pending && !is_stalled(migration);
    let intends = migration.status.as_ref().is_some_and(|s| s.copy.is_some());
    recorded_copy(migration).is_some() || intends && asks
}

/// Deletes a migration as it was seen, and no later one. AWS is not touched by it.
pub(super) async fn delete(api: &Api<AMIMigration>, migration: &AMIMigration) -> Result<(), kube::Error> {
    let preconditions = Preconditions {
        uid: migration.uid(),
        resource_version: migration.resource_version(),
    };
    let parameters = DeleteParams {
        preconditions: Some(preconditions),
        ..DeleteParams::background()
    };
    match api.delete(&migration.name_any(), &parameters).await {
        Err(error) if is_conflict(&error) || is_not_found(&error) => Ok(()),
        result => result.map(drop),
    }
}
