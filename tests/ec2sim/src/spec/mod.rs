//! The world file: what exists in AWS before the first call, how the simulator behaves, what should come of it.

mod consumer_settings;
mod consumers;
mod expand;
mod expect;
mod images;
mod inspector_settings;
mod launch_settings;
mod organizations;
mod queues;
mod region;
mod settings;

pub use consumer_settings::{
    Absent, ConsumerSettings, References, ReportOutcome, Services, Unreadable, Unresolved, UsageReports,
};
pub use consumers::ConsumerSpec;
pub(crate) use consumers::{Directory, INSTANCE_STATES, Place, add_any, prepare_value, prepare_version};
pub use expand::expand;
pub(crate) use expand::{digest, is_account_id, is_resource_id};
pub use expect::{
    AllowedCall, CopiedExpectation, Expectation, Keep, Scope, SettingExpectation, TagExpectation, WorldExpectations,
};
pub(crate) use images::add_images;
pub use inspector_settings::{InspectorFinding, InspectorSettings, OnDemandSettings};
pub use launch_settings::{EncryptedSnapshots, InheritedSnapshots, LaunchSettings, Omitted, Suspended};
pub use queues::{QueueSettings, QueueSpec};
pub use region::{KeySpec, OptIn, RegionSpec};
pub use settings::{
    BadDefaultKeys, ClockSpec, Consistency, Copies, DeadTokens, Disabled, FailedCopies, IdWildcards, LimitMode, Lists,
    Mappings, Names, Pagination, Quotas, Sessions, Settings, Throttling, TimeSource,
};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::SimTime;
use crate::faults::FaultRule;
use crate::model::{InstanceTypes, Organization, Scan};

/// A world that can not be built, in one sentence that names the place and the mend.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The file is not YAML of the world's shape.
    #[error("the world file does not parse: {0}")]
    Parse(String),
    /// The file parses, but a value can not be used.
    #[error("{path}: {message}")]
    Invalid {
        /// Where, as in `accounts[0].regions[1].name`.
        path: String,
        /// What is wrong and how to mend it.
        message: String,
    },
}

impl SpecError {
    pub(crate) fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid {
            path: path.into(),
            message: message.into(),
        }
    }
}

/// A whole world file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorldSpec {
    /// Seed of every random choice.
    pub seed: u64,
    /// When simulated time starts and how fast it runs.
    pub clock: ClockSpec,
    /// How the simulated AWS behaves.
    pub settings: Settings,
    /// Access keys that exist before any role is assumed.
    pub identities: Vec<IdentitySpec>,
    /// The accounts.
    pub accounts: Vec<AccountSpec>,
    /// The organizations.
    pub organizations: Vec<Organization>,
    /// Faults that are there from the start.
    pub faults: Vec<FaultRule>,
    /// What should have come of the world as a whole.
    pub expect: WorldExpectations,
}

impl WorldSpec {
    /// Reads a world file.
    ///
    /// # Errors
    /// When the text is not YAML, or a field is unknown or of the wrong type.
    pub fn parse(yaml: &str) -> Result<Self, SpecError> {
        serde_saphyr::from_str(yaml).map_err(|e| SpecError::Parse(e.to_string()))
    }
}

/// A long-lived access key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdentitySpec {
    /// The access key ID, as in `AKIAIOSFODNN7EXAMPLE`.
    pub access_key: String,
    /// The account it belongs to.
    pub account: String,
    /// The user's or role's name; absent: `user/<access key>`.
    #[serde(default)]
    pub name: Option<String>,
    /// Actions it may call, with `*`. Absent: all.
    #[serde(default = "all_actions")]
    pub allow: Vec<String>,
}

fn all_actions() -> Vec<String> {
    vec!["*".to_owned()]
}

fn aws() -> String {
    "aws".to_owned()
}

const fn yes() -> bool {
    true
}

/// One account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountSpec {
    /// Twelve digits.
    pub id: String,
    /// The partition in its ARNs.
    #[serde(default = "aws")]
    pub partition: String,
    /// ARN of the organization it is in.
    #[serde(default)]
    pub organization: Option<String>,
    /// ARNs of the organizational units it is in.
    #[serde(default)]
    pub organizational_units: Vec<String>,
    /// By which AWS calls it the owner of images, such as `amazon` or `aws-marketplace`.
    #[serde(default)]
    pub owner_alias: Option<String>,
    /// Its roles.
    #[serde(default)]
    pub roles: Vec<RoleSpec>,
    /// Its regions.
    #[serde(default)]
    pub regions: Vec<RegionSpec>,
}

/// A role that can be assumed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleSpec {
    /// The role's name, without path.
    pub name: String,
    /// The external ID that a caller must send.
    #[serde(default, rename = "externalID")]
    pub external_id: Option<String>,
    /// Account IDs and principal ARNs that may assume it; `*` for all.
    pub trust: Vec<String>,
    /// Actions it may call, with `*`.
    pub allow: Vec<String>,
    /// Statements of policies as IAM writes them, with `Effect`, `Action`, `Resource` and `Condition`: what they allow it
    /// may call too, and what they deny it may not. A condition's operator or key that the simulator does not know is an
    /// error.
    #[serde(default)]
    pub statements: Vec<serde_json::Value>,
    /// Whether its trust policy lets callers set session tags (`sts:TagSession`).
    #[serde(default = "yes")]
    pub session_tags: bool,
    /// Longest session, in seconds.
    #[serde(default = "one_hour")]
    pub max_session_seconds: u32,
}

