//! Asking whether the role may do what migrating needs, before any copy is asked for.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::Work;
use super::look::state;
use crate::api::labels::TAG_SOURCE_IMAGE;
use crate::api::{AMIMigration, MigrationState, TagPublication};
use crate::aws::Sample;
use crate::controller::trouble;
use crate::domain::{Image, Inventory, Lacking};
use crate::plan::permit;

/// What is known of the role's permissions.
#[derive(Debug, Default)]
pub(in crate::controller) struct Permits {
    /// The last answer.
    pub(in crate::controller) lacking: Option<Lacking>,
    /// Whether it may not hold any more.
    doubted: bool,
    /// Not before then.
    due: Option<Timestamp>,
    failures: u32,
}

impl Permits {
    /// Has it asked again, though not too soon after the last time.
    pub(in crate::controller) fn doubt(&mut self) {
        self.doubted = true;
    }

    /// After a scan what was missing may have been allowed.
    pub(in crate::controller) fn scanned(&mut self) {
        self.doubted |= self.lacking.as_ref().is_some_and(|lacking| !lacking.is_empty());
    }

    /// A copy is there to ask about what could not be asked about the original.
    pub(in crate::controller) fn copied(&mut self) {
        if self
            .lacking
            .as_ref()
            .is_some_and(|lacking| !lacking.untagged.is_empty())
        {
            self.doubted = true;
            self.due = None;
        }
    }

    /// Whether it is to be asked while there is anything to migrate.
    fn is_wanting(&self) -> bool {
        self.doubted || self.lacking.as_ref().is_none_or(|lacking| !lacking.is_empty())
    }
}

impl Work<'_> {
    /// Asks by dry runs, when that is due. Until the answer is that all is allowed, it is asked again every few minutes.
    pub(super) async fn ask_permissions(&self) {
        let now = self.ctx.clock.now();
        let due = self.place(|place| {
            let permits = &place.permits;
            permits.is_wanting() && permits.due.is_none_or(|due| due <= now)
        });
        if !due {
            return;
        }
        let (inventory, key) = self.place(|place| (place.inventory.clone(), place.key.view.clone()));
        let Some(inventory) = inventory else { return };
        let Some(source) = self.to_ask_about(&inventory) else {
            return;
        };
        let sample = Sample {
            source,
            copy: permit::sample_copy(&inventory).map(|image| &**image),
            key: key.arn(),
            tag: TAG_SOURCE_IMAGE,
            tags: self.target.spec.promotion.tags == TagPublication::Publish,
        };
        let answer = Box::pin(self.session.missing_permissions(sample)).await;
        let now = self.ctx.clock.now();
        let changed = match answer {
            Ok(lacking) => {
                if !lacking.is_empty() {
                    tracing::warn!(target = self.name, ?lacking, "AWS denies what migrating needs");
                }
                self.place(|place| {
                    let changed = place.permits.lacking.as_ref() != Some(&lacking);
                    place.permits = Permits {
                        // Also after a good answer: should it be doubted, it is not asked with every call that is denied.
                        due: Some(now + permit::ASK_AGAIN),
                        lacking: Some(lacking),
                        ..Permits::default()
                    };
                    changed
                })
            }
            Err(error) => {
                self.note(&error);
                self.place(|place| {
                    place.permits.failures += 1;
                    let wait = trouble::retry_after(&error, place.permits.failures);
                    tracing::warn!(target = self.name, %error, "could not ask what the role may do");
                    place.permits.due = Some(now + wait);
                });
                false
            }
        };
        if changed {
            self.wake_migrations();
        }
    }

    /// When to ask again.
    pub(super) fn permissions_due(&self) -> Option<Timestamp> {
        let due = self.place(|place| place.permits.is_wanting().then_some(place.permits.due).flatten())?;
        let inventory = self.place(|place| place.inventory.clone())?;
        self.to_ask_about(&inventory).map(|_| due)
    }

    /// An image that is still to be copied or to be found copied; in doubt also one that is done with.
    fn to_ask_about<'i>(&self, inventory: &'i Inventory) -> Option<&'i Image> {
        let (classified, doubted) = self.place(|place| (place.classified.clone(), place.permits.doubted));
        let classified = classified?;
        let is_completed = |m: &&Arc<AMIMigration>| state(m) == MigrationState::Completed;
        let completed = self.migrations.iter().filter(is_completed);
        let completed: HashSet<&str> = completed.map(|m| m.spec.source_image_id.as_str()).collect();
        classified
            .wanted
            .iter()
            .filter(|wanted| doubted || !completed.contains(wanted.image.as_str()))
            .filter_map(|wanted| inventory.images.get(&wanted.image))
            .map(|image| &**image)
            .find(|image| image.ebs_root)
    }
}
