//! Images and snapshots, projected to what decisions need. A full SDK image is never kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{AccountId, CopyRecord, ImageId, ImageScan, KeyArn, Region, SnapshotId, Tags};

/// Attributes by AWS's names, as text.
pub type Attributes = BTreeMap<&'static str, Box<str>>;

/// An image that the account owns.
///
/// An account may have a hundred thousand of them. What many have in common, such as names of devices, they share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its ID.
    pub id: ImageId,
    /// Its name, unique in its account and region; 3 to 128 characters.
    pub name: Box<str>,
    /// Its description, if it has one.
    pub description: Option<Box<str>>,
    /// The account that owns it; none where that could not be read.
    pub owner: Option<AccountId>,
    /// Its life-cycle state.
    pub state: ImageState,
    /// When it was created. A copy's creation date is that of the copy, not of the source.
    pub created: Option<Timestamp>,
    /// When it becomes deprecated, rounded to the minute.
    pub deprecation_time: Option<Timestamp>,
    /// When it was last launched, up to a day late; none where AWS does not say, which is not that it never was.
    pub last_launched: Option<Timestamp>,
    /// Whether everyone may launch it.
    pub public: bool,
    /// Whether AWS Backup or Data Lifecycle Manager made it, which make and delete such images by themselves.
    pub backup: bool,
    /// Whether it carries product codes (Marketplace or billing).
    pub product_codes: bool,
    /// Whether its root device is an EBS volume; else it is instance-store backed.
    pub ebs_root: bool,
    /// The root device's name, such as `/dev/xvda`.
    pub root_device: Option<Arc<str>>,
    /// Attributes that must survive a copy, by AWS's name, compared as text: architecture, boot mode, virtualization type, hypervisor,
    /// TPM, ENA, SR-IOV, IMDS, platform. Absent attributes are left out.
    pub attributes: Arc<Attributes>,
    /// Its block devices: the root, and the others by name, in whatever order AWS has listed them.
    pub devices: Vec<BlockDevice>,
    /// What it was copied from, as AWS itself records it; users cannot write this. Copies from before AWS recorded it lack it.
    pub copied_from: Option<Box<Source>>,
    /// What few images have.
    pub extras: Option<Box<Extras>>,
    /// Its tags. Anyone may write these.
    pub tags: Tags,
}

/// What few images have, and what may change at any time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras {
    /// By which AWS calls its owner, such as `amazon` or `aws-marketplace`; it has a few, and knows nobody else.
    pub owner_alias: Option<Box<str>>,
    /// What Amazon Inspector has found in it.
    pub scan: Option<ImageScan>,
    /// On which instance types it can be launched, where that is not all.
    pub instance_types: Option<InstanceTypes>,
    /// Its watermarks, by key.
    pub watermarks: Vec<Watermark>,
    /// AWS's code for the state, such as `Client.InvalidKMSKey`; explains a failure.
    pub state_code: Option<Box<str>>,
    /// What in AWS's answer could not be read, if anything. Such an image has no devices here, and nothing is concluded from what
    /// else is known of it: it is selected, counted and named.
    pub unread: Option<Box<str>>,
}

/// On which instance types an image can be launched (`InstanceTypeSpecification`), by names and patterns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceTypes {
    /// On these only, if there are any.
    pub supported: BTreeSet<Box<str>>,
    /// Not on these.
    pub unsupported: BTreeSet<Box<str>>,
}

/// A mark that an image's owner has put on it, and that AWS puts on its copies as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    /// The account that made it and its name: `111122223333:golden`.
    pub key: Box<str>,
    /// When it was put on the image.
    pub attached: Option<Timestamp>,
}

impl Image {
    /// Whether it is an image that can be launched, or enabled again, as far as can be told: one whose state could not be read may be.
    pub fn is_there(&self) -> bool {
        match self.state {
            ImageState::Available | ImageState::Disabled => true,
            ImageState::Other => self.unread().is_some(),
            ImageState::Pending | ImageState::Failed | ImageState::Deregistered => false,
        }
    }

    /// The devices that hold data: those backed by a snapshot.
    pub fn volumes(&self) -> impl Iterator<Item = (&str, &EbsVolume, &SnapshotId)> {
        self.devices.iter().filter_map(|device| match device {
            BlockDevice::Ebs { device, volume } => {
                volume.snapshot.as_ref().map(|snapshot| (&**device, volume, snapshot))
            }
            BlockDevice::Ephemeral { .. } => None,
        })
    }

    /// Whether its root device is a volume made from a snapshot, as that of every EBS-backed image is: where it is not, what
    /// was read is not all there is.
    pub fn has_root_snapshot(&self) -> bool {
        self.ebs_root
            && self
                .root_device
                .as_deref()
                .is_some_and(|root| self.volumes().any(|(device, _, _)| device == root))
    }

    /// On which instance types it can be launched, where that is not all.
    pub fn instance_types(&self) -> Option<&InstanceTypes> {
        self.extras.as_ref()?.instance_types.as_ref()
    }