const fn one_hour() -> u32 {
    3600
}

/// Who may launch an image.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LaunchPermissionsSpec {
    /// Account IDs.
    pub users: Vec<String>,
    /// Organization ARNs.
    pub organizations: Vec<String>,
    /// Organizational unit ARNs.
    pub organizational_units: Vec<String>,
}

/// One image, or with `count` many.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ImageSpec {
    /// Makes that many images; `{n}` in name, description, tag values and ID is the number, from 1.
    pub count: Option<u32>,
    /// Image ID; absent: made from the seed.
    pub id: Option<String>,
    /// The image's name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Tags of its snapshots.
    pub snapshot_tags: BTreeMap<String, String>,
    /// Who may launch it.
    pub launch_permissions: LaunchPermissionsSpec,
    /// Launchable by everybody.
    pub public: bool,
    /// When it is deprecated.
    pub deprecation_time: Option<SimTime>,
    /// When it was made; absent: a seeded time in the three years before the start.
    pub creation_date: Option<SimTime>,
    /// When it was last launched.
    pub last_launched_time: Option<SimTime>,
    /// Billing codes: such images can not be copied by other accounts.
    pub product_codes: Vec<String>,
    /// `ebs` (default) or `instance-store`.
    pub root_device_type: Option<String>,
    /// As EC2 names it, `uefi-preferred` and so on.
    pub boot_mode: Option<String>,
    /// `v2.0`.
    pub tpm: Option<String>,
    /// `v2.0`.
    pub imds: Option<String>,
    /// UEFI variables, base64.
    pub uefi_data: Option<String>,
    /// On which instance types it can be launched; absent: all.
    pub instance_types: Option<InstanceTypes>,
    /// Its watermarks, each as `account:name`, put on it when it was made.
    pub watermarks: Vec<String>,
    /// ENA support, default true.
    pub ena: Option<bool>,
    /// `simple`.
    pub sriov: Option<String>,
    /// Default `x86_64`.
    pub architecture: Option<String>,
    /// Default `available`.
    pub state: Option<String>,
    /// `windows`, else absent.
    pub platform: Option<String>,
    /// Default `hvm`.
    pub virtualization: Option<String>,
    /// Deregistration is forbidden.
    pub deregistration_protection: bool,
    /// Accounts that may read its snapshots.
    pub snapshots_shared_with: Vec<String>,
    /// Everybody may make volumes of its snapshots.
    pub public_snapshots: bool,
    /// What Amazon Inspector has found in it; absent: it was not scanned.
    pub scan: Option<Scan>,
    /// Key alias or ID for every device that does not say itself.
    pub encrypted_under: Option<String>,
    /// Block devices, the first is the root; absent: one of 8 GiB gp3.
    pub devices: Vec<DeviceSpec>,
    /// An image that this one was copied from.
    pub source_image_id: Option<String>,
    /// The region of that image; absent: the same.
    pub source_image_region: Option<String>,
    /// `machine` (default), `kernel` or `ramdisk`.
    pub image_type: Option<String>,
    /// In which way an answer about it is not as answers are; absent: it is.
    pub garbled: Option<Garbled>,
    /// It was made from this instance, which was launched from `sourceImageId`: it is no copy of that. Empty: AWS does not say
    /// from which.
    pub source_instance_id: Option<String>,
    /// The description of its snapshots; `{id}` is its own ID. Absent: what AWS writes.
    pub snapshot_description: Option<String>,
    /// What should become of it.
    pub expect: Expectation,
}

/// A way in which an answer about an image is not as answers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Garbled {
    /// Its first device is mapped a second time.
    MappedTwice,
    /// A device has no name.
    NamelessDevice,
    /// It does not say whose it is.
    WithoutOwner,
    /// It does not say in which state it is.
    WithoutState,
    /// It does not say whether everybody may launch it.
    WithoutPublic,
}

/// One block device mapping.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DeviceSpec {
    /// Device name; absent: `/dev/xvda`, `/dev/sdb`, `/dev/sdc`, …
    pub device: Option<String>,
    /// Size, default 8.
    pub gib: Option<u32>,
    /// Default `gp3`.
    pub volume_type: Option<String>,
    /// Provisioned operations a second.
    pub iops: Option<u32>,
    /// MiB a second.
    pub throughput: Option<u32>,
    /// Default true.
    pub delete_on_termination: Option<bool>,
    /// Key alias or ID.
    pub encrypted_under: Option<String>,
    /// ARNs of keys that are associated with its snapshot beside the one that it is encrypted under.
    pub associated_keys: Vec<String>,
    /// An EBS volume without a snapshot.
    pub blank: bool,
    /// An instance store volume.
    pub ephemeral: bool,
    /// Name or ID of an image of this region, further up in the file: it is of the first snapshot of that one.
    pub snapshot_of: Option<String>,
    /// The snapshot belongs to this other account.
    pub owned_by: Option<String>,
    /// Whether that other account shares it; default true.
    pub shared: Option<bool>,
    /// The snapshot's tier, `standard` (default) or `archive`.
    pub storage_tier: Option<String>,
    /// The Local Zone that the snapshot is kept in.
    pub availability_zone: Option<String>,
    /// The Outpost that the snapshot is kept on.
    pub outpost_arn: Option<String>,
}
