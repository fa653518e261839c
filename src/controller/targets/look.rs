//! The quick look for new images between two scans, where the policy asks for it. It only adds to what the last scan has shown.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use kube::ResourceExt;

use super::TargetReconciler;
use crate::aws::AwsError;
use crate::controller::registry::jittered;
use crate::domain::{Image, ImageId, Inventory, Snapshots};
use crate::plan::look::{LookResult, News};

impl TargetReconciler<'_> {
    /// When the next look is due; none where the policy asks for none, before the first scan, and while scans fail.
    pub(super) fn look_due(&self) -> Option<Timestamp> {
        let settings = self.target.spec.new_images.as_ref();
        let every: Option<Duration> = settings.map(|settings| settings.look_every.as_std());
        self.state(|state| state.looks.due(every, &state.scans))
    }

    /// Whether looks show what is new; nothing where that cannot be said.
    pub(super) fn looks_succeed(&self) -> Option<bool> {
        self.state(|state| {
            let hinders = state.scans.problem().or(state.copies.problem());
            state.looks.succeed(hinders)
        })
    }

    /// A scan has shown everything: the next look begins where it began.
    pub(super) fn has_scanned_new_images(&self) {
        let (on_record, now) = (self.copies_on_record(), self.ctx.clock.now());
        self.state(|state| {
            let Some(inventory) = &state.inventory else { return };
            state.looks.scanned(inventory, &on_record, now);
        });
    }

    /// Looks for new images, when that is due. What it finds gets its migrations in a visit of its own.
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
        inventory: &Arc<Inventory>,
        days: &BTreeSet<Date>,
    ) -> Result<(News, Snapshots), AwsError> {
        let shown = self.session.images_made_on(days, inventory.clone()).await?;
        let on_record = self.copies_on_record();
        let mut news = self.state(|state| state.looks.news(shown, inventory, &on_record));
        let snapshots = self.session.snapshots(&news.snapshots(inventory)).await?;
        news.leave_incomplete(inventory, &snapshots);
        Ok((news, snapshots))
    }

    /// Adds what a look that began at `began` has found to what is known, and lets the migrations concerned go on.
    fn take_in_news(&self, news: News, snapshots: Snapshots, began: Timestamp) -> LookResult {
        let now = self.ctx.clock.now();
        let images = self.state(|state| state.looks.looked(began, news, now));
        if images.is_empty() {
            return LookResult::Nothing;
        }
        tracing::info!(images = images.len(), "took in images between two scans");
        let sources: HashSet<ImageId> = images.iter().flat_map(sources_of).collect();
        self.state(|state| {
            if let Some(inventory) = &mut state.inventory {
                Arc::make_mut(inventory).take_in(images, snapshots);
            }
        });
        self.classify();
        let is_concerned = |source: &str| source.parse::<ImageId>().is_ok_and(|source| sources.contains(&source));
        for migration in self.migrations.iter().filter(|m| is_concerned(&m.spec.source_image_id)) {
            self.ctx.registry.wake_migration(&migration.name_any());
        }
        self.ctx.registry.wake_target(&self.name);
        LookResult::Found
    }
}

/// The images whose migrations an image concerns: its own, and that of what it was copied from.
fn sources_of(image: &Image) -> impl Iterator<Item = ImageId> + use<> {
    let source = image.copied_from.as_ref().map(|source| source.image.clone());
    std::iter::once(image.id.clone()).chain(source)
}
