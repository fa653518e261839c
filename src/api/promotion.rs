//! Putting copies in the place of their originals: what a policy says of it, what people decide, and what is on record of each
//! consumer.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConsumerRefresh, Duration, InstanceRefreshSettings, rules};
use crate::domain::ConsumerKind;

/// So many consumers of an image are on record in its migration. More wait until there is room.
pub const RECORDED_CONSUMERS: usize = 50;

/// So many parts of an Auto Scaling group are on record: its launch template, and as many overrides as AWS takes. One that has more
/// is left as it is.
pub const RECORDED_PARTS: usize = 41;

/// So many labels of a parameter are on record: as many as AWS allows on one version.
pub const RECORDED_LABELS: usize = 10;

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
    /// The name of a watermark that a verified copy gets before anything else, as in `amiseal-verified`. With it, the Allowed AMIs setting
    /// of other accounts can let only images launch that were verified here. Absent: none. A watermark stays when you remove this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    #[x_kube(validation = rules::watermark_name())]
    pub seal: Option<String>,
    /// `Report`: launch templates that name the original are left as they are. `Update`: each gets a new version, made of its latest
    /// one, that names the copy, and this version becomes the default where the default named the original. Whatever launches
    /// `$Latest` launches the copy from then on.
    #[serde(default)]
    pub launch_templates: ConsumerUpdate,
    /// `Report`: parameters of Systems Manager's Parameter Store that hold the original's ID are left as they are. `Update`: they get
    /// the copy's.
    #[serde(default)]
    pub ssm_parameters: ConsumerUpdate,
    /// `Report`: Auto Scaling groups that name the original are left as they are. `Update`: each that pins a version of a launch
    /// template which names the original, by its number, gets the version that amiseal made of exactly that one, and each override
    /// that names the original gets the copy. Groups that launch `$Latest` or `$Default` follow their template. `Refresh`: the same, and
    /// the instances that still run the original are replaced, as `instanceRefresh` says.
    #[serde(default)]
    pub auto_scaling_groups: GroupUpdate,
    /// How instances are replaced, where `autoScalingGroups` is `Refresh`.
    #[serde(default)]
    pub instance_refresh: InstanceRefreshSettings,
    /// `Automatic`: consumers are moved as soon as the copy is verified and published. `Manual`: not before somebody sets
    /// `spec.approval: Approved` in the migration. What was put back needs that too, once its migration was deleted and made anew.
    #[serde(default)]
    pub approval: ApprovalPolicy,
    /// How many consumers may be moved in 24 hours in one account and region.
    #[serde(default = "default_max_per_day")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_per_day: u32,
    /// When consumers may be moved. Absent: at any time. What has begun is brought to its end, and a rollback waits for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<PromotionSchedule>,
    /// After how many failures, over all accounts and regions of the policy, no more consumers are moved until a person has looked.
    /// A failure is a consumer that somebody has set back or changed meanwhile, or that could not be moved or put back as it should.
    #[serde(default = "default_max_failures")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_failures: u32,
    /// Failures before this time no longer count for `maxFailures`, as in `2026-11-29T20:00:00Z`. Set it once you have looked at them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::time_form("failuresAcknowledgedAt"))]
    pub failures_acknowledged_at: Option<String>,
    /// Where the controller keeps the map from originals to copies, for those who declare images elsewhere. Absent: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<MapSettings>,
}

/// Where the map from originals to copies is kept.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::map_has_a_place())]
pub struct MapSettings {
    /// The name of a ConfigMap in the controller's own namespace, as in `amiseal-images`. It has what `amiseal map` prints of this
    /// policy, under the keys `map.json`, `map.yaml` and `amiseal.auto.tfvars`. One that is there already is left as it is. The chart
    /// grants the right to write it with `promotionMap.enabled`. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::config_map_name())]
    pub config_map: Option<String>,
    /// The beginning of the names of parameters in Systems Manager's Parameter Store, as in `/amiseal/images`. In each account and
    /// region, each original has a parameter with its ID after this prefix and a slash, whose value is the copy's ID. Parameters that
    /// are there already are left as they are. Under mode Audit and while the policy is suspended none is written. The role needs
    /// rights for it, which `amiseal iam-policy` prints. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(
        validation = rules::parameter_prefix_form(),
        validation = rules::parameter_prefix_not_reserved()
    )]
    pub ssm_prefix: Option<String>,
}

fn default_max_per_day() -> u32 {
    50
}

fn default_max_failures() -> u32 {
    5
}

