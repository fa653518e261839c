//! Images of other accounts: whose they are, what the account of a migration sees of them, and whether it lets its people launch them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;

use super::MigrationReconciler;
use crate::api::{AMIMigration, Mode};
use crate::aws::{AwsError, Cause, ErrorClass, Session};
use crate::controller::followers::of_owner;
use crate::controller::shared_reads::SharedReads;
use crate::controller::{Context, policy};
use crate::domain::{AccountId, AllowedImages, ForeignCopy, ImageId, Malformed, Operation};
use crate::plan::access::shared_read::Ask;
use crate::plan::naming::CopyIdentity;
use crate::plan::{moving, step};

/// For how many seconds it is looked again soon whether AWS shows a copy that was published.
const LATELY: f64 = 3600.0;

/// What it takes to read what an account sees of another's copy. Pages may be empty.
const OF_FOREIGN_COPY: [Operation; 5] = [
    Operation::DescribeImages,
    Operation::DescribeImages,
    Operation::DescribeImages,
    Operation::GetAllowedImagesSettings,
    Operation::GetAllowedImagesSettings,
];

/// The owner of an image that is another account's.
pub(super) struct Followed {
    pub(super) owner: AccountId,
    /// The owner's migration, where it is there.
    pub(super) migration: Option<Arc<AMIMigration>>,
    /// Whether its policy has it go on.
    pub(super) active: bool,
}

/// Whose a migration's image is, where that is another account's.
pub(super) fn followed(
    migration: &AMIMigration,
    of: &CopyIdentity,
    ctx: &Context,
) -> Result<Option<Followed>, Malformed> {
    let Some(owner) = &migration.spec.owner_account_id else {
        return Ok(None);
    };
    let owner: AccountId = owner.parse()?;
    let migration = of_owner(ctx, &of.source, &of.scope.region);
    let migration = migration.filter(|migration| migration.spec.account_id == owner.as_str());
    let target = migration.as_ref().and_then(|migration| super::owner(migration, ctx));
    let active = target.is_some_and(|target| {
        let spec = &target.spec;
        spec.mode == Mode::Enforce && !spec.suspend && !policy::is_withdrawn(&target, &ctx.policies)
    });
    Ok(Some(Followed {
        owner,
        migration,
        active,
    }))
}

impl MigrationReconciler<'_> {
    /// What the account is known to see of images of others, and whether it lets its people launch them.
    pub(super) fn known_foreign(&self) -> BTreeMap<ImageId, ForeignCopy> {
        let round = self.picture_began();
        if self.follows.is_none() {
            return BTreeMap::new();
        }
        let now = self.ctx.clock.now();
        let known = self.shared(|shared| shared.allowed_images.known(round, now).cloned());
        let Some(allowed) = known.flatten() else {
            return BTreeMap::new();
        };
        let images = self
            .ctx
            .registry
            .memory
            .foreign(&self.uid, round, self.ctx.clock.monotonic());
        let with = |image| ForeignCopy {
            image,
            allowed: allowed.clone(),
        };
        images.into_iter().map(|(id, image)| (id, with(image))).collect()
    }

    /// Reads what the account sees of another's image.
    pub(super) async fn read_foreign(&self, session: &Session, image: &ImageId) -> Result<ForeignCopy, AwsError> {
        session.reserve(&OF_FOREIGN_COPY)?;
        let mut seen = ForeignCopy {
            allowed: self.allowed_images(session).await?,
            image: session.foreign_image(image).await?,
        };
        if moving::asks_settings_again(&seen, self.published_at(), self.ctx.clock.now()) {
            seen.allowed = self.read_allowed_images(session).await?;
        }
        // What does not show yet is looked for again, as long as it may be on its way.
        if seen.image.is_some() || !self.was_published_lately() {
            let (memory, now) = (&self.ctx.registry.memory, self.ctx.clock.monotonic());
            memory.saw_foreign(&self.uid, self.picture_began(), image.clone(), seen.image.clone(), now);
        }
        Ok(seen)
    }

    /// Reads which images of others the account lets its people launch: once in five minutes for all migrations of its target, and for each
    /// reading of what launches images there.
    async fn allowed_images(&self, session: &Session) -> Result<AllowedImages, AwsError> {
        let (round, now) = (self.picture_began(), self.ctx.clock.now());
        match self.shared(|shared| shared.allowed_images.ask(round, now, |_| true)) {
            Some(Ask::Known(settings)) => return Ok(settings),
            Some(Ask::Later(wait)) => return Err(is_being_asked(Operation::GetAllowedImagesSettings, wait)),
            // Where nothing is known of the target any more, nothing is kept either.
            Some(Ask::Now) | None => {}
        }
        self.read_allowed_images(session).await
    }

    /// The same, whatever is known of them.
    async fn read_allowed_images(&self, session: &Session) -> Result<AllowedImages, AwsError> {
        let round = self.picture_began();
        let answer = session.allowed_images().await;
        let now = self.ctx.clock.now();
        self.shared(|shared| match &answer {
            Ok(settings) => shared.allowed_images.read(settings.clone(), round, now),
            Err(_) => shared.allowed_images.failed(),
        });
        answer
    }

    /// Works on what is read once for all migrations of the target.
    pub(super) fn shared<T>(&self, work: impl FnOnce(&mut SharedReads) -> T) -> Option<T> {
        let uid = self.target.uid().unwrap_or_default();
        self.ctx.registry.shared(&self.target.name_any(), &uid, work)
    }

    /// Whether the owner of the image has published its copy within the hour.
    fn was_published_lately(&self) -> bool {
        let at = self.published_at();
        at.is_some_and(|at| self.ctx.clock.now().duration_since(at).as_secs_f64() < LATELY)
    }

    /// When the owner of the image has published its copy.
    fn published_at(&self) -> Option<Timestamp> {
        let owner = self.follows.as_ref().and_then(|follows| follows.migration.as_deref());
        owner.and_then(step::published_at)
    }
}

/// The visit to another migration has just asked the same, and this one comes back for the answer.
pub(super) fn is_being_asked(operation: Operation, wait: Duration) -> AwsError {
    AwsError {
        retry_after: Some(wait),
        ..AwsError::new(operation, ErrorClass::Throttled, Some(Cause::NoRoom))
    }
}
