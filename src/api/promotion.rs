//! Putting copies in the place of their originals: what a policy says of it, what people decide, and what is on record of each
//! consumer.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// So many consumers of an image are on record in its migration. More wait until there is room.
pub const RECORDED_CONSUMERS: usize = 50;

/// What a verified copy takes over from its original, and what that makes way for.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PromotionSettings {
    /// `Preserve`: whoever may launch the original may launch the copy. `Drop`: the copy is shared with nobody.
    #[serde(default)]
    pub launch_permissions: LaunchPermissions,
    /// `Withhold`: the copy carries amiseal's own tags and `copy.extraTags` only, so that nothing that selects images
    /// by tag rolls onto it. `Publish`: it gets the original's tags.
    #[serde(default)]
    pub tags: TagPublication,
    /// `Report`: launch templates that name the original are left as they are. `Update`: each gets a new version, made of its latest
    /// one, that names the copy, and this version becomes the default where the default named the original. Whatever launches
    /// `$Latest` launches the copy from then on.
    #[serde(default)]
    pub launch_templates: ConsumerUpdate,
    /// `Report`: parameters of Systems Manager's Parameter Store that hold the original's ID are left as they are. `Update`: they get
    /// the copy's.
    #[serde(default)]
    pub ssm_parameters: ConsumerUpdate,
    /// `Automatic`: consumers are moved as soon as the copy is verified and published. `Manual`: not before somebody sets
    /// `spec.approval: Approved` in the migration.
    #[serde(default)]
    pub approval: ApprovalPolicy,
    /// How many consumers may be moved in 24 hours in one account and region.
    #[serde(default = "default_max_per_day")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_per_day: u32,
}

fn default_max_per_day() -> u32 {
    50
}

impl Default for PromotionSettings {
    fn default() -> Self {
        Self {
            launch_permissions: LaunchPermissions::default(),
            tags: TagPublication::default(),
            launch_templates: ConsumerUpdate::default(),
            ssm_parameters: ConsumerUpdate::default(),
            approval: ApprovalPolicy::default(),
            max_per_day: default_max_per_day(),
        }
    }
}

impl PromotionSettings {
    /// What of it is published on the copy.
    pub(crate) fn published(&self) -> PublishedSettings {
        PublishedSettings {
            launch_permissions: self.launch_permissions,
            tags: self.tags,
        }
    }

    /// Whether any consumer is to be moved.
    pub(crate) fn moves(&self) -> bool {
        [self.launch_templates, self.ssm_parameters].contains(&ConsumerUpdate::Update)
    }
}

/// The settings under which a copy was published.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PublishedSettings {
    /// Whether the copy got the original's launch permissions.
    #[serde(default)]
    pub launch_permissions: LaunchPermissions,
    /// Whether it got the original's tags.
    #[serde(default)]
    pub tags: TagPublication,
}

/// What becomes of the original's launch permissions.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LaunchPermissions {
    /// The copy gets those of the original.
    #[default]
    Preserve,
    /// The copy is shared with nobody.
    Drop,
}

/// What becomes of the original's tags.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TagPublication {
    /// The copy gets them.
    Publish,
    /// The copy carries amiseal's own tags only.
    #[default]
    Withhold,
}

/// What becomes of consumers of one kind.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsumerUpdate {
    /// They are shown, and left as they are.
    #[default]
    Report,
    /// They are moved to the copy.
    Update,
}

/// Who says that consumers may be moved.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApprovalPolicy {
    /// The policy does.
    #[default]
    Automatic,
    /// Somebody does, for each migration.
    Manual,
}

/// Whether somebody has said that the consumers of an image may be moved.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approval {
    /// Nobody has.
    #[default]
    Pending,
    /// Somebody has.
    Approved,
}

/// What people want of a migration.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Desired {
    /// That consumers are moved to the copy as the policy says.
    #[default]
    Migrated,
    /// That no consumer is moved, and none is put back.
    Held,
    /// That every consumer is put back to what it was before.
    RolledBack,
}

/// A consumer of the original that was moved to the copy, or is to be, or that is left alone.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MovedConsumer {
    /// The kind: `LaunchTemplate` or `Parameter`.
    #[schemars(length(max = 32))]
    pub kind: String,
    /// Its ID or name in the image's account and region.
    #[schemars(length(max = 1024))]
    pub id: String,
    /// `Moving`: it is about to be changed. `Moved`: it names the copy. `Left`: it is left as it is, for `reason`. `PuttingBack`,
    /// `PutBack`: the same for a rollback.
    #[serde(default)]
    pub state: ConsumerState,
    /// Why it is left as it is, or what else there is to say of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// The same in a sentence that names the fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// What was in place before. Absent where nothing was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<ConsumerVersions>,
    /// What amiseal made. Absent until AWS has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<ConsumerVersions>,
    /// When the change was recorded that this shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// Which versions of a launch template or a parameter.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerVersions {
    /// The latest version.
    pub latest: i64,
    /// The default version of a launch template, where it is changed too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<i64>,
}

/// How far a consumer is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsumerState {
    /// What is to be changed is on record, and is about to be.
    Moving,
    /// It names the copy, which was read back.
    Moved,
    /// It is left as it is.
    #[default]
    Left,
    /// It is about to be put back.
    PuttingBack,
    /// It is as it was before, which was read back.
    PutBack,
}
