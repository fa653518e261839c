//! Whether a copy is the source, encrypted: every snapshot under exactly the required key, and nothing else changed.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use crate::domain::{
    BlockDevice, EbsVolume, Image, ImageState, KeyArn, Snapshot, SnapshotId, SnapshotState, Snapshots, Source,
};

/// What a comparison of a copy with its source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The copy is as asked for.
    Good(Vec<Pair>),
    /// It cannot be judged yet: the copy is not available, or a snapshot of it, that of its root at least, was not read.
    Unknown,
    /// This device's snapshot is not encrypted, or under another key.
    NotEncrypted {
        /// The device's name.
        device: String,
        /// What the snapshot is encrypted under, if it is.
        under: Option<KeyArn>,
    },
    /// This device's snapshot is encrypted under the key, and can be read by another one as well.
    AlsoUnder {
        /// The device's name.
        device: String,
        /// The other key.
        other: KeyArn,
    },
    /// Something that a copy must keep differs.
    Differs {
        /// What: an attribute by AWS's name, or a device and its property.
        what: String,
    },
    /// The source had a watermark when it was copied that the copy lacks. Its owner can put it on the copy, if the mark is of
    /// their account.
    LacksWatermark {
        /// The watermark's key.
        key: Box<str>,
    },
    /// By AWS's own record it is a copy of another image, or of one of another region.
    OfAnother(Source),
    /// Nothing is wrong with the copy, but its owner has disabled it: nobody can launch from it.
    Disabled,
}

/// A device that holds data: the source's snapshot and the copy's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The device's name.
    pub device: String,
    /// The source's snapshot.
    pub source: SnapshotId,
    /// The copy's snapshot.
    pub copy: SnapshotId,
}

/// Compares `copy` with `source`; `snapshots` are those of the account, read after the copy became available.
pub fn verify(source: &Image, copy: &Image, snapshots: &Snapshots, key: &KeyArn) -> Verdict {
    if let Some(flaw) = flaw(source, copy, snapshots, key) {
        return flaw;
    }
    if let Some(what) = difference(source, copy) {
        return Verdict::Differs { what };
    }
    if let Some(key) = lost_watermark(source, copy) {
        return Verdict::LacksWatermark { key };
    }
    conclusion(source, copy)
}

/// Judges a copy that was verified and published before, for what can still change: how its snapshots are encrypted, and
/// whether it can be launched. People launch from it, whatever has become of its source since.
pub fn verify_published(source: &Image, copy: &Image, snapshots: &Snapshots, key: &KeyArn) -> Verdict {
    flaw(source, copy, snapshots, key).unwrap_or_else(|| conclusion(source, copy))
}

/// Whether a copy that was verified before its source went is still encrypted as it was, and can be launched.
pub fn is_still_good(copy: &Image, snapshots: &Snapshots, key: &KeyArn) -> bool {
    copy.state == ImageState::Available && copy.has_root_snapshot() && flaw_of(copy, snapshots, key).is_none()
}

/// What is wrong with the copy's encryption, or not known of it.
fn flaw(source: &Image, copy: &Image, snapshots: &Snapshots, key: &KeyArn) -> Option<Verdict> {
    // Nothing is concluded from what could not be read.
    if source.unread().is_some() {
        return Some(Verdict::Unknown);
    }
    flaw_of(copy, snapshots, key)
}

/// The same of a copy by itself.
fn flaw_of(copy: &Image, snapshots: &Snapshots, key: &KeyArn) -> Option<Verdict> {
    if copy.unread().is_some() {
        return Some(Verdict::Unknown);
    }
    // A pending copy's mappings may lack their snapshots and look like blank volumes.
    if !matches!(copy.state, ImageState::Available | ImageState::Disabled) {
        return Some(Verdict::Unknown);
    }
    // Encryption first: whatever else is wrong, that is the worst.
    for (device, volume, snapshot) in copy.volumes() {
        match encryption(volume, snapshots.get(snapshot)) {
            Encryption::Unknown => return Some(Verdict::Unknown),
            Encryption::Under(under) if under == *key => {}
            Encryption::UnderBoth(under, other) if under == *key => {
                return Some(Verdict::AlsoUnder {
                    device: device.to_owned(),
                    other,
                });
            }
            Encryption::Under(under) | Encryption::UnderBoth(under, _) => {
                return Some(Verdict::NotEncrypted {
                    device: device.to_owned(),
                    under: Some(under),
                });
            }
            Encryption::None => {
                return Some(Verdict::NotEncrypted {
                    device: device.to_owned(),
                    under: None,
                });
            }
        }
        let complete = snapshots
            .get(snapshot)
            .is_some_and(|s| s.state == SnapshotState::Completed);
        if !complete {
            return Some(Verdict::Unknown);
        }
    }
    None
}

