//! In which class each image is, and which images are to have a migration.

use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::adopt::{self, Adoptable, Recorded};
use super::naming::CopyIdentity;
use super::select::{Selection, Selector};
use super::unknown::{self, Unknown};
use super::verify::{Encryption, encryption};
use crate::api::labels::TAG_SOURCE_IMAGE;
use crate::api::{ImageClass, ImageCounts, OtherKey};
use crate::domain::{Image, ImageId, ImageState, Inventory, KeyArn, Region, Scope};

mod storage;

pub use storage::Storage;

/// What classification depends on besides the inventory.
#[derive(Debug, Clone, Copy)]
pub struct Criteria<'a> {
    /// The account and region.
    pub scope: &'a Scope,
    /// Which images are meant.
    pub selector: &'a Selector,
    /// What is to become of images under another key.
    pub other_key: OtherKey,
    /// The policy's key, if it could be resolved.
    pub key: Option<&'a KeyArn>,
    /// Images that have a migration of another policy, and that policy: it governs them until that is gone.
    pub contested: &'a HashMap<ImageId, String>,
    /// What is known of the copies of those.
    pub theirs: &'a TheirCopies,
    /// Older policies for this account and region: what they select is theirs.
    pub older: &'a [Older],
    /// Images that have a migration of this policy, which goes on whoever else comes to select them.
    pub ours: &'a HashSet<ImageId>,
    /// Copies that unfinished migrations have on record as theirs.
    pub copies: &'a HashSet<ImageId>,
    /// What migrations have found out of copies.
    pub recorded: Recorded<'a>,
    /// Keys that finished migrations had pinned, by their source: a copy under such a key was what the policy asked for
    /// when it was made.
    pub pinned: &'a HashMap<ImageId, KeyArn>,
}

/// Copies of images that have a migration of another policy, as far as that has asked for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TheirCopies {
    /// Those that are on record, and the policies that they are of.
    pub recorded: HashMap<ImageId, String>,
    /// The keys that they are made under, by their source: where an ID is not on record yet, a copy's name and tags say whose it is.
    pub keys: HashMap<ImageId, KeyArn>,
}

/// An older policy for the same account and region.
#[derive(Debug, Clone)]
pub struct Older {
    /// Its name.
    pub policy: String,
    /// What it selects.
    pub selector: Selector,
}

/// An image that is to have a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The image.
    pub image: ImageId,
    /// When it was created.
    pub created: Option<Timestamp>,
}

/// What an inventory amounts to under a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Classified {
    /// How many images are in which class.
    pub counts: ImageCounts,
    /// The images that are to have a migration, oldest first.
    pub wanted: Vec<Wanted>,
    /// Bytes of snapshots that are kept twice, in originals and in their verified copies: each snapshot of the originals once, as those go
    /// with them.
    pub duplicate_bytes: u64,
    /// Images whose encryption cannot be told for a cause of their own.
    pub unknown: Unknown,
    /// The oldest of the images that are not encrypted and have no copy, at most [`NAMED`] of them.
    pub unencrypted: Vec<Named>,
    /// How many images each other policy governs, of those that this one selects too.
    pub contested: BTreeMap<String, u32>,
    /// Copies of ours whose original is gone.
    pub orphans: Orphans,
}

/// An image, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The image.
    pub image: ImageId,
    /// Its name.
    pub name: Box<str>,
}

/// Copies of ours whose original is gone: nothing but them holds what was in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Orphans {
    /// How many.
    pub images: u32,
    /// What their snapshots take.
    pub bytes: u64,
}

/// How many images that are not encrypted are named.
pub const NAMED: usize = 50;

/// Classifies every image of an inventory.
pub fn classify(inventory: &Inventory, terms: Criteria<'_>) -> Classified {
    classify_each(inventory, terms, |_, _, _| {})
}

