//! Letting copies start, within what AWS and the policy allow in this account and region.

use std::collections::HashMap;

use jiff::Timestamp;
use kube::ResourceExt;

use super::Work;
use super::look::{copy_of, is_stalled, state};
use crate::api::{AMIMigration, MigrationState};
use crate::domain::{ImageId, ImageState, Inventory};
use crate::plan::obstacle;
use crate::plan::schedule::{self, Asked, Candidate, Shortage};

impl Work<'_> {
    /// Admits what fits, wakes who was admitted, and says when to look at the copies in flight next.
    pub(super) fn admit(&self) {
        let (inventory, key, progress) =
            self.place(|place| (place.inventory.clone(), place.key.view.clone(), place.progress.clone()));
        let Some(inventory) = inventory else { return };
        let now = self.ctx.clock.now();
        let asked = self.asked(&inventory);
        let candidates = if key.arn().is_some() && key.problem().is_none() {
            self.candidates(&inventory)
        } else {
            HashMap::new()
        };
        let limit = self.target.spec.copy.max_concurrent_snapshots;
        let (admitted, in_flight, shortage) = self.ctx.fleet.slots(&self.account, &self.region, |slots| {
            // A grant ends when the intent is on record, or when the migration no longer wants it.
            slots.granted.retain(|source, _| self.still_pending(source));
            slots.cap = slots.cap.filter(|(_, until)| *until > now);
            let budget = slots.cap.map_or(limit, |(cap, _)| cap.min(limit));
            let granted: u32 = slots.granted.values().sum();
            let in_flight = schedule::in_flight(&progress, &asked).saturating_add(granted);
            let waiting: Vec<Candidate> = candidates
                .values()
                .filter(|candidate| !slots.granted.contains_key(&candidate.source))
                .cloned()
                .collect();
            let (admitted, head) = schedule::admit(waiting.clone(), in_flight, budget, slots.head.as_ref());
            slots.head = head;
            for candidate in &admitted {
                slots.granted.insert(candidate.source.clone(), candidate.snapshots);
            }
            let taken = in_flight + admitted.iter().map(|c| c.snapshots).sum::<u32>();
            let smallest = waiting
                .iter()
                .filter(|c| !admitted.contains(c))
                .map(|c| c.snapshots)
                .min();
            let shortage = smallest.map(|size| Shortage {
                budget,
                free: budget.saturating_sub(taken),
                missing: (size + taken).saturating_sub(budget),
            });
            (admitted, taken, shortage)
        });
        for candidate in &admitted {
            tracing::debug!(target = self.name, image = %candidate.source, "admitted");
            self.wake(&candidate.source);
        }
        self.ctx
            .metrics
            .snapshots_in_flight(&self.account, &self.region, in_flight);
        self.place(|place| {
            if in_flight == 0 && shortage.is_none() && !self.follows() {
                place.poll_due = None;
            } else if place.poll_due.is_none() || !admitted.is_empty() {
                let wait = schedule::next_poll(&place.progress, shortage, now, self.ctx.options.poll);
                let due = now + wait;
                place.poll_due = Some(place.poll_due.map_or(due, |old| old.min(due)));
            }
        });
    }

    /// Whether a migration of this target waits for what the next look may show.
    fn follows(&self) -> bool {
        let waits = |m: &AMIMigration| matches!(state(m), MigrationState::Copying | MigrationState::Verifying);
        self.migrations.iter().any(|m| waits(m) && !is_stalled(m))
    }

    /// Copies of this account and region that were asked for and are not known to be done, whichever policy asked.
    fn asked(&self, inventory: &Inventory) -> Vec<Asked> {
        let spec = &self.target.spec;
        self.ctx
            .migrations
            .state_filter(|m| {
                m.spec.account_id == spec.account_id
                    && m.spec.region == spec.region
                    && state(m) == MigrationState::Copying
                    && !is_stalled(m)
            })
            .iter()
            .filter_map(|m| {
                let image = copy_of(m);
                let done = image
                    .as_ref()
                    .and_then(|id| inventory.images.get(id))
                    .is_some_and(|image| {
                        matches!(
                            image.state,
                            ImageState::Available | ImageState::Failed | ImageState::Deregistered
                        )
                    });
                let copy = m.status.as_ref()?.copy.as_ref()?;
                let at = copy.requested_at.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
                (!done).then(|| Asked {
                    image,
                    snapshots: snapshots_of(m, inventory),
                    at,
                })
            })
            .collect()
    }

    fn candidates(&self, inventory: &Inventory) -> HashMap<ImageId, Candidate> {
        self.migrations
            .iter()
            .filter(|m| state(m) == MigrationState::Pending && !is_stalled(m))
            .filter_map(|m| {
                let source: ImageId = m.spec.source_image_id.parse().ok()?;
                let image = inventory.images.get(&source)?;
                let uid = m.uid()?;
                let looked = self.place(|place| place.covered.contains(&uid));
                (looked && obstacle::of_image(image).is_none()).then(|| {
                    let candidate = Candidate {
                        source: source.clone(),
                        snapshots: image.snapshot_count(),
                        created: image.created,
                    };
                    (source, candidate)
                })
            })
            .collect()
    }

    fn still_pending(&self, source: &ImageId) -> bool {
        let spec = &self.target.spec;
        self.ctx
            .migrations
            .state_filter(|m| {
                m.spec.source_image_id == source.as_str()
                    && m.spec.account_id == spec.account_id
                    && m.spec.region == spec.region
            })
            .iter()
            .any(|m| state(m) == MigrationState::Pending && !is_stalled(m))
    }

    fn wake(&self, source: &ImageId) {
        for migration in self
            .migrations
            .iter()
            .filter(|m| m.spec.source_image_id == source.as_str())
        {
            self.ctx.fleet.wake_migration(&migration.name_any());
        }
    }
}

fn snapshots_of(migration: &AMIMigration, inventory: &Inventory) -> u32 {
    let source = migration.spec.source_image_id.parse().ok();
    source
        .and_then(|id: ImageId| inventory.images.get(&id))
        .map_or(1, |image| image.snapshot_count())
}