/// What is to be said of a copy with which nothing is wrong.
fn conclusion(source: &Image, copy: &Image) -> Verdict {
    // Of both: two answers that show nothing are alike.
    if !copy.has_root_snapshot() {
        return Verdict::Unknown;
    }
    if copy.state == ImageState::Disabled {
        return Verdict::Disabled;
    }
    let copies: HashMap<&str, &SnapshotId> = copy.volumes().map(|(d, _, s)| (d, s)).collect();
    let pairs = source
        .volumes()
        .filter_map(|(device, _, source)| {
            copies.get(device).map(|copy| Pair {
                device: device.to_owned(),
                source: source.clone(),
                copy: (*copy).clone(),
            })
        })
        .collect();
    Verdict::Good(pairs)
}

/// What is known of a volume's encryption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// It is not encrypted.
    None,
    /// It is encrypted under this key.
    Under(KeyArn),
    /// It is encrypted under the first key, and can be read by the second one too, which is associated with it.
    UnderBoth(KeyArn, KeyArn),
    /// Its snapshot was not read, or the mapping and the snapshot contradict each other.
    Unknown,
}

/// Reads a volume's encryption off the image's mapping and the snapshot itself: only the latter tells the key.
pub fn encryption(volume: &EbsVolume, snapshot: Option<&Snapshot>) -> Encryption {
    match (volume.encrypted, snapshot) {
        // Either source saying "not encrypted" is enough.
        (Some(false), _) => Encryption::None,
        (_, Some(Snapshot { encrypted: false, .. })) => Encryption::None,
        (_, Some(snapshot @ Snapshot { key: Some(key), .. })) => match snapshot.also() {
            Some(other) => Encryption::UnderBoth(key.clone(), other.clone()),
            None => Encryption::Under(key.clone()),
        },
        (_, Some(Snapshot { key: None, .. }) | None) => Encryption::Unknown,
    }
}

/// Attributes that can be set on an image at any time: a copy that lacks them gets them when it is published, and its source
/// may have got them after the copy was made.
const SETTABLE: [&str; 1] = ["imdsSupport"];

/// The first thing that a copy should have kept and did not.
fn difference(source: &Image, copy: &Image) -> Option<String> {
    if source.owner != copy.owner {
        return Some("ownerId".to_owned());
    }
    if source.root_device != copy.root_device {
        return Some("rootDeviceName".to_owned());
    }
    if source.ebs_root != copy.ebs_root {
        return Some("rootDeviceType".to_owned());
    }
    let names = source.attributes.keys().chain(copy.attributes.keys());
    if let Some(name) = names
        .filter(|name| !SETTABLE.contains(name))
        .find(|name| source.attributes.get(*name) != copy.attributes.get(*name))
    {
        return Some((*name).to_owned());
    }
    let devices = |image: &Image| -> BTreeMap<String, BlockDevice> {
        image
            .devices
            .iter()
            .map(|d| (d.device().to_owned(), d.clone()))
            .collect()
    };
    let (ours, theirs) = (devices(source), devices(copy));
    if let Some(device) = ours
        .keys()
        .chain(theirs.keys())
        .find(|d| !ours.contains_key(*d) || !theirs.contains_key(*d))
    {
        return Some(format!("device {device}"));
    }
    ours.iter().find_map(|(device, source)| {
        device_difference(source, &theirs[device]).map(|what| format!("{what} of device {device}"))
    })
}

/// A watermark that AWS should have put on the copy and did not. What the source got later is none.
fn lost_watermark(source: &Image, copy: &Image) -> Option<Box<str>> {
    let later = |attached: Option<Timestamp>| attached.zip(copy.created).is_some_and(|(mark, copied)| mark >= copied);
    let has = |key: &str| copy.watermarks().iter().any(|mark| &*mark.key == key);
    let lost = source
        .watermarks()
        .iter()
        .find(|mark| !later(mark.attached) && !has(&mark.key))?;
    Some(lost.key.clone())
}

