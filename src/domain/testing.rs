//! Images, snapshots and keys for tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{
    AccountId, AwsError, BlockDevice, CopyRecord, EbsVolume, ErrorClass, Image, ImageId, ImageState, Inventory, Kept,
    KeyArn, Operation, Region, Scope, Snapshot, SnapshotId, SnapshotState, Snapshots, Source, Tags, VolumeKind,
};

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).expect("a time")
}

pub(crate) fn account() -> AccountId {
    "111122223333".parse().expect("an account")
}

pub(crate) fn region() -> Region {
    "eu-west-1".parse().expect("a region")
}

pub(crate) fn scope() -> Scope {
    Scope {
        account: account(),
        region: region(),
    }
}

pub(crate) fn key(number: u32) -> KeyArn {
    format!("arn:aws:kms:eu-west-1:111122223333:key/{number:08}")
        .parse()
        .expect("a key ARN")
}

pub(crate) fn image_id(number: u64) -> ImageId {
    format!("ami-{number:017x}").parse().expect("an image ID")
}

pub(crate) fn snapshot_id(number: u64) -> SnapshotId {
    format!("snap-{number:017x}").parse().expect("a snapshot ID")
}

/// An available, unencrypted image with that many volumes of 8 GiB.
pub(crate) fn image(number: u64, volumes: u64) -> Image {
    let device = |n: u64| BlockDevice::Ebs {
        device: format!("/dev/sd{}", char::from(b'a' + u8::try_from(n % 26).expect("small"))).into(),
        volume: EbsVolume {
            snapshot: Some(snapshot_id(number * 100 + n)),
            encrypted: Some(false),
            kind: Arc::new(VolumeKind {
                size_gib: Some(8),
                volume_type: Some("gp3".into()),
                iops: None,
                throughput: None,
                delete_on_termination: Some(true),
            }),
        },
    };
    Image {
        id: image_id(number),
        name: format!("web-{number}").into(),
        description: None,
        owner: Some(account()),
        state: ImageState::Available,
        created: Some(at(i64::try_from(number).expect("small"))),
        deprecation_time: None,
        last_launched: None,
        public: false,
        backup: false,
        product_codes: false,
        ebs_root: true,
        root_device: Some("/dev/sda".into()),
        attributes: Arc::new(BTreeMap::from([("architecture", "x86_64".into())])),
        devices: (0..volumes).map(device).collect(),
        copied_from: None,
        extras: None,
        tags: Tags::new(),
    }
}

/// What an account and region holds.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) images: BTreeMap<ImageId, Arc<Image>>,
    pub(crate) snapshots: Snapshots,
}

impl World {
    /// These images and their snapshots.
    pub(crate) fn of(images: impl IntoIterator<Item = Image>) -> Self {
        let mut world = Self::default();
        for image in images {
            world.add(image, None);
        }
        world
    }

    /// Adds an image; its snapshots are encrypted under `key`, or not at all.
    pub(crate) fn add(&mut self, image: Image, key: Option<&KeyArn>) {
        for (_, volume, id) in image.volumes() {
            let snapshot = Snapshot {
                state: SnapshotState::Completed,
                encrypted: key.is_some(),
                key: key.cloned(),
                size_gib: volume.kind.size_gib.unwrap_or(8),
                full_bytes: None,
                kept: Kept::Standard,
                copied: None,
                extras: None,
            };
            self.snapshots.insert(id.clone(), snapshot);
        }
        self.images.insert(image.id.clone(), Arc::new(image));
    }

    pub(crate) fn inventory(self, scanned: Timestamp) -> Inventory {
        let mut inventory = Inventory::new(scanned);
        self.images
            .into_values()
            .for_each(|image| inventory.insert(Arc::unwrap_or_clone(image)));
        inventory.snapshots = self.snapshots;
        inventory.note_old_copies();
        inventory
    }
}

/// A copy of `source` as AWS makes it, put into `world`.
pub(crate) fn encrypted_copy(source: &Image, number: u64, key: &KeyArn, world: &mut World) -> Image {
    let mut copy = source.clone();
    copy.id = image_id(number);
    copy.name = format!("encrypted-{}-{number}", source.name).into();
    copy.tags = Tags::new();
    copy.copied_from = Some(Box::new(Source {
        image: source.id.clone(),
        region: region(),
    }));
    for (n, device) in copy.devices.iter_mut().enumerate() {
        if let BlockDevice::Ebs { volume, .. } = device {
            volume.encrypted = Some(true);
            volume.snapshot = Some(snapshot_id(number * 100 + u64::try_from(n).expect("small")));
        }
    }
    world.add(copy.clone(), Some(key));
    for (_, _, id) in copy.volumes() {
        let snapshot = world.snapshots.get_mut(id).expect("just added");
        snapshot.copied = Some(Box::new(CopyRecord {
            image: copy.id.clone(),
            source: source.id.clone(),
        }));
    }
    copy
}

/// A failed call of this class.
pub(crate) fn failed_call(operation: Operation, class: ErrorClass) -> AwsError {
    AwsError::new(operation, class, None)
}
