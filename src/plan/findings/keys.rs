//! Keys that images are encrypted under.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Finding, Subject};
use crate::domain::{Image, KeyArn, KeyState, Rotation};

/// So many images are named; of the others it is said how many there are.
const NAMED: usize = 3;

/// Images that are encrypted under one key.
#[derive(Default)]
pub(super) struct Under<'a> {
    all: Vec<&'a Image>,
    /// Those of which a snapshot can be read by no other key.
    pub(super) only: Vec<&'a Image>,
}

impl<'a> Subject<'a> {
    /// The keys that images are encrypted under.
    pub fn keys(&self) -> BTreeSet<KeyArn> {
        self.by_key().into_keys().cloned().collect()
    }

    pub(super) fn by_key(&self) -> BTreeMap<&'a KeyArn, Under<'a>> {
        let inventory = self.inventory;
        let mut keys: BTreeMap<&KeyArn, Under<'_>> = BTreeMap::new();
        for image in self.images() {
            // Whether all snapshots under the key can be read by another one too.
            let mut of_image: BTreeMap<&KeyArn, bool> = BTreeMap::new();
            let snapshots = image.volumes().filter_map(|(_, _, id)| inventory.snapshots.get(id));
            for snapshot in snapshots {
                if let Some(key) = &snapshot.key {
                    *of_image.entry(key).or_insert(true) &= snapshot.also().is_some();
                }
            }
            for (key, has_another) in of_image {
                let under = keys.entry(key).or_default();
                under.all.push(image);
                if !has_another {
                    under.only.push(image);
                }
            }
        }
        keys
    }

    pub(super) fn key_findings(&self, found: &mut Vec<Finding>) {
        for (key, under) in self.by_key() {
            let Some(Ok(health)) = self.observed.keys.get(key) else {
                continue;
            };
            let mut add = |check, state: &str, images: &[&Image]| {
                if !images.is_empty() {
                    let what = format!("{key} {state}, and {} encrypted under it.", named(images));
                    found.push(self.finding(check, key.to_string(), what, None));
                }
            };
            match &health.state {
                KeyState::Usable => {}
                KeyState::Disabled => add(Check::KeyDisabled, "is disabled", &under.only),
                KeyState::PendingDeletion(None) => add(Check::KeyDisabled, "is to be deleted", &under.only),
                KeyState::PendingDeletion(Some(at)) => {
                    let day = at.to_zoned(jiff::tz::TimeZone::UTC).date();
                    add(Check::KeyDisabled, &format!("is to be deleted on {day}"), &under.only);
                }
                KeyState::Unavailable => {
                    let state = "has no key material, or KMS cannot reach it";
                    add(Check::KeyDisabled, state, &under.only);
                }
                KeyState::Gone => add(Check::KeyDisabled, "is gone", &under.only),
            }
            if let Ok(Rotation::Off) = health.rotation {
                add(Check::KeyWithoutRotation, "is not rotated", &under.all);
            }
        }
    }
}

/// Names of images and a verb, for a sentence.
fn named(images: &[&Image]) -> String {
    let mut names: Vec<&str> = images.iter().map(|image| &*image.name).collect();
    names.sort_unstable();
    names.truncate(NAMED);
    let more = images.len().saturating_sub(names.len());
    let verb = if images.len() == 1 { "is" } else { "are" };
    match more {
        0 => format!("{} {verb}", names.join(", ")),
        _ => format!("{} and {more} more {verb}", names.join(", ")),
    }
}
