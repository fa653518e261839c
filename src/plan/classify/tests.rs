use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::api::{Backups, ImageSelector, ImageTerm};
use crate::plan::testing::{World, at, encrypted_copy, image, image_id, key, region, scope, snapshot_id};

fn classified(world: World, other_key: OtherKey, selector: &ImageSelector) -> Classified {
    let none = HashSet::new();
    let terms = Criteria {
        scope: &scope(),
        selector: &Selector::new(selector, Backups::Exclude),
        other_key,
        key: Some(&key(1)),
        contested: &HashMap::new(),
        theirs: &TheirCopies::default(),
        older: &[],
        ours: &none,
        copies: &none,
        recorded: Recorded::default(),
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
    let scope = scope();
    let selector = Selector::new(&ImageSelector::default(), Backups::Exclude);
    let inventory = world.inventory(at(0));
    let with = |pinned: &HashMap<ImageId, KeyArn>| {
        let terms = Criteria {
            scope: &scope,
            selector: &selector,
            other_key: OtherKey::Report,
            key: Some(&key(1)),
            contested: &HashMap::new(),
            theirs: &TheirCopies::default(),
            older: &[],
            ours: &none,
            copies: &none,
            recorded: Recorded::default(),
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
    let of = |selector: &ImageSelector| {
        [Older {
            policy: "base".to_owned(),
            selector: Selector::new(selector, Backups::Exclude),
        }]
    };
    let older = of(&ImageSelector::default());
    let exempting = of(&ImageSelector {
        exclude: vec![ImageTerm {
            names: vec!["web-*".to_owned()],
            ..ImageTerm::default()
        }],
        ..ImageSelector::default()
    });
    let (none, one) = (HashSet::new(), HashSet::from([image_id(1)]));
    let (nobodys, others) = (HashMap::new(), HashMap::from([(image_id(1), "other".to_owned())]));
    let selector = Selector::new(&ImageSelector::default(), Backups::Exclude);
    let governing = |contested: &HashMap<ImageId, String>, older: &[Older], ours: &HashSet<ImageId>| {
        let terms = Criteria {
            scope: &scope(),
            selector: &selector,
            other_key: OtherKey::Report,
            key: Some(&key(1)),
            contested,
            theirs: &TheirCopies::default(),
            older,
            ours,
            copies: &none,
            recorded: Recorded::default(),
            pinned: &HashMap::new(),
        };
        let classified = classify(&inventory, terms);
        assert_eq!(classified.counts.contested == 1, classified.wanted.is_empty());
        classified.contested.into_iter().next()
    };
    let base = Some(("base".to_owned(), 1));
    assert_eq!(governing(&nobodys, &older, &none), base, "the older policy selects it");
    assert_eq!(
        governing(&nobodys, &exempting, &none),
        None,
        "the older policy exempts it"
    );
    assert_eq!(governing(&nobodys, &older, &one), None, "the migration under way stays");
    let other = Some(("other".to_owned(), 1));
    assert_eq!(governing(&others, &older, &none), other, "its migration is under way");
    assert_eq!(governing(&nobodys, &[], &none), None);
}

#[test]
fn a_copy_of_another_policys_migration_is_never_copied_itself() {
    let source = image(1, 1);
    let others = HashMap::from([(source.id.clone(), "other".to_owned())]);
    let recorded = TheirCopies {
        recorded: HashMap::from([(image_id(101), "other".to_owned())]),
        ..TheirCopies::default()
    };
    let keyed = TheirCopies {
        keys: HashMap::from([(source.id.clone(), key(2))]),
        ..TheirCopies::default()
    };
    let named = |key: &KeyArn, copy: &mut Image| {
        let of = CopyIdentity {
            scope: scope(),
            source: image_id(1),
            key: key.clone(),
        };
        copy.name = of.copy_name("{name}", "web-1", 1).into();
        copy.tags.insert(TAG_SOURCE_IMAGE.into(), image_id(1).as_str().into());
        copy.tags.insert(crate::api::labels::TAG_ATTEMPT.into(), "1".into());
    };
    // (what is known of their copies, the key that its name is made with, the key that it is under, otherKey, contested, wanted)
    for (theirs, name, under, other_key, contested, wanted) in [
        (&recorded, None, Some(key(2)), OtherKey::Migrate, 1, 0),
        (&keyed, Some(key(2)), Some(key(2)), OtherKey::Migrate, 1, 0),
        // It is somebody else's copy, or has not the name of an attempt of that migration.
        (&TheirCopies::default(), None, Some(key(2)), OtherKey::Migrate, 0, 1),
        (&keyed, None, Some(key(2)), OtherKey::Migrate, 0, 1),
        (&keyed, Some(key(3)), Some(key(2)), OtherKey::Migrate, 0, 1),
        // This policy asks nothing of it.
        (&recorded, None, Some(key(2)), OtherKey::Report, 0, 0),
        (&recorded, None, Some(key(1)), OtherKey::Migrate, 0, 0),
        // It has come out wrong.
        (&recorded, None, None, OtherKey::Report, 1, 0),
        (&keyed, Some(key(2)), None, OtherKey::Report, 1, 0),
        (&TheirCopies::default(), None, None, OtherKey::Report, 0, 1),
    ] {
        let mut world = World::of([source.clone()]);
        let mut copy = encrypted_copy(&source, 101, &under.clone().unwrap_or_else(|| key(1)), &mut world);
        if let Some(key) = &name {
            named(key, &mut copy);
        }
        match &under {
            Some(_) => drop(world.images.insert(copy.id.clone(), Arc::new(copy))),
            None => {
                copy.devices = image(101, 1).devices;
                world.add(copy, None);
            }
        }
        let none = HashSet::new();
        let terms = Criteria {
            scope: &scope(),
            selector: &Selector::new(&ImageSelector::default(), Backups::Exclude),
            other_key,
            key: Some(&key(1)),
            contested: &others,
            theirs,
            older: &[],
            ours: &none,
            copies: &none,
            recorded: Recorded::default(),
            pinned: &HashMap::new(),
        };
        let result = classify(&world.inventory(at(0)), terms);
        let case = format!("{theirs:?} {name:?} {under:?} {other_key:?}");
        // The original is contested in any case.
        assert_eq!(
            (result.counts.contested, result.wanted.len()),
            (1 + contested, wanted),
            "{case}"
        );
        assert_eq!(result.contested.get("other"), Some(&(1 + contested)), "{case}");
    }
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
fn an_image_that_another_key_opens_as_well_is_not_encrypted_under_exactly_the_key() {
    for migrates in [true, false] {
        let mut world = World::default();
        let mut image = image(1, 1);
        if let crate::domain::BlockDevice::Ebs { volume, .. } = &mut image.devices[0] {
            volume.encrypted = Some(true);
        }
        world.add(image, Some(&key(1)));
        for snapshot in world.snapshots.values_mut() {
            snapshot.extras.get_or_insert_default().also = Some(key(2));
        }
        let other_key = if migrates { OtherKey::Migrate } else { OtherKey::Report };
        let result = everything(world, other_key);
        assert_eq!((result.counts.encrypted, result.counts.other_key), (0, 1));
        assert_eq!(result.wanted.len(), usize::from(migrates));
    }
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
fn an_image_that_cannot_be_read_is_unknown_and_named_and_the_others_are_judged() {
    let mut odd = image(1, 1);
    odd.extras.get_or_insert_default().unread = Some("/dev/sda is mapped twice".into());
    let mut stateless = image(2, 1);
    stateless.extras.get_or_insert_default().unread = Some("imageState is missing".into());
    stateless.state = ImageState::Other;
    let result = everything(World::of([odd, stateless, image(3, 1)]), OtherKey::Migrate);
    assert_eq!(
        (result.counts.unknown, result.counts.unencrypted, result.wanted.len()),
        (2, 1, 1)
    );
    let message = result.unknown.message().expect("images");
    for word in [
        "ami-00000000000000001",
        "mapped twice",
        "ami-00000000000000002",
        "imageState is missing",
    ] {
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn a_backup_that_is_not_encrypted_is_left_alone_and_counted_apart_and_an_encrypted_one_is_an_image_like_any_other() {
    let backup = |number| {
        let mut backup = image(number, 1);
        backup.backup = true;
        backup
    };
    let mut world = World::of([backup(1), backup(2), image(3, 1)]);
    encrypted_copy(&backup(2), 102, &key(1), &mut world);
    let result = everything(world, OtherKey::Migrate);
    let ImageCounts {
        backups,
        superseded,
        encrypted,
        unencrypted,
        ..
    } = result.counts;
    // One of them has a copy from when the policy asked for it.
    assert_eq!((backups, superseded, encrypted, unencrypted), (2, 0, 1, 1));
    assert_eq!(result.duplicate_bytes, 8 << 30);
    let wanted: Vec<_> = result.wanted.iter().map(|wanted| wanted.image.clone()).collect();
    assert_eq!(wanted, [image_id(3)]);
}

#[test]
fn copies_of_ours_without_an_original_are_counted_with_their_storage() {
    let source = image(1, 2);
    let mut world = World::default();
    let mut ours = encrypted_copy(&source, 101, &key(1), &mut world);
    ours.tags.insert(TAG_SOURCE_IMAGE.into(), source.id.as_str().into());
    world.images.insert(ours.id.clone(), Arc::new(ours));
    encrypted_copy(&source, 102, &key(1), &mut world);
    let orphans = everything(world, OtherKey::Report).orphans;
    assert_eq!(
        orphans,
        Orphans {
            images: 1,
            bytes: 16 << 30
        },
        "the other one is somebody else's"
    );
}

#[test]
fn a_snapshot_that_images_share_is_stored_once() {
    let of = |number, snapshots: &[u64]| {
        let mut image = image(number, u64::try_from(snapshots.len()).expect("small"));
        for (device, snapshot) in image.devices.iter_mut().zip(snapshots) {
            if let crate::domain::BlockDevice::Ebs { volume, .. } = device {
                volume.snapshot = Some(snapshot_id(*snapshot));
            }
        }
        image
    };
    // The snapshots that images are made of, of which 9 is another account's, and how many GiB they take.
    let cases: [(&[&[u64]], u64); 8] = [
        (&[], 0),
        (&[&[1], &[2]], 16),
        (&[&[1], &[1]], 8),
        (&[&[1, 2], &[1, 3], &[1]], 24),
        (&[&[1, 2], &[2, 1]], 16),
        (&[&[1, 1]], 8),
        (&[&[9]], 0),
        (&[&[9, 1], &[1, 9]], 8),
    ];
    for (images, gib) in cases {
        let mut world = World::of((1..).zip(images).map(|(number, snapshots)| of(number, snapshots)));
        world.snapshots.remove(&snapshot_id(9));
        let inventory = world.inventory(at(0));
        let mut storage = Storage::default();
        for image in inventory.images.values() {
            storage.add(image, &inventory);
        }
        assert_eq!(storage.bytes(), gib << 30, "{images:?}");
    }
}

#[test]
fn what_originals_and_copies_without_one_take_is_counted_by_snapshot() {
    let mut sharing = image(2, 2);
    sharing.devices[1] = image(1, 2).devices[1].clone();
    let sources = [image(1, 2), sharing];
    let mut world = World::of(sources.clone());
    for (source, copy) in sources.iter().zip(101..) {
        encrypted_copy(source, copy, &key(1), &mut world);
    }
    assert_eq!(everything(world, OtherKey::Report).duplicate_bytes, 3 * (8 << 30));

    let mut world = World::default();
    for (source, number) in sources.iter().zip(101..) {
        let mut copy = encrypted_copy(source, number, &key(1), &mut world);
        copy.tags.insert(TAG_SOURCE_IMAGE.into(), source.id.as_str().into());
        // Somebody has registered an image anew, from a snapshot of the other copy.
        copy.devices[1] = world.images.get(&image_id(101)).expect("just added").devices[1].clone();
        world.images.insert(copy.id.clone(), Arc::new(copy));
    }
    let orphans = everything(world, OtherKey::Report).orphans;
    assert_eq!((orphans.images, orphans.bytes), (2, 3 * (8 << 30)));
}

#[test]
fn the_oldest_unencrypted_images_are_named_and_no_more_than_a_status_has_room_for() {
    let images = (1..=60).rev().map(|number| image(number, 1));
    let result = everything(World::of(images), OtherKey::Report);
    assert_eq!((result.counts.unencrypted, result.unencrypted.len()), (60, NAMED));
    assert_eq!(result.unencrypted[0].image, image_id(1));
    assert_eq!(&*result.unencrypted[49].name, "web-50");
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
        kinds in prop::collection::vec((0u8..7, prop::bool::ANY), 0..12), migrate: bool,
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
                4 => { image.backup = true; world.add(image, None); }
                5 => { image.extras.get_or_insert_default().unread = Some("odd".into()); world.add(image, None); }
                _ => world.add(image, None),
            }
        }
        let expected = world.images.values().filter(|i| i.state == ImageState::Available).count();
        let other_key = if migrate { OtherKey::Migrate } else { OtherKey::Report };
        let ImageCounts {
            total, encrypted, unencrypted, superseded, other_key, unencryptable, backups, exempt, contested, unknown,
        } = everything(world, other_key).counts;
        prop_assert_eq!(total as usize, expected);
        prop_assert_eq!(
            total,
            encrypted + unencrypted + superseded + other_key + unencryptable + backups + exempt + contested + unknown
        );
    }
}
