//! What is wrong in the region as a whole: its settings, its trails, its snapshots.

use std::collections::{BTreeMap, BTreeSet};

use super::unread::check_of;
use super::{Check, Finding, Subject};
use crate::domain::{CopyRecord, Image, Inventory, Snapshot, SnapshotId, Trail};

/// What the finding on trails is about.
pub(super) const TRAILS: &str = "CloudTrail";

impl<'a> Subject<'a> {
    /// Settings that do not hold. What could not be read is no finding: the report says that it is unknown.
    pub(super) fn guardrails(&self, found: &mut Vec<Finding>) {
        for state in self.observed.guardrails.iter().filter(|state| !state.holds) {
            let Ok(named) = &state.state else { continue };
            let check = check_of(state.guardrail);
            let what = format!("{} is {named}.", state.guardrail);
            found.push(self.finding(check, state.guardrail.to_string(), what, None));
        }
    }

    /// Whether anything that is done in the region is on record.
    pub(super) fn trails(&self, found: &mut Vec<Finding>) {
        let Ok(trails) = &self.observed.trails else { return };
        let of_all: Vec<&Trail> = trails.iter().filter(|trail| trail.multi_region).collect();
        // One of which it is not known whether it logs may.
        if of_all.iter().any(|trail| trail.logs != Ok(false)) {
            return;
        }
        let arns: Vec<&str> = of_all.iter().map(|trail| &*trail.arn).collect();
        let what = if arns.is_empty() {
            "There is no trail of all regions.".to_owned()
        } else {
            format!("No trail of all regions logs: {}.", arns.join(", "))
        };
        found.push(self.finding(Check::CloudTrailOff, TRAILS.to_owned(), what, None));
    }

    /// Snapshots that everybody can make volumes of.
    pub(super) fn public_snapshots(&self, found: &mut Vec<Finding>) {
        let Ok(public) = &self.observed.public_snapshots else {
            return;
        };
        let used = |image: &'a Image| image.volumes().map(move |(_, _, id)| (id, image));
        let images: BTreeMap<&SnapshotId, &Image> = if public.is_empty() {
            BTreeMap::new()
        } else {
            self.images().flat_map(used).collect()
        };
        for id in public {
            let image = images.get(id).copied();
            let of = image.map(|image| format!(" of {} ({})", image.id, image.name));
            let what = format!("Everybody can make volumes of {id}{}.", of.unwrap_or_default());
            found.push(self.finding(Check::PublicSnapshot, id.to_string(), what, image));
        }
    }

    /// Snapshots that were made for images that are gone.
    pub(super) fn orphan_snapshots(&self, found: &mut Vec<Finding>) {
        // That a listing lacks an image proves nothing: it may be younger than the listing, or on none of its pages.
        let Ok(foreign) = &self.observed.foreign else { return };
        for (id, snapshot, record) in perhaps_orphans(self.inventory) {
            if !foreign.missing.contains(&record.image) {
                continue;
            }
            let (check, how) = if snapshot.encrypted {
                (Check::OrphanSnapshot, "")
            } else {
                (Check::UnencryptedOrphanSnapshot, " is not encrypted and")
            };
            let cost = self.for_up_to(u64::try_from(snapshot.size_gib).unwrap_or_default());
            let what = format!(
                "{id} of {} GiB{cost}{how} was made for {}, which is gone.",
                snapshot.size_gib, record.image
            );
            found.push(self.finding(check, id.to_string(), what, None));
        }
    }
}

/// Snapshots that no image has, and that were made for an image that the inventory lacks.
pub fn perhaps_orphans(inventory: &Inventory) -> impl Iterator<Item = (&SnapshotId, &Snapshot, &CopyRecord)> {
    let images = inventory.images.values();
    let used: BTreeSet<&SnapshotId> = images.flat_map(|image| image.volumes().map(|(_, _, id)| id)).collect();
    let records = inventory.snapshots.iter().filter_map(|(id, snapshot)| {
        let record = snapshot.copied.as_deref()?;
        Some((id, snapshot, record))
    });
    records.filter(move |(id, _, record)| !used.contains(*id) && !inventory.images.contains_key(&record.image))
}
