//! Images, snapshots and what they are made of.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Lagged, Scan};
use crate::clock::SimTime;
use crate::spec::{Expectation, Garbled};

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// Who may launch an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LaunchPermission {
    /// Everybody.
    All,
    /// An account.
    User(String),
    /// An organization, by ARN.
    Organization(String),
    /// An organizational unit, by ARN.
    OrganizationalUnit(String),
}

/// The state of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageState {
    /// Being copied.
    Pending,
    /// Usable.
    Available,
    /// The copy failed.
    Failed,
    /// Disabled by its owner.
    Disabled,
    /// In another state that EC2 knows.
    Invalid,
    /// In a passing state.
    Transient,
    /// In error.
    Error,
    /// Gone.
    Deregistered,
}

impl ImageState {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Failed => "failed",
            Self::Disabled => "disabled",
            Self::Invalid => "invalid",
            Self::Transient => "transient",
            Self::Error => "error",
            Self::Deregistered => "deregistered",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::Pending,
            Self::Available,
            Self::Failed,
            Self::Disabled,
            Self::Invalid,
            Self::Transient,
            Self::Error,
            Self::Deregistered,
        ]
        .into_iter()
        .find(|s| s.as_str() == name)
    }
}

/// What an image is apart from its storage; copies carry it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    /// As in `x86_64`.
    pub architecture: String,
    /// As in `uefi`.
    pub boot_mode: Option<String>,
    /// As in `v2.0`.
    pub tpm_support: Option<String>,
    /// As in `v2.0`.
    pub imds_support: Option<String>,
    /// UEFI variables.
    pub uefi_data: Option<String>,
    /// ENA.
    pub ena_support: bool,
    /// As in `simple`.
    pub sriov_net_support: Option<String>,
    /// As in `hvm`.
    pub virtualization_type: String,
    /// `windows`.
    pub platform: Option<String>,
    /// `ebs` or `instance-store`.
    pub root_device_type: String,
    /// As in `/dev/xvda`.
    pub root_device_name: String,
    /// On which instance types it can be launched, where that is not all.
    pub instance_types: Option<InstanceTypes>,
    /// Its watermarks, and when each was put on it.
    pub watermarks: BTreeMap<String, SimTime>,
}

/// On which instance types an image can be launched, by names and patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InstanceTypes {
    /// On these only, if there are any.
    pub supported: BTreeSet<String>,
    /// Not on these.
    pub unsupported: BTreeSet<String>,
}

/// One entry of an image's block device mapping.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mapping {
    /// Device name.
    pub device: String,
    /// What is there.
    pub storage: Storage,
}

/// What a mapping maps to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Storage {
    /// An instance store volume, by virtual name.
    Ephemeral(String),
    /// An EBS volume.
    Ebs(Ebs),
}

/// An EBS mapping.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ebs {
    /// The snapshot; absent: a blank volume.
    pub snapshot: Option<String>,
    /// Size.
    pub gib: u32,
    /// As in `gp3`.
    pub volume_type: String,
    /// Provisioned operations a second.
    pub iops: Option<u32>,
    /// MiB a second.
    pub throughput: Option<u32>,
    /// Whether the volume goes with the instance.
    pub delete_on_termination: bool,
    /// Whether the snapshot is encrypted.
    pub encrypted: bool,
}

/// An image.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Image ID.
    pub id: String,
    /// Owning account.
    pub owner: String,
    /// Region.
    pub region: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: Lagged<Option<String>>,
    /// Tags.
    pub tags: Lagged<Tags>,
    /// Launch permissions.
    pub launch_permissions: Lagged<BTreeSet<LaunchPermission>>,
    /// When it is deprecated.
    pub deprecation_time: Lagged<Option<SimTime>>,
    /// When it was made.
    pub creation_date: SimTime,
    /// When it was last launched.
    pub last_launched_time: Lagged<Option<SimTime>>,
    /// State.
    pub state: ImageState,
    /// Code and message of a failure.
    pub state_reason: Option<(String, String)>,
    /// What copies carry.
    pub attributes: Attributes,
    /// Billing codes.
    pub product_codes: Vec<String>,
    /// Deregistration is forbidden.
    pub deregistration_protection: bool,
    /// Block devices.
    pub mappings: Vec<Mapping>,
    /// Image and region that it was copied from, or, with an instance, that the instance was launched from.
    pub source: Option<(String, String)>,
    /// The instance that it was made from. Empty: AWS does not say which.
    pub source_instance: Option<String>,
    /// The call that made it; absent: the world file did.
    pub created_by: Option<u64>,
    /// Not shown before.
    pub visible_at: SimTime,
    /// Deregistered, and not shown from then on.
    pub gone_at: Option<SimTime>,
    /// What Amazon Inspector has found in it.
    pub scan: Option<Scan>,
    /// `machine`, `kernel` or `ramdisk`.
    pub image_type: String,
    /// In which way an answer about it is not as answers are.
    pub garbled: Option<Garbled>,
    /// What should become of it.
    pub expect: Expectation,
    /// A copy that a fault rule made wrong or an edit took away: whoever made it may make another.
    pub spoiled: bool,
    /// The image as the world file has it, to tell changes from.
    #[serde(skip)]
    pub baseline: Option<Box<Self>>,
}