/// The same, and has each image visited, with its class and whether what is in it is kept twice.
pub fn classify_each<'i>(
    inventory: &'i Inventory,
    terms: Criteria<'_>,
    mut visit: impl FnMut(&'i Arc<Image>, ImageClass, bool),
) -> Classified {
    let mut result = Classified::default();
    let mut unencrypted = Oldest::default();
    let (mut kept_twice, mut orphaned) = (Storage::default(), Storage::default());
    for image in inventory.images.values() {
        if is_orphan(image, inventory, &terms.scope.region) {
            result.orphans.images += 1;
            orphaned.add(image, inventory);
        }
        let Some(class) = class_of(image, inventory, terms) else {
            continue;
        };
        // A backup may have a copy from when the policy asked for one.
        let is_kept_twice =
            class == ImageClass::Superseded || class == ImageClass::Backup && is_copied(image, inventory, terms);
        visit(image, class, is_kept_twice);
        result.counts.add(class);
        match class {
            ImageClass::Unencrypted | ImageClass::Unencryptable => unencrypted.add(image),
            ImageClass::Contested => {
                if let Some(policy) = governor(image, terms).or_else(|| maker(image, terms)) {
                    match result.contested.get_mut(policy) {
                        Some(images) => *images += 1,
                        None => drop(result.contested.insert(policy.to_owned(), 1)),
                    }
                }
            }
            ImageClass::Unknown => {
                if let Some(why) = unknown::why(image, &inventory.snapshots) {
                    result.unknown.add(image, why);
                }
            }
            _ => {}
        }
        if is_kept_twice {
            kept_twice.add(image, inventory);
        }
        if is_wanted(image, class, inventory, terms) {
            result.wanted.push(Wanted {
                image: image.id.clone(),
                created: image.created,
            });
        }
    }
    result
        .wanted
        .sort_by(|a, b| (a.created, &a.image).cmp(&(b.created, &b.image)));
    result.unencrypted = unencrypted.named();
    result.duplicate_bytes = kept_twice.bytes();
    result.orphans.bytes = orphaned.bytes();
    result
}

/// The oldest images of many, as many as are named.
#[derive(Default)]
struct Oldest<'i>(BinaryHeap<(Option<Timestamp>, &'i ImageId, &'i str)>);

impl<'i> Oldest<'i> {
    fn add(&mut self, image: &'i Image) {
        self.0.push((image.created, &image.id, &image.name));
        if self.0.len() > NAMED {
            self.0.pop();
        }
    }

    fn named(self) -> Vec<Named> {
        let oldest = self.0.into_sorted_vec().into_iter();
        let named = oldest.map(|(_, image, name)| Named {
            image: image.clone(),
            name: name.into(),
        });
        named.collect()
    }
}

/// Whether an image is a copy of ours whose original is gone.
fn is_orphan(image: &Image, inventory: &Inventory, region: &Region) -> bool {
    image.state == ImageState::Available
        && image.copied_from.as_ref().is_some_and(|source| {
            source.region == *region
                && !inventory.images.contains_key(&source.image)
                && image.tags.get(TAG_SOURCE_IMAGE) == Some(source.image.as_str())
        })
}

/// The class of one image; none for images that the policy does not speak of, or that are no images yet or any more.
pub fn class_of(image: &Image, inventory: &Inventory, terms: Criteria<'_>) -> Option<ImageClass> {
    if !image.is_there() {
        return None;
    }
    let selection = terms.selector.select(image);
    match selection {
        Selection::Unselected => return None,
        Selection::Exempt => return Some(ImageClass::Exempt),
        Selection::Selected | Selection::Backup => {}
    }
    if governor(image, terms).is_some() {
        return Some(ImageClass::Contested);
    }
    if image.unread().is_some() {
        return Some(ImageClass::Unknown);
    }
    if !image.ebs_root {
        return Some(match selection {
            Selection::Backup => ImageClass::Backup,
            _ => ImageClass::Unencryptable,
        });
    }
    let class = by_encryption(image, inventory, terms.key);
    let migrates =
        class == ImageClass::Unencrypted || class == ImageClass::OtherKey && terms.other_key == OtherKey::Migrate;
    Some(if !migrates {
        class
    } else if maker(image, terms).is_some() {
        ImageClass::Contested
    } else if selection == Selection::Backup {
        ImageClass::Backup
    } else if is_copied(image, inventory, terms) {
        ImageClass::Superseded
    } else {
        class
    })
}

/// Whether an image has a verified copy under the policy's key, or under the one that a finished migration had pinned.
fn is_copied(image: &Image, inventory: &Inventory, terms: Criteria<'_>) -> bool {
    let mut keys = terms.key.into_iter().chain(terms.pinned.get(&image.id));
    keys.any(|key| {
        let of = copy_of(image, key, terms);
        adopt::is_superseded(&of, image, inventory, terms.recorded)
    })
}