    /// Its watermarks.
    pub fn watermarks(&self) -> &[Watermark] {
        self.extras.as_ref().map_or(&[], |extras| &extras.watermarks)
    }

    /// By which AWS calls its owner.
    pub fn owner_alias(&self) -> Option<&str> {
        self.extras.as_ref()?.owner_alias.as_deref()
    }

    /// What Amazon Inspector has found in it; none where it was not scanned, as far as is known.
    pub fn scan(&self) -> Option<&ImageScan> {
        self.extras.as_ref()?.scan.as_ref()
    }

    /// AWS's code for its state.
    pub fn state_code(&self) -> Option<&str> {
        self.extras.as_ref()?.state_code.as_deref()
    }

    /// What in AWS's answer about it could not be read.
    pub fn unread(&self) -> Option<&str> {
        self.extras.as_ref()?.unread.as_deref()
    }

    /// How many snapshots a copy of it needs, which is what AWS counts against its limit.
    pub fn snapshot_count(&self) -> u32 {
        u32::try_from(self.volumes().count()).unwrap_or(u32::MAX)
    }
}

/// Where an image was copied from (`SourceImageId`, `SourceImageRegion`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    /// The source image.
    pub image: ImageId,
    /// The source's region.
    pub region: Region,
}

/// The states of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageState {
    /// Being made.
    Pending,
    /// Ready to launch.
    Available,
    /// Disabled by its owner; its snapshots are still in use.
    Disabled,
    /// Making it failed.
    Failed,
    /// Deregistered; AWS may still list it for a while.
    Deregistered,
    /// `invalid`, `transient`, `error`, or a state that this version does not know: nothing is decided on it.
    Other,
}

/// One block device mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockDevice {
    /// An instance-store volume (`VirtualName`); holds no data of the image.
    Ephemeral {
        /// Device name.
        device: Arc<str>,
    },
    /// An EBS volume, blank when it has no snapshot.
    Ebs {
        /// Device name.
        device: Arc<str>,
        /// The volume made from it.
        volume: EbsVolume,
    },
}

impl BlockDevice {
    /// The device's name.
    pub fn device(&self) -> &str {
        match self {
            Self::Ephemeral { device } | Self::Ebs { device, .. } => device,
        }
    }
}

/// The EBS part of a block device mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EbsVolume {
    /// The snapshot that holds its data; none means a blank volume.
    pub snapshot: Option<SnapshotId>,
    /// What `DescribeImages` says of it. Under which key only the snapshot tells.
    pub encrypted: Option<bool>,
    /// What else a mapping says, which is the same for many.
    pub kind: Arc<VolumeKind>,
}

/// What kind of volume a block device mapping asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct VolumeKind {
    /// GiB.
    pub size_gib: Option<i32>,
    /// Such as `gp3`.
    pub volume_type: Option<Box<str>>,
    /// IOPS, where the type has them.
    pub iops: Option<i32>,
    /// MiB/s, where the type has it.
    pub throughput: Option<i32>,
    /// Whether the volume goes with its instance.
    pub delete_on_termination: Option<bool>,
}

/// An EBS snapshot that the account owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its state.
    pub state: SnapshotState,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The key it is encrypted under.
    pub key: Option<KeyArn>,
    /// Volume size in GiB.
    pub size_gib: i32,
    /// Its real size in bytes, where AWS says it.
    pub full_bytes: Option<u64>,
    /// Where it is kept.
    pub kept: Kept,
    /// For which image it was made and from which, where its description says so as AWS writes it.
    pub copied: Option<Box<CopyRecord>>,
    /// What few snapshots have.
    pub extras: Option<Box<SnapshotExtras>>,
}

/// What few snapshots have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotExtras {
    /// Another key by which it can be read, which somebody has associated with it.
    pub also: Option<KeyArn>,
    /// Why making it failed, in AWS's words without what differs from one time to the next.
    pub why: Option<Box<str>>,
}

impl Snapshot {
    /// Another key by which it can be read.
    pub fn also(&self) -> Option<&KeyArn> {
        self.extras.as_ref()?.also.as_ref()
    }

    /// Why making it failed.
    pub fn why(&self) -> Option<&str> {
        self.extras.as_ref()?.why.as_deref()
    }
}

/// Where a snapshot is kept. Only from a region's standard tier can it be copied as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Kept {
    /// In the region, in the standard tier.
    #[default]
    Standard,
    /// In the region, in the archive tier.
    Archive,
    /// In a Local Zone or on an Outpost, where its data may have to stay.
    Local,
}

/// The states of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SnapshotState {
    /// Being made.
    Pending,
    /// Complete.
    Completed,
    /// Failed.
    Error,
    /// `recoverable`, `recovering`, or a state that this version does not know.
    Other,
}

/// Who may launch an image: one entry of its launch permissions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LaunchPermission {
    /// Everyone.
    Public,
    /// An account.
    Account(AccountId),
    /// An organization, by ARN.
    Organization(Box<str>),
    /// An organizational unit, by ARN.
    OrganizationalUnit(Box<str>),
}
