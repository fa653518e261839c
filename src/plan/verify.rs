//! Whether a copy is the source, encrypted: every snapshot under exactly the required key, and nothing else changed.

use std::collections::{BTreeMap, HashMap};

use crate::domain::{
    BlockDevice, EbsVolume, Image, ImageState, KeyArn, Snapshot, SnapshotId, SnapshotState, Snapshots,
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
    /// Something that a copy must keep differs.
    Differs {
        /// What: an attribute by AWS's name, or a device and its property.
        what: String,
    },
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
    // Nothing is concluded from what could not be read.
    if source.unread.is_some() || copy.unread.is_some() {
        return Verdict::Unknown;
    }
    // A pending copy's mappings may lack their snapshots and look like blank volumes.
    if !matches!(copy.state, ImageState::Available | ImageState::Disabled) {
        return Verdict::Unknown;
    }
    // Encryption first: whatever else is wrong, that is the worst.
    for (device, volume, snapshot) in copy.volumes() {
        match encryption(volume, snapshots.get(snapshot)) {
            Encryption::Unknown => return Verdict::Unknown,
            Encryption::Under(under) if under == *key => {}
            Encryption::Under(under) => {
                return Verdict::NotEncrypted {
                    device: device.to_owned(),
                    under: Some(under),
                };
            }
            Encryption::None => {
                return Verdict::NotEncrypted {
                    device: device.to_owned(),
                    under: None,
                };
            }
        }
        let complete = snapshots
            .get(snapshot)
            .is_some_and(|s| s.state == SnapshotState::Completed);
        if !complete {
            return Verdict::Unknown;
        }
    }
    if let Some(what) = difference(source, copy) {
        return Verdict::Differs { what };
    }
    // Of both: two answers that show nothing are alike.
    if !copy.has_root_snapshot() {
        return Verdict::Unknown;
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
    /// Its snapshot was not read, or the mapping and the snapshot contradict each other.
    Unknown,
}

/// Reads a volume's encryption off the image's mapping and the snapshot itself: only the latter tells the key.
pub fn encryption(volume: &EbsVolume, snapshot: Option<&Snapshot>) -> Encryption {
    match (volume.encrypted, snapshot) {
        // Either source saying "not encrypted" is enough.
        (Some(false), _) => Encryption::None,
        (_, Some(Snapshot { encrypted: false, .. })) => Encryption::None,
        (_, Some(Snapshot { key: Some(key), .. })) => Encryption::Under(key.clone()),
        (_, Some(Snapshot { key: None, .. }) | None) => Encryption::Unknown,
    }
}

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
        .into_iter()
        .find(|n| source.attributes.get(*n) != copy.attributes.get(*n))
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
    use crate::plan::testing::{World, encrypted_copy, image, key};

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