/// The other policy that governs an image, if one does. The older one does, and whoever has its migration goes on having it, so
/// that no image ever has two.
fn governor<'a>(image: &Image, terms: Criteria<'a>) -> Option<&'a str> {
    if let Some(policy) = terms.contested.get(&image.id) {
        return Some(policy);
    }
    if terms.ours.contains(&image.id) {
        return None;
    }
    let mut older = terms.older.iter();
    older
        .find(|older| older.selector.select(image) == Selection::Selected)
        .map(|older| older.policy.as_str())
}

/// The other policy whose migration has made an image as its copy, if one has. Whatever is wrong with that copy is for this migration to
/// deal with, and under another key than this policy's it is what the other one asks for.
fn maker<'a>(image: &Image, terms: Criteria<'a>) -> Option<&'a str> {
    if let Some(policy) = terms.theirs.recorded.get(&image.id) {
        return Some(policy);
    }
    let source = &image.copied_from.as_ref()?.image;
    let of = CopyIdentity {
        scope: terms.scope.clone(),
        source: source.clone(),
        key: terms.theirs.keys.get(source)?.clone(),
    };
    adopt::attempt_of(&of, image)?;
    terms.contested.get(source).map(String::as_str)
}

fn by_encryption(image: &Image, inventory: &Inventory, key: Option<&KeyArn>) -> ImageClass {
    let mut class = ImageClass::Encrypted;
    for (_, volume, snapshot) in image.volumes() {
        match encryption(volume, inventory.snapshots.get(snapshot)) {
            // The worst that can be said of an image is said of it.
            Encryption::None => return ImageClass::Unencrypted,
            Encryption::Unknown => class = ImageClass::Unknown,
            Encryption::Under(under) => match key {
                None => class = ImageClass::Unknown,
                Some(key) if *key != under && class == ImageClass::Encrypted => class = ImageClass::OtherKey,
                Some(_) => {}
            },
            Encryption::UnderBoth(..) if key.is_none() => class = ImageClass::Unknown,
            Encryption::UnderBoth(..) if class == ImageClass::Encrypted => class = ImageClass::OtherKey,
            Encryption::UnderBoth(..) => {}
        }
    }
    // An answer that does not show the root's snapshot says nothing of the data that is in it.
    if image.has_root_snapshot() {
        class
    } else {
        ImageClass::Unknown
    }
}

fn is_wanted(image: &Image, class: ImageClass, inventory: &Inventory, terms: Criteria<'_>) -> bool {
    let migrates = match class {
        ImageClass::Unencrypted | ImageClass::Superseded | ImageClass::Unencryptable => true,
        ImageClass::OtherKey => terms.other_key == OtherKey::Migrate,
        ImageClass::Encrypted
        | ImageClass::Backup
        | ImageClass::Exempt
        | ImageClass::Contested
        | ImageClass::Unknown => false,
    };
    migrates && !is_copy_in_the_making(image, inventory, terms)
}

/// Whether an image is the outcome of a migration that is not done with it: a copy that came out wrong is that
/// migration's to deal with, and is not copied itself. It still counts in its class.
fn is_copy_in_the_making(image: &Image, inventory: &Inventory, terms: Criteria<'_>) -> bool {
    if terms.copies.contains(&image.id) {
        return true;
    }
    let (Some(source), Some(key)) = (&image.copied_from, terms.key) else {
        return false;
    };
    let of = CopyIdentity {
        scope: terms.scope.clone(),
        source: source.image.clone(),
        key: key.clone(),
    };
    // While its source still waits for a good copy. After that it is an image like any other.
    adopt::attempt_of(&of, image).is_some()
        && inventory
            .images
            .get(&source.image)
            .is_some_and(|source| !matches!(adopt::find(&of, source, inventory), Some(Adoptable::Verified { .. })))
}

fn copy_of(image: &Image, key: &KeyArn, terms: Criteria<'_>) -> CopyIdentity {
    CopyIdentity {
        scope: terms.scope.clone(),
        source: image.id.clone(),
        key: key.clone(),
    }
}

#[cfg(test)]
mod tests;
