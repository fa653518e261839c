//! Writing the status of a migration, and the Events that go with it.

use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::MigrationReconciler;
use crate::api::{AMIMigrationStatus, ImageUsage, MigrationState, conditions};
use crate::controller::apply::{Outcome, write_status};
use crate::controller::targets::newly_true;
use crate::controller::usage::quiet_until;
use crate::domain::ImageId;
use crate::plan::allowance::Urgency;
use crate::plan::usage::{keys, record};

impl MigrationReconciler<'_> {
    /// Whether what a status says of a finished copy is seen to be so: what somebody else may have written is not written anew.
    pub(super) fn stands(&self, status: &AMIMigrationStatus) -> bool {
        if status.state != Some(MigrationState::Completed) {
            return true;
        }
        let copy = status.copy.as_ref().and_then(|copy| copy.image_id.as_deref());
        let copy = copy.and_then(|id| id.parse::<ImageId>().ok());
        let images = self.view.inventory.as_ref().map(|inventory| &inventory.images);
        copy.zip(images)
            .and_then(|(copy, images)| images.get(&copy))
            .is_some_and(|copy| copy.is_there())
    }

    pub(super) async fn write_or(
        &self,
        status: AMIMigrationStatus,
        current: &AMIMigrationStatus,
        otherwise: Action,
    ) -> Result<Action, kube::Error> {
        if status == *current {
            Ok(otherwise)
        } else {
            let usage = self.usage(current);
            self.write(&AMIMigrationStatus { usage, ..status }, current, Urgency::Now)
                .await
        }
    }

    /// Who uses the original, as it is to be on record. What was recorded stays until something newer is known.
    pub(super) fn usage(&self, current: &AMIMigrationStatus) -> Option<ImageUsage> {
        let settings = &self.target.spec;
        if !settings.consumers.read || current.source_gone_time.is_some() {
            return None;
        }
        let recorded = current.usage.as_ref();
        let image = self
            .view
            .inventory
            .as_ref()
            .and_then(|inventory| inventory.images.get(&self.of.source));
        let (Some(picture), Some(inventory), Some(image)) = (&self.view.picture, &self.view.inventory, image) else {
            return recorded.cloned();
        };
        let now = quiet_until(self.ctx, inventory);
        let fresh = ImageUsage {
            key_access: keys::rows(picture, &image.id, &self.of.key, &self.of.scope),
            ..record::of_image(picture, image, settings.unused.after.as_std(), now)
        };
        Some(record::amended(recorded, fresh))
    }

    /// Writes the status that was decided on; the change leads to the next step.
    pub(super) async fn write(
        &self,
        status: &AMIMigrationStatus,
        current: &AMIMigrationStatus,
        urgency: Urgency,
    ) -> Result<Action, kube::Error> {
        match write_status(self.ctx, self.migration, status, urgency).await? {
            Outcome::Written => {}
            Outcome::Gone => return Ok(Action::await_change()),
            Outcome::Discarded(wait) => return Ok(Action::requeue(self.ctx.clock.to_real_time(wait))),
        }
        self.tell(status, current).await;
        Ok(Action::await_change())
    }

    /// Events for what people care about: done, or stuck.
    async fn tell(&self, status: &AMIMigrationStatus, current: &AMIMigrationStatus) {
        let failures = |status: &AMIMigrationStatus| status.copy.as_ref().and_then(|copy| copy.failures);
        if failures(status).unwrap_or(0) > failures(current).unwrap_or(0) {
            self.ctx.metrics.targets.copy_failed(&self.target.name_any());
        }
        let is_done = |status: &AMIMigrationStatus| status.state == Some(MigrationState::Completed);
        if is_done(status)
            && !is_done(current)
            && let Some(ready) = conditions::find(&status.conditions, conditions::READY)
        {
            self.ctx
                .events
                .normal(self.migration, &ready.reason, "Migrate", &ready.message)
                .await;
        }
        if newly_true(conditions::PROMOTED, &current.conditions, &status.conditions).is_some() {
            let asked = status.copy.as_ref().and_then(|copy| copy.requested_at.as_ref());
            if let Some(asked) = asked {
                let seconds = self.ctx.clock.now().duration_since(asked.0).as_secs_f64();
                self.ctx.metrics.copy_duration.observe(seconds);
            }
        }
        self.tell_of_consumers(status, current).await;
        if let Some((reason, message)) = newly_true(conditions::STALLED, &current.conditions, &status.conditions) {
            self.ctx
                .events
                .warning(self.migration, reason, "Migrate", message)
                .await;
        }
    }
}