fn device_difference(source: &BlockDevice, copy: &BlockDevice) -> Option<&'static str> {
    match (source, copy) {
        (BlockDevice::Ephemeral { .. }, BlockDevice::Ephemeral { .. }) => None,
        (BlockDevice::Ebs { volume: a, .. }, BlockDevice::Ebs { volume: b, .. }) => {
            if a.snapshot.is_some() != b.snapshot.is_some() {
                Some("snapshot")
            } else if a.kind.size_gib != b.kind.size_gib {
                Some("volumeSize")
            } else if a.kind.volume_type != b.kind.volume_type {
                Some("volumeType")
            } else if a.kind.iops != b.kind.iops {
                Some("iops")
            } else if a.kind.throughput != b.kind.throughput {
                Some("throughput")
            } else if a.kind.delete_on_termination != b.kind.delete_on_termination {
                Some("deleteOnTermination")
            } else {
                None
            }
        }
        _ => Some("kind"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{Extras, Watermark};
    use crate::plan::testing::{World, at, encrypted_copy, image, key};

    fn verdict_after(change: impl FnOnce(&mut Image, &mut World)) -> Verdict {
        let source = image(1, 2);
        let mut world = World::of([source.clone()]);
        let mut copy = encrypted_copy(&source, 101, &key(1), &mut world);
        change(&mut copy, &mut world);
        verify(&source, &copy, &world.snapshots, &key(1))
    }

    #[test]
    fn a_faithful_copy_under_the_key_is_good_and_pairs_each_snapshot() {
        match verdict_after(|_, _| {}) {
            Verdict::Good(pairs) => {
                assert_eq!(pairs.len(), 2);
                assert!(pairs.iter().all(|p| p.source != p.copy));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_snapshot_that_is_not_encrypted_or_under_another_key_spoils_the_copy() {
        let plain = verdict_after(|copy, world| {
            let id = copy.volumes().nth(1).expect("a second volume").2.clone();
            world.snapshots.get_mut(&id).expect("known").encrypted = false;
        });
        assert!(matches!(plain, Verdict::NotEncrypted { under: None, .. }), "{plain:?}");
        let other = verdict_after(|copy, world| {
            let id = copy.volumes().nth(1).expect("a second volume").2.clone();
            world.snapshots.get_mut(&id).expect("known").key = Some(key(2));
        });
        assert_eq!(
            other,
            Verdict::NotEncrypted {
                device: "/dev/sdb".to_owned(),
                under: Some(key(2))
            }
        );
    }

    #[test]
    fn a_snapshot_that_another_key_opens_as_well_is_not_under_exactly_the_key() {
        let verdict = verdict_after(|copy, world| {
            let id = copy.volumes().nth(1).expect("a second volume").2.clone();
            let snapshot = world.snapshots.get_mut(&id).expect("known");
            snapshot.extras.get_or_insert_default().also = Some(key(2));
        });
        let device = "/dev/sdb".to_owned();
        assert_eq!(verdict, Verdict::AlsoUnder { device, other: key(2) });
    }

    #[test]
    fn what_was_not_read_is_unknown_and_never_good() {
        let unread = verdict_after(|copy, world| {
            let id = copy.volumes().next().expect("a volume").2.clone();
            world.snapshots.remove(&id);
        });
        assert_eq!(unread, Verdict::Unknown);
        let keyless = verdict_after(|copy, world| {
            let id = copy.volumes().next().expect("a volume").2.clone();
            world.snapshots.get_mut(&id).expect("known").key = None;
        });
        assert_eq!(keyless, Verdict::Unknown);
        assert_eq!(
            verdict_after(|copy, _| copy.state = ImageState::Pending),
            Verdict::Unknown
        );
        let pending = verdict_after(|copy, world| {
            let id = copy.volumes().next().expect("a volume").2.clone();
            world.snapshots.get_mut(&id).expect("known").state = SnapshotState::Pending;
        });
        assert_eq!(pending, Verdict::Unknown);
    }

    #[test]
    fn two_answers_that_show_no_root_snapshot_are_alike_and_nothing_is_known_of_the_copy() {
        type Change = fn(&mut Image);
        let changes: [Change; 3] = [
            |image| image.devices.clear(),
            |image| image.root_device = None,
            |image| image.root_device = Some("/dev/sdz".into()),
        ];
        for change in changes {
            let mut source = image(1, 2);
            let mut world = World::of([source.clone()]);
            let mut copy = encrypted_copy(&source, 101, &key(1), &mut world);
            change(&mut source);
            change(&mut copy);
            assert_eq!(verify(&source, &copy, &world.snapshots, &key(1)), Verdict::Unknown);
        }
    }

    #[test]
    fn what_can_be_set_later_spoils_no_copy_on_either_side() {
        type Change = fn(&mut Image);
        let changes: [Change; 3] = [
            |image| {
                Arc::make_mut(&mut image.attributes).insert("imdsSupport", "v2.0".into());
            },
            |image| image.description = Some("hardened".into()),
            |image| image.deprecation_time = Some(at(99)),
        ];
        for change in changes {
            for of_source in [true, false] {
                let mut source = image(1, 2);
                let mut world = World::of([source.clone()]);
                let mut copy = encrypted_copy(&source, 101, &key(1), &mut world);
                change(if of_source { &mut source } else { &mut copy });
                let verdict = verify(&source, &copy, &world.snapshots, &key(1));
                assert!(matches!(verdict, Verdict::Good(_)), "{verdict:?}");
            }
        }
    }

    #[test]
    fn a_watermark_that_was_there_before_the_copy_and_is_not_on_it_is_named() {
        let marked = |image: &mut Image, attached: Option<i64>| {
            image.extras = Some(Box::new(Extras {
                watermarks: vec![Watermark {
                    key: "111122223333:golden".into(),
                    attached: attached.map(at),
                }],
                ..Extras::default()
            }));
        };
        let verdict = |attached: Option<i64>, kept: bool| {
            let mut source = image(1, 1);
            marked(&mut source, attached);
            let mut world = World::of([source.clone()]);
            let mut copy = encrypted_copy(&source, 101, &key(1), &mut world);
            copy.created = Some(at(50));
            if !kept {
                copy.extras = None;
            }
            verify(&source, &copy, &world.snapshots, &key(1))
        };
        let key = "111122223333:golden".into();
        assert_eq!(verdict(Some(49), false), Verdict::LacksWatermark { key });
        assert!(matches!(verdict(None, false), Verdict::LacksWatermark { .. }));
        assert!(matches!(verdict(Some(49), true), Verdict::Good(_)));
        assert!(matches!(verdict(Some(50), false), Verdict::Good(_)), "it came later");
    }

    #[test]
    fn a_published_copy_is_judged_for_its_encryption_and_for_nothing_else() {
        let mut source = image(1, 2);
        let mut world = World::of([source.clone()]);
        let copy = encrypted_copy(&source, 101, &key(1), &mut world);
        Arc::make_mut(&mut source.attributes).insert("platformDetails", "Linux/UNIX".into());
        let judge = |world: &World, copy: &Image| verify_published(&source, copy, &world.snapshots, &key(1));
        assert!(matches!(judge(&world, &copy), Verdict::Good(_)));
        let disabled = Image {
            state: ImageState::Disabled,
            ..copy.clone()
        };
        assert_eq!(judge(&world, &disabled), Verdict::Disabled);
        let id = copy.volumes().next().expect("a volume").2.clone();
        world.snapshots.get_mut(&id).expect("known").key = Some(key(2));
        assert!(matches!(judge(&world, &copy), Verdict::NotEncrypted { .. }));
        world.snapshots.remove(&id);
        assert_eq!(judge(&world, &copy), Verdict::Unknown);
    }

    #[test]
    fn a_copy_that_was_disabled_is_not_good_but_what_else_is_wrong_with_it_is_said_first() {
        assert_eq!(
            verdict_after(|copy, _| copy.state = ImageState::Disabled),
            Verdict::Disabled
        );
        let worse = verdict_after(|copy, _| {
            copy.state = ImageState::Disabled;
            copy.devices.pop();
        });
        assert!(matches!(worse, Verdict::Differs { .. }), "{worse:?}");
    }

    #[test]
    fn anything_that_a_copy_should_keep_and_did_not_is_named() {
        type Change = fn(&mut Image);
        let table: [(&str, Change); 6] = [
            ("architecture", |c| {
                Arc::make_mut(&mut c.attributes).insert("architecture", "arm64".into());
            }),
            ("tpmSupport", |c| {
                Arc::make_mut(&mut c.attributes).insert("tpmSupport", "v2.0".into());
            }),
            ("rootDeviceName", |c| c.root_device = Some("/dev/sda1".into())),
            ("device /dev/sdb", |c| {
                c.devices.pop();
            }),
            ("volumeSize of device /dev/sda", |c| {
                if let BlockDevice::Ebs { volume, .. } = &mut c.devices[0] {
                    Arc::make_mut(&mut volume.kind).size_gib = Some(1);
                }
            }),
            ("snapshot of device /dev/sda", |c| {
                if let BlockDevice::Ebs { volume, .. } = &mut c.devices[0] {
                    volume.snapshot = None;
                }
            }),
        ];
        for (what, change) in table {
            let verdict = verdict_after(|copy, _| change(copy));
            assert_eq!(verdict, Verdict::Differs { what: what.to_owned() });
        }
    }
}