/// Windows in time, each as long as `duration`, that begin when `cron` says.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PromotionSchedule {
    /// When a window begins: minute, hour, day of month, month, day of week, as in `0 9 * * MON-THU`.
    #[schemars(length(max = 100))]
    #[x_kube(validation = rules::cron_form())]
    pub cron: String,
    /// The time zone that `cron` is in, by its name in the IANA time zone database, as in `Europe/Berlin`.
    #[serde(default = "default_time_zone")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::time_zone_form())]
    pub time_zone: String,
    /// How long a window is, as in `4h`: at least `5m` and at most `168h`.
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::window_range())]
    #[x_kube(validation = rules::duration_form("duration"))]
    pub duration: Duration,
}

fn default_time_zone() -> String {
    "UTC".to_owned()
}

impl Default for PromotionSettings {
    fn default() -> Self {
        Self {
            launch_permissions: LaunchPermissions::default(),
            tags: TagPublication::default(),
            seal: None,
            launch_templates: ConsumerUpdate::default(),
            ssm_parameters: ConsumerUpdate::default(),
            auto_scaling_groups: GroupUpdate::default(),
            instance_refresh: InstanceRefreshSettings::default(),
            approval: ApprovalPolicy::default(),
            max_per_day: default_max_per_day(),
            schedule: None,
            max_failures: default_max_failures(),
            failures_acknowledged_at: None,
            map: None,
        }
    }
}

impl PromotionSettings {
    /// What of it is published on the copy.
    pub(crate) fn published(&self) -> PublishedSettings {
        PublishedSettings {
            launch_permissions: self.launch_permissions,
            tags: self.tags,
            seal: self.seal.clone(),
        }
    }

    /// Whether any consumer is to be moved.
    pub(crate) fn moves(&self) -> bool {
        let kinds = [
            ConsumerKind::LaunchTemplate,
            ConsumerKind::Parameter,
            ConsumerKind::AutoScalingGroup,
        ];
        kinds.into_iter().any(|kind| self.moves_kind(kind))
    }

    /// Whether consumers of this kind are to be moved.
    pub(crate) fn moves_kind(&self, kind: ConsumerKind) -> bool {
        match kind {
            ConsumerKind::LaunchTemplate => self.launch_templates == ConsumerUpdate::Update,
            ConsumerKind::Parameter => self.ssm_parameters == ConsumerUpdate::Update,
            ConsumerKind::AutoScalingGroup => self.auto_scaling_groups != GroupUpdate::Report,
            _ => false,
        }
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
    /// The name of the watermark that it got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub seal: Option<String>,
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

/// What becomes of Auto Scaling groups.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupUpdate {
    /// They are shown, and left as they are.
    #[default]
    Report,
    /// They are set to the copy.
    Update,
    /// They are, and their instances are replaced.
    Refresh,
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
    /// The kind: `LaunchTemplate`, `Parameter` or `AutoScalingGroup`.
    #[schemars(length(max = 32))]
    pub kind: String,
    /// Its ID or name in the image's account and region.
    #[schemars(length(max = 1024))]
    pub id: String,
    /// `Moving`: it is about to be changed. `Refreshing`: AWS replaces the instances of a group. `Moved`: it names the copy. `Left`: it is left as it is, for `reason`. `PuttingBack`,
    /// `PutBack`: the same for a rollback. With a `reason`, `PutBack` says why it is not moved again.
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
    /// The instance refresh of a group that amiseal has asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<ConsumerRefresh>,
    /// When the change was recorded that this shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// Which versions of a launch template or a parameter, or what an Auto Scaling group names.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerVersions {
    /// The latest version. Absent for an Auto Scaling group, which has none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub latest: i64,
    /// The default version of a launch template, where it is changed too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<i64>,
    /// The parts of an Auto Scaling group that are changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 41))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub parts: Vec<ConsumerPart>,
    /// The labels of a parameter that go along, each with the version that it is on, at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub labels: Vec<ConsumerLabel>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// A part of an Auto Scaling group, and what it names.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerPart {
    /// Where it stands: `launchTemplate`, or the template or the image of an override.
    #[schemars(length(max = 64))]
    pub at: String,
    /// A launch template and the number of its version, or an image.
    #[schemars(length(max = 256))]
    pub names: String,
}

/// A label of a parameter, and the version that it is on.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerLabel {
    /// A label of the parameter.
    #[schemars(length(max = 100))]
    pub name: String,
    /// The number of the version.
    pub version: i64,
}

/// How far a consumer is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsumerState {
    /// What is to be changed is on record, and is about to be.
    Moving,
    /// AWS replaces the group's instances.
    Refreshing,
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
