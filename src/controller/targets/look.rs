//! The quick look for new images between two scans, where the policy asks for it. It only adds to what the last scan has shown.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use super::TargetReconciler;
use crate::aws::AwsError;
use crate::controller::registry::jittered;
use crate::domain::{Inventory, Snapshots};
use crate::plan::look::{self, LookResult, News};

impl TargetReconciler<'_> {
    /// When the next look is due; none where the policy asks for none, and before the first scan.
    pub(super) fn look_due(&self) -> Option<Timestamp> {
        let settings = self.target.spec.new_images.as_ref();
        let every: Option<Duration> = settings.map(|settings| settings.look_every.as_std());
        self.state(|state| state.looks.due(every))
    }

    /// A scan has shown everything: the next look begins where it began.
    pub(super) fn has_scanned_new_images(&self) {
        let (followed, now) = (self.recorded_copies(), self.ctx.clock.now());
        self.state(|state| {
            let Some(inventory) = &state.inventory else { return };
            let images = inventory.images.values().map(|image| &**image);
            let unfinished = look::unfinished(images, &followed);
            state.looks.covered(inventory.scanned, unfinished, now);
        });
    }

    /// Looks for new images, when that is due. What it finds is classified and gets its migrations as after a scan.
    pub(super) async fn look_for_new_images(&self) {
        let began = self.ctx.clock.now();
        if self.look_due().is_none_or(|due| due > began) {
            return;
        }
        let system_time = self.ctx.clock.system_time();
        let (inventory, days) = self.state(|state| (state.inventory.clone(), state.looks.days(began, system_time)));
        let Some(inventory) = inventory else { return };
        let read = self.read_new_images(&inventory, &days).await;
        // What nobody else holds is changed in its place.
        drop(inventory);
        let result = match read {
            Ok((news, snapshots)) => self.take_in_news(news, snapshots, began),
            Err(error) => {
                self.note(&error);
                let now = self.ctx.clock.now();
                let spread = |wait| jittered(wait, &self.name);
                let failures = self.state(|state| state.looks.failed(&error, now, spread));
                tracing::warn!(%error, failures, "could not look for new images");
                LookResult::Failed
            }
        };
        self.ctx.metrics.targets.looked(&self.name, result);
    }

    /// Reads what was made on these days, and of what is new as much as a scan does.
    async fn read_new_images(
        &self,
        inventory: &Inventory,
        days: &BTreeSet<Date>,
    ) -> Result<(News, Snapshots), AwsError> {
        let shown = self.session.images_made_on(days).await?;
        let mut news = News::of(shown, inventory, &self.recorded_copies());
        let snapshots = self.session.snapshots(&news.snapshots(inventory)).await?;
        news.leave_incomplete(inventory, &snapshots);
        Ok((news, snapshots))
    }

    /// Adds what a look that began at `began` has found to what is known.
    fn take_in_news(&self, news: News, snapshots: Snapshots, began: Timestamp) -> LookResult {
        let News { images, unfinished } = news;
        for image in &images {
            if let Some(why) = &image.unread {
                tracing::warn!(image = %image.id, why, "AWS's answer about an image cannot be read");
            }
        }
        let now = self.ctx.clock.now();
        let found = self.state(|state| {
            state.looks.covered(began, unfinished, now);
            match &mut state.inventory {
                Some(inventory) if !images.is_empty() => Arc::make_mut(inventory).take_in(images, snapshots),
                _ => 0,
            }
        });
        if found == 0 {
            return LookResult::Nothing;
        }
        tracing::info!(images = found, "found new images between two scans");
        self.classify();
        self.wake_migrations();
        LookResult::Found
    }
}
