//! What the next step of a migration is decided on.

use kube::ResourceExt;

use super::MigrationReconciler;
use super::consumers::Looked;
use crate::api::{AMIMigrationStatus, MigrationState, TagPublication};
use crate::controller::targets::is_controlled_by;
use crate::domain::ImageId;
use crate::plan::obstacle::Problem;
use crate::plan::promote;
use crate::plan::proof::Kind;
use crate::plan::step::{Account, Answers, Facts, Follows, Grants, Memory, Record};

impl MigrationReconciler<'_> {
    /// What the next step is decided on.
    pub(super) fn facts<'a>(
        &'a self,
        current: &'a AMIMigrationStatus,
        problem: Option<&'a Problem>,
        answers: &'a Answers,
        looked: &'a Looked,
    ) -> Facts<'a> {
        let memory = &self.ctx.registry.memory;
        Facts {
            of: &self.of,
            settings: &self.target.spec,
            record: Record {
                uid: &self.uid,
                status: current,
                generation: self.migration.metadata.generation,
                retry: self.retry(),
                approval: self.migration.spec.approval,
                approved_by: self.migration.spec.approved_by.as_deref(),
                desired: self.migration.spec.desired,
            },
            account: self.account(),
            memory: Memory {
                known_since: memory.known_since(self.migration, self.ctx.clock.now()),
                extra_attempt_after: memory.extra_attempt_after(&self.uid),
                unseen: self.has_never_seen_copy(current),
                problem,
                consumers: &looked.consumers,
                key_access: looked.key_access.as_ref(),
                foreign: &looked.foreign,
                fresh: &looked.fresh,
            },
            grants: Grants {
                copy: self.is_admitted(),
                publish_tags: !self.older_unpublished(),
                launch: self.may_prove(Kind::Launch, current),
                job: self.may_prove(Kind::Job, current),
                turn: self.turn(),
                failures: self.failures(),
                refreshing: self.refreshing(),
            },
            follows: self.follows.as_ref().map(|followed| Follows {
                owner: &followed.owner,
                migration: followed.migration.as_deref(),
                active: followed.active,
            }),
            answers,
            system_time: self.ctx.clock.system_time(),
        }
    }

    fn account(&self) -> Account<'_> {
        let view = &self.view;
        Account {
            inventory: view.inventory.as_deref(),
            scanned_since_created: view.scanned_since_created,
            looked_since_created: view.looked_since_created,
            key: &view.key,
            source_keys: &view.source_keys,
            denied: view.denied.as_ref(),
            unanswered: view.unanswered,
            picture: view.picture.as_deref(),
        }
    }

    fn is_admitted(&self) -> bool {
        self.ctx
            .registry
            .copy_budget(&self.of.scope, |budget| budget.is_granted(&self.of.source))
    }

    /// Whether AWS has never shown the copy on record, as far as this process has seen.
    fn has_never_seen_copy(&self, status: &AMIMigrationStatus) -> bool {
        let copy = status.copy.as_ref().and_then(|copy| copy.image_id.as_deref());
        let Some(copy) = copy.and_then(|id| id.parse::<ImageId>().ok()) else {
            return false;
        };
        let inventory = self.view.inventory.as_ref();
        let is_shown = inventory.is_some_and(|inventory| inventory.images.contains_key(&copy));
        self.ctx.registry.memory.was_never_seen(&self.uid, &copy, is_shown)
    }

    /// Whether an older original of the same target still waits for its tags to be published: they are published in the
    /// order of the originals' creation, as people pick «the newest image with this tag».
    fn older_unpublished(&self) -> bool {
        let promotion = &self.target.spec.promotion;
        let status = self.migration.status.as_ref();
        // All neighbours are looked at, which is not for every visit to each of thousands that are done.
        let is_done = status
            .is_some_and(|s| s.state == Some(MigrationState::Completed) && s.promotion == Some(promotion.published()));
        if promotion.tags != TagPublication::Publish || is_done {
            return false;
        }
        let Some(inventory) = &self.view.inventory else {
            return false;
        };
        let created = |id: &ImageId| inventory.images.get(id).and_then(|image| image.created);
        let ours = created(&self.of.source);
        let uid = self.target.uid().unwrap_or_default();
        let published = promotion.published();
        self.neighbours()
            .iter()
            .filter(|m| promote::is_waited_for(m.status.as_ref(), &published) && is_controlled_by(m, &uid))
            .filter_map(|m| m.spec.source_image_id.parse::<ImageId>().ok())
            .any(|source| source != self.of.source && created(&source).is_some_and(|other| Some(other) < ours))
    }
}
