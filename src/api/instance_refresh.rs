//! How the instances of Auto Scaling groups are replaced: what a policy says of it, and what is on record of one.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, rules};

/// How EC2 Auto Scaling replaces the instances of a group that still run the original. What is not said here is as AWS has it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::healthy_percentages())]
#[x_kube(validation = rules::delay_of_checkpoints())]
pub struct InstanceRefreshSettings {
    /// `Rolling`: instances are replaced. `ReplaceRootVolume`: they get a new root volume and stay; that takes a copy with one volume,
    /// and an image in every override of a mixed instances policy.
    #[serde(default)]
    pub strategy: RefreshStrategy,
    /// How much of the group has to stay healthy, in percent: 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub min_healthy_percentage: Option<u32>,
    /// How large the group may become meanwhile, in percent: 100 to 200, and at most 100 more than `minHealthyPercentage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 200))]
    pub max_healthy_percentage: Option<u32>,
    /// How long a new instance takes until it is in use, as in `5m`: at most `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::at_most("instanceWarmup", "24h"))]
    #[x_kube(validation = rules::duration_form("instanceWarmup"))]
    pub instance_warmup: Option<Duration>,
    /// Percentages of the group after which AWS waits, in ascending order, the last one 100. At most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(range(min = 1, max = 100)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = rules::checkpoints())]
    pub checkpoint_percentages: Vec<u32>,
    /// How long it waits after each, as in `1h`: at most `48h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::at_most("checkpointDelay", "48h"))]
    #[x_kube(validation = rules::duration_form("checkpointDelay"))]
    pub checkpoint_delay: Option<Duration>,
    /// How long it waits at the end before the refresh counts as successful, as in `30m`: at most `48h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::at_most("bakeTime", "48h"))]
    #[x_kube(validation = rules::duration_form("bakeTime"))]
    pub bake_time: Option<Duration>,
    /// Names of CloudWatch alarms, at most 10: while one of them is in alarm, the refresh fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(min = 1, max = 255)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub alarms: Vec<String>,
    /// Whether AWS puts the instances back by itself where a refresh fails. It can do so for groups that pin a version or name an image,
    /// and not for those that launch `$Latest` or `$Default`.
    #[serde(default)]
    pub auto_rollback: bool,
    /// How many groups may be refreshed at a time in one account and region.
    #[serde(default = "default_max_concurrent_groups")]
    #[schemars(range(min = 1, max = 50))]
    pub max_concurrent_groups: u32,
}

const fn default_max_concurrent_groups() -> u32 {
    1
}

impl Default for InstanceRefreshSettings {
    fn default() -> Self {
        Self {
            strategy: RefreshStrategy::default(),
            min_healthy_percentage: None,
            max_healthy_percentage: None,
            instance_warmup: None,
            checkpoint_percentages: Vec::new(),
            checkpoint_delay: None,
            bake_time: None,
            alarms: Vec::new(),
            auto_rollback: false,
            max_concurrent_groups: default_max_concurrent_groups(),
        }
    }
}

/// How instances are replaced.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefreshStrategy {
    /// By others.
    #[default]
    Rolling,
    /// By themselves with a new root volume.
    ReplaceRootVolume,
}

/// An instance refresh of a group that amiseal has asked for.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerRefresh {
    /// The ID that AWS has given it. Absent until AWS has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub id: Option<String>,
    /// The group's newest refresh before this one, by which it is found again if AWS's answer is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub after: Option<String>,
    /// Whether its instances are put back to the original by it.
    #[serde(default)]
    pub back: bool,
    /// When it was put on record, before AWS was asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Time>,
}