impl Image {
    /// The EBS mappings that hold data.
    pub fn snapshot_ids(&self) -> impl Iterator<Item = &str> {
        self.mappings.iter().filter_map(|m| match &m.storage {
            Storage::Ebs(e) => e.snapshot.as_deref(),
            Storage::Ephemeral(_) => None,
        })
    }

    /// Whether any snapshot of it is encrypted.
    pub fn any_encrypted(&self) -> bool {
        self.mappings
            .iter()
            .any(|m| matches!(&m.storage, Storage::Ebs(e) if e.encrypted && e.snapshot.is_some()))
    }

    /// Whether it is there, apart from what readers see.
    pub const fn exists(&self) -> bool {
        self.gone_at.is_none()
    }

    /// The image and region that it is a copy of.
    pub fn copied_from(&self) -> Option<&(String, String)> {
        self.source.as_ref().filter(|_| self.source_instance.is_none())
    }

    /// Whether a reader sees it.
    pub fn is_visible(&self, now: SimTime) -> bool {
        now >= self.visible_at && self.gone_at.is_none_or(|t| now < t)
    }

    /// Whether it is a copy that came to nothing: failed, cancelled or spoiled.
    pub fn is_failed_attempt(&self) -> bool {
        let cancelled = self.state == ImageState::Pending && !self.exists();
        self.spoiled || cancelled || self.state == ImageState::Failed
    }

    /// Whether it was taken away by an edit, and not by a call.
    pub fn removed_by_edit(&self) -> bool {
        self.baseline.as_ref().is_some_and(|b| !b.exists())
    }

    /// Takes its present self as what later changes are told from.
    pub fn take_baseline(&mut self) {
        self.baseline = None;
        self.baseline = Some(Box::new(self.clone()));
    }
}

/// The state of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotState {
    /// Being copied, or waiting for it.
    Pending,
    /// Usable.
    Completed,
    /// The copy failed.
    Error,
}

impl SnapshotState {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Error => "error",
        }
    }
}

/// A snapshot.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Snapshot ID.
    pub id: String,
    /// Owning account.
    pub owner: String,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: Lagged<Tags>,
    /// Size of the volume.
    pub gib: u32,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// ARN of the key.
    pub key_arn: Option<String>,
    /// ARNs of keys that are associated with it beside that.
    pub associated_keys: Vec<String>,
    /// State.
    pub state: SnapshotState,
    /// Why it is in error.
    pub state_message: Option<String>,
    /// When copying starts (later than the call when queued).
    pub started_at: SimTime,
    /// When copying is done.
    pub done_at: SimTime,
    /// Accounts that may read it.
    pub shared_with: BTreeSet<String>,
    /// Whether everybody may make volumes of it.
    pub public: bool,
    /// The call that made it; absent: the world file did.
    pub created_by: Option<u64>,
    /// Not shown before.
    pub visible_at: SimTime,
    /// Deleted, and not shown from then on.
    pub gone_at: Option<SimTime>,
    /// `standard` or `archive`.
    pub storage_tier: String,
    /// The Local Zone that it is kept in.
    pub availability_zone: Option<String>,
    /// The Outpost that it is kept on.
    pub outpost_arn: Option<String>,
    /// How its copy goes on, while it is pending.
    #[serde(skip)]
    pub job: Option<CopyJob>,
}

impl Snapshot {
    /// Whether it is there, apart from what readers see.
    pub const fn exists(&self) -> bool {
        self.gone_at.is_none()
    }

    /// Whether a reader sees it.
    pub fn is_visible(&self, now: SimTime) -> bool {
        now >= self.visible_at && self.gone_at.is_none_or(|t| now < t)
    }

    /// Percent done.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn progress(&self, now: SimTime) -> u32 {
        if self.state == SnapshotState::Completed {
            return 100;
        }
        let total = self.done_at.seconds_since(self.started_at);
        if total <= 0.0 {
            return 99;
        }
        let share = now.seconds_since(self.started_at) / total;
        (share * 100.0).clamp(0.0, 99.0) as u32
    }
}

/// What a pending copy of a snapshot needs when it completes.
#[derive(Clone, Debug)]
pub struct CopyJob {
    /// The image it belongs to.
    pub image: String,
    /// The key as the caller named it; absent: not encrypted.
    pub key: Option<String>,
    /// Region and ARN of the key that the source is under, if it is encrypted.
    pub source_key: Option<(String, String)>,
    /// Account and ARNs of the caller, for the keys' policies.
    pub principals: Vec<String>,
    /// An action on keys that the caller lacks.
    pub lacks: Option<String>,
}
