//! In which class each image is, and which images are to have a migration.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::adopt::{self, Adoptable};
use super::naming::CopyOf;
use super::select::{Selection, Selector};
use super::verify::{Encryption, encryption};
use crate::api::{ImageCounts, OtherKey};
use crate::domain::{AccountId, Image, ImageId, ImageState, Inventory, KeyArn, Region};

/// What classification depends on besides the inventory.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// The region.
    pub region: &'a Region,
    /// Which images are meant.
    pub selector: &'a Selector,
    /// What is to become of images under another key.
    pub other_key: OtherKey,
    /// The policy's key, if it could be resolved.
    pub key: Option<&'a KeyArn>,
    /// Images that have a migration of another policy: it governs them until that is gone.
    pub contested: &'a HashSet<ImageId>,
    /// Selectors of older policies for this account and region: what they select is theirs.
    pub older: &'a [Selector],
    /// Images that have a migration of this policy, which goes on whoever else comes to select them.
    pub ours: &'a HashSet<ImageId>,
    /// Copies that unfinished migrations have on record as theirs.
    pub copies: &'a HashSet<ImageId>,
    /// Keys that finished migrations had pinned, by their source: a copy under such a key was what the policy asked for
    /// when it was made.
    pub pinned: &'a HashMap<ImageId, KeyArn>,
}

/// The class of an image. Each selected image is in exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Every snapshot is encrypted under the policy's key.
    Encrypted,
    /// A snapshot is not encrypted, and there is no verified copy.
    Unencrypted,
    /// To be migrated, and a verified copy exists.
    Superseded,
    /// Encrypted, but under another key.
    OtherKey,
    /// Copying cannot encrypt it.
    Unencryptable,
    /// The selector exempts it.
    Exempt,
    /// Another policy governs it.
    Contested,
    /// A snapshot of it could not be read, or the policy's key is not known.
    Unknown,
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
    /// Bytes of snapshots that are kept twice, in the original and in its verified copy.
    pub duplicate_bytes: u64,
}

