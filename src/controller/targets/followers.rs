//! Making and removing the migrations by which an account follows those of other accounts.

use std::collections::HashSet;
use std::sync::Arc;

use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};

use super::TargetReconciler;
use super::children::delete;
use crate::api::{AMIEncryptionTarget, AMIMigration, Desired, labels};
use crate::controller::followers::of_owner;
use crate::controller::policy;
use crate::domain::ImageId;
use crate::plan::precedence::Precedence;
use crate::plan::{followers, step};

impl TargetReconciler<'_> {
    /// Creates the migrations of other accounts' images that are missing here, and deletes those that are of no more use.
    pub(super) async fn adjust_followers(&self) -> Result<(), kube::Error> {
        let (inventory, picture) = self.state(|state| (state.inventory.clone(), state.usage.picture().cloned()));
        let (Some(inventory), Some(picture)) = (inventory, picture) else {
            return Ok(());
        };
        let (spec, now) = (&self.target.spec, self.ctx.clock.now());
        let api = Api::<AMIMigration>::all(self.ctx.client.clone());
        for follower in &self.followers {
            let owner = source_of(follower).and_then(|source| self.owners(&source));
            let ttl = spec.history_ttl.as_std();
            if followers::is_of_no_use(follower, owner.as_deref(), spec, &picture.graph, ttl, now) {
                delete(&api, follower).await?;
            }
        }
        if !self.is_first_to_move() {
            return Ok(());
        }
        let ours = |image: &ImageId| inventory.images.contains_key(image);
        let original = |image: &ImageId| self.original_of(image);
        for source in followers::wanted(&picture.graph, &spec.promotion, ours, original) {
            let name = labels::follower_name(source.as_str(), &spec.region, &spec.account_id);
            // One of a former target that Kubernetes has not collected yet has the name.
            let is_taken = self.ctx.migrations.get(&ObjectRef::new(&name)).is_some();
            if is_taken || self.state(|state| state.creations.holds_back(&source, now)) {
                continue;
            }
            let Some(owner) = self.owners(&source) else { continue };
            let migration = self.migration_of(&source, &owner.spec.key_arn, Some(&owner.spec.account_id));
            if self.create_named(&api, &name, migration).await? {
                self.state(|state| state.creations.created(&source, now));
                tracing::info!(image = %source, owner = owner.name_any(), "follows the migration of the image's owner");
            }
        }
        Ok(())
    }

    /// Whether no older policy has what launches images here moved: then it is for that one.
    fn is_first_to_move(&self) -> bool {
        let place = |target: &AMIEncryptionTarget| {
            let policy = policy::governing(target, &self.ctx.policies)?;
            Some(Precedence::of(&policy.metadata, 0))
        };
        let own = place(self.target);
        let others = self.ctx.targets_by_scope.of(&self.scope);
        let mut moving = others
            .iter()
            .filter(|target| target.spec.consumers.read && target.spec.promotion.moves());
        !moving.any(|target| place(target).is_some_and(|other| Some(other) < own))
    }

    /// The original to follow where something launches this image of another account: the image itself, where its owner has a copy of it,
    /// or where it is such a copy, and its owner wants it no more, what it is a copy of.
    fn original_of(&self, image: &ImageId) -> Option<ImageId> {
        if let Some(owner) = self.owners(image) {
            return step::offered(&owner).map(|_| image.clone());
        }
        let original = self.ctx.followers.original_of(image)?;
        let owner = self.owners(&original)?;
        (owner.spec.desired == Desired::RolledBack).then_some(original)
    }

    /// The images of other accounts that have a migration here.
    pub(super) fn followed_images(&self) -> HashSet<ImageId> {
        self.followers
            .iter()
            .filter_map(|follower| source_of(follower))
            .collect()
    }

    /// The migration of an image of another account, as its owner has it.
    fn owners(&self, image: &ImageId) -> Option<Arc<AMIMigration>> {
        let owner = of_owner(self.ctx, image, &self.scope.region)?;
        (owner.spec.account_id != self.scope.account.as_str()).then_some(owner)
    }
}

fn source_of(follower: &AMIMigration) -> Option<ImageId> {
    follower.spec.source_image_id.parse().ok()
}
