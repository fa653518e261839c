//! Proof that a copy works, before it takes the place of its original: what a policy asks for, and what is on record of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, InspectorSettings, InspectorStatus, JobSettings, JobStatus, rules};

/// What a verified copy has to pass before anything is published on it and anything is moved to it. A copy that was published
/// before this was asked for is left as it is.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ValidationSettings {
    /// An instance is launched from the copy, has to reach the state `running` and to pass both of EC2's status checks, and is
    /// terminated, whatever comes of it. Absent: none is. It takes rights of its own, which `amiseal iam-policy` prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<LaunchSettings>,
    /// A Job is made from a CronJob of your own, and has to complete. It begins once an instance of the copy has passed its checks,
    /// where `launch` is there too. Absent: none is made. It takes rights that the chart grants with `proofJobs.enabled: true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobSettings>,
    /// Amazon Inspector has to have scanned the copy, and to have found nothing that is worse than this allows. It is waited for
    /// beside `launch` and `job`. Absent: what it says makes no difference. It takes no rights of its own but for `scan: OnDemand`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspector: Option<InspectorSettings>,
    /// How often a copy that has failed is tried, the first time included, before the migration stalls with the reason
    /// `ValidationFailed`: by `launch` and by `job` each for itself. The annotation `amiseal.dev/retry` of the migration begins anew,
    /// and so do other settings.
    #[serde(default = "default_max_attempts")]
    #[schemars(range(min = 1, max = 10))]
    pub max_attempts: u32,
}

fn default_max_attempts() -> u32 {
    2
}

impl Default for ValidationSettings {
    fn default() -> Self {
        Self {
            launch: None,
            job: None,
            inspector: None,
            max_attempts: default_max_attempts(),
        }
    }
}

impl ValidationSettings {
    /// Whether any proof is asked for.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.launch.is_some() || self.job.is_some() || self.inspector.is_some()
    }
}

/// How an instance is launched from a copy. It gets no public address, no user data, no key pair and no role, and it has to use
/// IMDSv2.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LaunchSettings {
    /// The instance's type, as in `t3.nano`. It has to be one that the images can be launched on.
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::instance_type())]
    pub instance_type: String,
    /// The subnet that it is launched in. It needs no way out. A subnet is of one account and region, and so is a policy that
    /// names it, unless the subnet is shared with its accounts.
    #[serde(rename = "subnetID")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::subnet_id())]
    pub subnet_id: String,
    /// The security groups of its network interface, at most 16. Absent: the default group of the subnet's VPC.
    #[serde(rename = "securityGroupIDs", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 32)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = rules::security_group_ids())]
    pub security_group_ids: Vec<String>,
    /// How long it may take to pass its checks, as in `10m`: at least `2m`, at most `1h`. After that it is terminated, and the
    /// copy has failed.
    #[serde(default = "default_timeout")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::launch_timeout_range())]
    #[x_kube(validation = rules::duration_form("timeout"))]
    pub timeout: Duration,
    /// How many such instances there may be at a time in one account and region.
    #[serde(default = "default_max_concurrent")]
    #[schemars(range(min = 1, max = 5))]
    pub max_concurrent: u32,
}

fn default_timeout() -> Duration {
    Duration::from_mins(10)
}

fn default_max_concurrent() -> u32 {
    1
}

/// How far the proof of a copy is.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ValidationStatus {
    /// The instance that was launched from the copy, or is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<LaunchStatus>,
    /// The Job that was made to prove the copy, or is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobStatus>,
    /// What Amazon Inspector says of the copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspector: Option<InspectorStatus>,
}

/// An instance that was launched from a copy, or is to be. What is to be launched is on record before AWS is asked for it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LaunchStatus {
    /// `Launching`: AWS is about to be asked. `Refused`: AWS has refused it, and is asked again. `Checking`: it is there, and has
    /// not passed its checks yet. `Ending`, `Terminating`: it is to be terminated, and that was asked for. `Ended`: it is gone.
    #[serde(default)]
    pub state: LaunchState,
    /// The copy that it is launched from.
    #[serde(rename = "imageID")]
    #[schemars(length(max = 32))]
    pub image_id: String,
    /// Which launch of this copy it is.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// How often the copy has failed since somebody has asked for another try or the settings have changed.
    #[serde(default)]
    pub failures: u32,
    /// The client token of the launch.
    #[schemars(length(min = 1, max = 64))]
    pub client_token: String,
    /// The instance's type.
    #[schemars(length(max = 32))]
    pub instance_type: String,
    /// The ID of the instance's subnet.
    #[serde(rename = "subnetID")]
    #[schemars(length(max = 32))]
    pub subnet_id: String,
    /// The IDs of the instance's security groups.
    #[serde(rename = "securityGroupIDs", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 32)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub security_group_ids: Vec<String>,
    /// How many seconds it has to pass its checks.
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: u32,
    /// The instance's ID. Absent until AWS has given one.
    #[serde(rename = "instanceID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub instance_id: Option<String>,
    /// What has come of it. Absent until that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<LaunchResult>,
    /// The same in a sentence that names the fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// When AWS was asked for it; before it has answered, when the intent was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Time>,
    /// Since when it is in its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// The value that the annotation `amiseal.dev/retry` had when this launch was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub observed_retry: Option<String>,
}

/// How far an instance is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LaunchState {
    /// What is to be launched is on record, and AWS is about to be asked, or was.
    #[default]
    Launching,
    /// AWS has refused it.
    Refused,
    /// It is there, and its checks are waited for.
    Checking,
    /// It is to be terminated.
    Ending,
    /// AWS was asked to terminate it.
    Terminating,
    /// It is terminated, or never was.
    Ended,
}

/// What has come of a proof.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchResult {
    /// It has passed.
    Passed,
    /// It has failed.
    Failed,
    /// It was not wanted any more, or nobody could tell.
    Abandoned,
}