/// Classifies every image of an inventory.
pub fn classify(inventory: &Inventory, terms: Terms<'_>) -> Classified {
    let mut result = Classified::default();
    for image in inventory.images.values() {
        let Some(class) = class_of(image, inventory, terms) else {
            continue;
        };
        count(&mut result.counts, class);
        if class == Class::Superseded {
            result.duplicate_bytes = result.duplicate_bytes.saturating_add(stored_bytes(image, inventory));
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
    result
}

/// The class of one image; none for images that the policy does not speak of, or that are no images yet or any more.
pub fn class_of(image: &Image, inventory: &Inventory, terms: Terms<'_>) -> Option<Class> {
    if !matches!(image.state, ImageState::Available | ImageState::Disabled) {
        return None;
    }
    match terms.selector.select(image) {
        Selection::Unselected => return None,
        Selection::Exempt => return Some(Class::Exempt),
        Selection::Selected => {}
    }
    if is_contested(image, terms) {
        return Some(Class::Contested);
    }
    if !image.ebs_root {
        return Some(Class::Unencryptable);
    }
    let class = by_encryption(image, inventory, terms.key);
    let migrates = class == Class::Unencrypted || class == Class::OtherKey && terms.other_key == OtherKey::Migrate;
    let mut keys = terms.key.into_iter().chain(terms.pinned.get(&image.id));
    let superseded = migrates
        && keys.any(|key| {
            let of = copy_of(image, key, terms);
            matches!(adopt::find(&of, image, inventory), Some(Adoptable::Verified { .. }))
        });
    Some(if superseded { Class::Superseded } else { class })
}

/// Whether another policy governs an image. The older one does, and whoever has its migration goes on having it, so that
/// no image ever has two.
fn is_contested(image: &Image, terms: Terms<'_>) -> bool {
    let older = || {
        terms
            .older
            .iter()
            .any(|older| older.select(image) == Selection::Selected)
    };
    terms.contested.contains(&image.id) || !terms.ours.contains(&image.id) && older()
}

fn by_encryption(image: &Image, inventory: &Inventory, key: Option<&KeyArn>) -> Class {
    let mut class = Class::Encrypted;
    for (_, volume, snapshot) in image.volumes() {
        match encryption(volume, inventory.snapshots.get(snapshot)) {
            // The worst that can be said of an image is said of it.
            Encryption::None => return Class::Unencrypted,
            Encryption::Unknown => class = Class::Unknown,
            Encryption::Under(under) => match key {
                None => class = Class::Unknown,
                Some(key) if *key != under && class == Class::Encrypted => class = Class::OtherKey,
                Some(_) => {}
            },
        }
    }
    // An answer that does not show the root's snapshot says nothing of the data that is in it.
    if image.has_root_snapshot() {
        class
    } else {
        Class::Unknown
    }
}

fn is_wanted(image: &Image, class: Class, inventory: &Inventory, terms: Terms<'_>) -> bool {
    let migrates = match class {
        Class::Unencrypted | Class::Superseded | Class::Unencryptable => true,
        Class::OtherKey => terms.other_key == OtherKey::Migrate,
        Class::Encrypted | Class::Exempt | Class::Contested | Class::Unknown => false,
    };
    migrates && !is_copy_in_the_making(image, inventory, terms)
}

/// Whether an image is the outcome of a migration that is not done with it: a copy that came out wrong is that
/// migration's to deal with, and is not copied itself. It still counts in its class.
fn is_copy_in_the_making(image: &Image, inventory: &Inventory, terms: Terms<'_>) -> bool {
    if terms.copies.contains(&image.id) {
        return true;
    }
    let (Some(source), Some(key)) = (&image.copied_from, terms.key) else {
        return false;
    };
    let of = CopyOf {
        account: terms.account.clone(),
        region: terms.region.clone(),
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

fn copy_of(image: &Image, key: &KeyArn, terms: Terms<'_>) -> CopyOf {
    CopyOf {
        account: terms.account.clone(),
        region: terms.region.clone(),
        source: image.id.clone(),
        key: key.clone(),
    }
}

/// What an image's snapshots take, by AWS's own figure where it gives one, else by volume size.
fn stored_bytes(image: &Image, inventory: &Inventory) -> u64 {
    image
        .volumes()
        .filter_map(|(_, _, id)| inventory.snapshots.get(id))
        .map(|s| {
            s.full_bytes
                .unwrap_or_else(|| u64::try_from(s.size_gib).unwrap_or(0) << 30)
        })
        .fold(0, u64::saturating_add)
}

fn count(counts: &mut ImageCounts, class: Class) {
    counts.total += 1;
    let of_class = match class {
        Class::Encrypted => &mut counts.encrypted,
        Class::Unencrypted => &mut counts.unencrypted,
        Class::Superseded => &mut counts.superseded,
        Class::OtherKey => &mut counts.other_key,
        Class::Unencryptable => &mut counts.unencryptable,
        Class::Exempt => &mut counts.exempt,
        Class::Contested => &mut counts.contested,
        Class::Unknown => &mut counts.unknown,
    };
    *of_class += 1;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::api::{ImageSelector, ImageTerm};
    use crate::plan::testing::{World, account, at, encrypted_copy, image, image_id, key, region};

    fn classified(world: World, other_key: OtherKey, selector: &ImageSelector) -> Classified {
        let none = HashSet::new();
        let terms = Terms {
            account: &account(),
            region: &region(),
            selector: &Selector::new(selector),
            other_key,
            key: Some(&key(1)),
            contested: &none,
            older: &[],
            ours: &none,
            copies: &none,
            pinned: &HashMap::new(),
        };
        classify(&world.inventory(at(0)), terms)
    }

    fn everything(world: World, other_key: OtherKey) -> Classified {
        classified(world, other_key, &ImageSelector::default())
    }

    #[test]
    fn an_unencrypted_image_is_wanted_and_an_encrypted_one_is_not() {
        let mut world = World::of([image(1, 2)]);
        let mut encrypted = image(2, 1);
        for device in &mut encrypted.devices {
            if let crate::domain::BlockDevice::Ebs { volume, .. } = device {
                volume.encrypted = Some(true);
            }
        }
        world.add(encrypted, Some(&key(1)));
        let result = everything(world, OtherKey::Report);
        assert_eq!(
            (result.counts.total, result.counts.unencrypted, result.counts.encrypted),
            (2, 1, 1)
        );
        assert_eq!(
            result.wanted,
            [Wanted {
                image: image_id(1),
                created: Some(at(1))
            }]
        );
    }

    #[test]
    fn an_image_with_a_verified_copy_is_superseded_and_its_storage_counted_as_duplicate() {
        let source = image(1, 2);
        let mut world = World::of([source.clone()]);
        encrypted_copy(&source, 101, &key(1), &mut world);
        let result = everything(world, OtherKey::Report);
        assert_eq!(
            (result.counts.superseded, result.counts.encrypted, result.counts.total),
            (1, 1, 2)
        );
        assert_eq!(result.duplicate_bytes, 2 * (8 << 30));
        assert_eq!(result.wanted.len(), 1, "its migration records the adopted copy");
    }

    #[test]
    fn a_copy_under_the_key_that_the_policy_had_when_it_was_made_still_supersedes_its_original() {
        let source = image(1, 1);
        let mut world = World::of([source.clone()]);
        encrypted_copy(&source, 101, &key(2), &mut world);
        let none = HashSet::new();
        let (account, region) = (account(), region());
        let selector = Selector::new(&ImageSelector::default());
        let inventory = world.inventory(at(0));
        let with = |pinned: &HashMap<ImageId, KeyArn>| {
            let terms = Terms {
                account: &account,
                region: &region,
                selector: &selector,
                other_key: OtherKey::Report,
                key: Some(&key(1)),
                contested: &none,
                older: &[],
                ours: &none,
                copies: &none,
                pinned,
            };
            let counts = classify(&inventory, terms).counts;
            (counts.unencrypted, counts.superseded, counts.other_key)
        };
        assert_eq!(with(&HashMap::new()), (1, 0, 1));
        assert_eq!(with(&HashMap::from([(image_id(1), key(2))])), (0, 1, 1));
    }

    #[test]
    fn the_older_policy_governs_what_both_select_and_a_migration_stays_where_it_is() {
        let inventory = World::of([image(1, 1)]).inventory(at(0));
        let older = [Selector::new(&ImageSelector::default())];
        let exempting = [Selector::new(&ImageSelector {
            exclude: vec![ImageTerm {
                names: vec!["web-*".to_owned()],
                ..ImageTerm::default()
            }],
            ..ImageSelector::default()
        })];
        let (none, one) = (HashSet::new(), HashSet::from([image_id(1)]));
        let selector = Selector::new(&ImageSelector::default());
        let is_contested = |contested: &HashSet<ImageId>, older: &[Selector], ours: &HashSet<ImageId>| {
            let terms = Terms {
                account: &account(),
                region: &region(),
                selector: &selector,
                other_key: OtherKey::Report,
                key: Some(&key(1)),
                contested,
                older,
                ours,
                copies: &none,
                pinned: &HashMap::new(),
            };
            let classified = classify(&inventory, terms);
            assert_eq!(classified.counts.contested == 1, classified.wanted.is_empty());
            classified.counts.contested == 1
        };
        assert!(is_contested(&none, &older, &none), "the older policy selects it");
        assert!(!is_contested(&none, &exempting, &none), "the older policy exempts it");
        assert!(!is_contested(&none, &older, &one), "the migration under way stays");
        assert!(
            is_contested(&one, &[], &none),
            "another policy's migration is under way"
        );
        assert!(!is_contested(&none, &[], &none));
    }

    #[test]
    fn another_key_is_reported_or_migrated_as_the_policy_says() {
        let other = || {
            let mut world = World::default();
            let mut image = image(1, 1);
            if let crate::domain::BlockDevice::Ebs { volume, .. } = &mut image.devices[0] {
                volume.encrypted = Some(true);
            }
            world.add(image, Some(&key(2)));
            world
        };
        let reported = everything(other(), OtherKey::Report);
        assert_eq!((reported.counts.other_key, reported.wanted.len()), (1, 0));
        let migrated = everything(other(), OtherKey::Migrate);
        assert_eq!((migrated.counts.other_key, migrated.wanted.len()), (1, 1));
    }

    #[test]
    fn an_image_whose_roots_snapshot_is_not_shown_is_never_called_encrypted() {
        type Change = fn(&mut Image);
        let changes: [Change; 4] = [
            |image| image.devices.clear(),
            |image| {
                if let crate::domain::BlockDevice::Ebs { volume, .. } = &mut image.devices[0] {
                    volume.snapshot = None;
                }
            },
            |image| image.root_device = None,
            |image| image.root_device = Some("/dev/sdz".into()),
        ];
        for change in changes {
            let mut image = image(1, 2);
            for device in &mut image.devices {
                if let crate::domain::BlockDevice::Ebs { volume, .. } = device {
                    volume.encrypted = Some(true);
                }
            }
            let mut world = World::default();
            world.add(image.clone(), Some(&key(1)));
            change(&mut image);
            world.images.insert(image.id.clone(), Arc::new(image));
            let counts = everything(world, OtherKey::Migrate).counts;
            assert_eq!((counts.total, counts.unknown), (1, 1), "{counts:?}");
        }
    }

    #[test]
    fn sizes_beyond_all_measure_are_added_up_without_an_overflow() {
        let source = image(1, 3);
        let mut world = World::of([source.clone()]);
        encrypted_copy(&source, 101, &key(1), &mut world);
        for snapshot in world.snapshots.values_mut() {
            snapshot.full_bytes = Some(u64::MAX / 2);
        }
        assert_eq!(everything(world, OtherKey::Report).duplicate_bytes, u64::MAX);
    }

    #[test]
    fn an_unread_snapshot_makes_the_image_unknown_and_starts_nothing() {
        let mut world = World::default();
        let mut image = image(1, 1);
        if let crate::domain::BlockDevice::Ebs { volume, .. } = &mut image.devices[0] {
            volume.encrypted = Some(true);
        }
        world.images.insert(image.id.clone(), Arc::new(image));
        let result = everything(world, OtherKey::Migrate);
        assert_eq!((result.counts.unknown, result.wanted.len()), (1, 0));
    }

    #[test]
    fn exempt_images_are_counted_and_unselected_ones_are_not() {
        let selector = ImageSelector {
            include: vec![ImageTerm {
                names: vec!["web-*".to_owned()],
                ..ImageTerm::default()
            }],
            exclude: vec![ImageTerm {
                names: vec!["web-2".to_owned()],
                ..ImageTerm::default()
            }],
        };
        let mut other = image(3, 1);
        other.name = "db-3".into();
        let result = classified(
            World::of([image(1, 1), image(2, 1), other]),
            OtherKey::Report,
            &selector,
        );
        assert_eq!(
            (result.counts.total, result.counts.exempt, result.counts.unencrypted),
            (2, 1, 1)
        );
    }

    #[test]
    fn a_copy_of_ours_that_came_out_unencrypted_counts_but_is_not_copied_itself() {
        let source = image(1, 1);
        let mut world = World::of([source.clone()]);
        let mut copy = image(101, 1);
        copy.copied_from = Some(Box::new(crate::domain::Source {
            image: source.id.clone(),
            region: region(),
        }));
        let of = crate::plan::testing::copy_of();
        copy.name = of.copy_name("{name}", "web-1", 1).into();
        copy.tags
            .insert(crate::api::labels::TAG_SOURCE_IMAGE.into(), source.id.as_str().into());
        copy.tags.insert(crate::api::labels::TAG_ATTEMPT.into(), "1".into());
        world.add(copy, None);
        let result = everything(world, OtherKey::Report);
        assert_eq!(result.counts.unencrypted, 2);
        assert_eq!(
            result.wanted.iter().map(|w| w.image.clone()).collect::<Vec<_>>(),
            [image_id(1)]
        );
    }

    proptest! {
        #[test]
        fn every_selected_image_is_in_exactly_one_class(
            kinds in prop::collection::vec((0u8..5, prop::bool::ANY), 0..12), migrate: bool,
        ) {
            let mut world = World::default();
            for (number, (kind, ebs)) in (1..).zip(&kinds) {
                let mut image = image(number, 1 + u64::from(*kind % 3));
                image.ebs_root = *ebs;
                match kind {
                    0 => { encrypted_copy(&image, number + 500, &key(1), &mut world); world.add(image, None); }
                    1 => { encrypted_copy(&image, number + 500, &key(2), &mut world); world.add(image, None); }
                    2 => { world.images.insert(image.id.clone(), Arc::new(image)); }
                    3 => { image.state = ImageState::Pending; world.add(image, None); }
                    _ => world.add(image, None),
                }
            }
            let expected = world.images.values().filter(|i| i.state == ImageState::Available).count();
            let other_key = if migrate { OtherKey::Migrate } else { OtherKey::Report };
            let ImageCounts { total, encrypted, unencrypted, superseded, other_key, unencryptable, exempt, contested, unknown, .. }
                = everything(world, other_key).counts;
            prop_assert_eq!(total as usize, expected);
            prop_assert_eq!(
                total, encrypted + unencrypted + superseded + other_key + unencryptable + exempt + contested + unknown
            );
        }
    }
}
