//! What the other policies of a plan would have on record in the same account and region. Where there is a controller, that is in their
//! migrations.

use std::collections::{HashMap, HashSet};

use super::Seen;
use crate::api::{ImageClass, OtherKey};
use crate::domain::{Image, ImageId, KeyArn};
use crate::plan::adopt::{self, Adoptable, Recorded};
use crate::plan::classify::{Criteria, Older, TheirCopies, class_of};
use crate::plan::naming::CopyIdentity;
use crate::plan::select::{Selection, Selector};

/// Another policy for the same account and region.
#[derive(Debug, Clone)]
pub struct Other {
    /// Its name.
    pub policy: String,
    /// What it selects.
    pub selector: Selector,
    /// What it has become of images under another key.
    pub other_key: OtherKey,
    /// Its key. Where that could not be read, it is not known which copies are its own.
    pub key: Option<KeyArn>,
    /// Whether it is older than the one that the plan is for.
    pub is_older: bool,
}

impl Other {
    /// The policy as one whose images are its own, if it is older.
    pub(super) fn older(&self) -> Option<Older> {
        self.is_older.then(|| Older {
            policy: self.policy.clone(),
            selector: self.selector.clone(),
        })
    }
}

/// What the others would have on record of images that have a copy.
#[derive(Debug, Default)]
pub(super) struct OnRecord {
    /// The images, and whose they are.
    pub(super) contested: HashMap<ImageId, String>,
    /// Their copies.
    pub(super) theirs: TheirCopies,
}

/// Finds out what the other policies would have on record. `selector` is that of the policy that the plan is for.
pub(super) fn on_record(seen: Seen<'_>, selector: &Selector) -> OnRecord {
    let mut on_record = OnRecord::default();
    if seen.others.is_empty() {
        return on_record;
    }
    let (inventory, region) = (seen.inventory, &seen.scope.region);
    for source in inventory.images.values() {
        if inventory.copies_of(&source.id, region).next().is_none() {
            continue;
        }
        let Some(other) = governor(seen.others, selector, source) else {
            continue;
        };
        let Some(key) = other.key.as_ref().filter(|key| migrates(other, key, source, seen)) else {
            continue;
        };
        let of = CopyIdentity {
            scope: seen.scope.clone(),
            source: source.id.clone(),
            key: key.clone(),
        };
        let copy = adopt::find(&of, source, inventory).map(|copy| match copy {
            Adoptable::Verified { image, .. }
            | Adoptable::InFlight { image, .. }
            | Adoptable::Disabled { image, .. } => image,
        });
        let theirs = &mut on_record.theirs;
        theirs.recorded.extend(copy.map(|copy| (copy, other.policy.clone())));
        theirs.keys.insert(source.id.clone(), key.clone());
        on_record.contested.insert(source.id.clone(), other.policy.clone());
    }
    on_record
}

/// The other policy that governs an image: the oldest of all that select it, unless that is the one that the plan is for.
fn governor<'a>(others: &'a [Other], selector: &Selector, image: &Image) -> Option<&'a Other> {
    let selects = |other: &&Other| other.selector.select(image) == Selection::Selected;
    let (mut older, mut younger) = (
        others.iter().filter(|other| other.is_older),
        others.iter().filter(|other| !other.is_older),
    );
    older.find(selects).or_else(|| {
        let is_ours = selector.select(image) == Selection::Selected;
        if is_ours { None } else { younger.find(selects) }
    })
}

/// Whether a policy that governs an image has a migration for it.
fn migrates(other: &Other, key: &KeyArn, image: &Image, seen: Seen<'_>) -> bool {
    let none = HashSet::new();
    let terms = Criteria {
        scope: seen.scope,
        selector: &other.selector,
        other_key: other.other_key,
        key: Some(key),
        contested: &HashMap::new(),
        theirs: &TheirCopies::default(),
        older: &[],
        ours: &none,
        copies: &none,
        recorded: Recorded::default(),
        pinned: &HashMap::new(),
    };
    match class_of(image, seen.inventory, terms) {
        Some(ImageClass::Unencrypted | ImageClass::Superseded) => true,
        Some(ImageClass::OtherKey) => other.other_key == OtherKey::Migrate,
        _ => false,
    }
}
