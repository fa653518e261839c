//! A region of the world file, and its keys.

use serde::{Deserialize, Serialize};

use super::{ImageSpec, QueueSpec};
use crate::model::{
    AutoScalingGroup, Cluster, ComputeEnvironment, ContainerRecipe, EventsTo, Fleet, Grant, Guardrails, ImageRecipe,
    Instance, LaunchConfiguration, LaunchTemplate, Parameter, SpotFleet, SpotRequest, Trail,
};
use crate::wire::Service;

/// Whether a region is enabled in an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptIn {
    /// Enabled for everyone.
    OptInNotRequired,
    /// Enabled by the account.
    OptedIn,
    /// Not enabled: calls fail with `AuthFailure`.
    NotOptedIn,
}

impl OptIn {
    /// The name that `DescribeRegions` gives.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OptInNotRequired => "opt-in-not-required",
            Self::OptedIn => "opted-in",
            Self::NotOptedIn => "not-opted-in",
        }
    }
}

/// One region of an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegionSpec {
    /// As in `eu-west-1`.
    pub name: String,
    /// Whether it is enabled.
    #[serde(default = "opt_in_not_required")]
    pub opt_in: OptIn,
    /// Concurrent snapshot copies into this region.
    #[serde(default = "twenty")]
    pub snapshot_copy_limit: usize,
    /// KMS keys.
    #[serde(default)]
    pub keys: Vec<KeySpec>,
    /// Images, with their snapshots.
    #[serde(default)]
    pub images: Vec<ImageSpec>,
    /// Services that are not there.
    #[serde(default)]
    pub absent_services: Vec<Service>,
    /// What EC2 is set to.
    #[serde(default)]
    pub guardrails: Guardrails,
    /// Trails of CloudTrail whose home it is.
    #[serde(default)]
    pub trails: Vec<Trail>,
    /// Queues of SQS.
    #[serde(default)]
    pub queues: Vec<QueueSpec>,
    /// To which queue EventBridge sends what happens in it; absent: to none.
    #[serde(default)]
    pub events_to: Option<EventsTo>,
    /// Instances.
    #[serde(default)]
    pub instances: Vec<Instance>,
    /// Launch templates.
    #[serde(default)]
    pub launch_templates: Vec<LaunchTemplate>,
    /// Launch configurations.
    #[serde(default)]
    pub launch_configurations: Vec<LaunchConfiguration>,
    /// Auto Scaling groups.
    #[serde(default)]
    pub auto_scaling_groups: Vec<AutoScalingGroup>,
    /// EC2 Fleets.
    #[serde(default)]
    pub fleets: Vec<Fleet>,
    /// Spot Fleet requests.
    #[serde(default)]
    pub spot_fleets: Vec<SpotFleet>,
    /// Spot Instance requests.
    #[serde(default)]
    pub spot_requests: Vec<SpotRequest>,
    /// Parameters of Systems Manager.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// EKS clusters.
    #[serde(default)]
    pub eks_clusters: Vec<Cluster>,
    /// Compute environments of Batch.
    #[serde(default)]
    pub compute_environments: Vec<ComputeEnvironment>,
    /// Image recipes.
    #[serde(default)]
    pub image_recipes: Vec<ImageRecipe>,
    /// Container recipes.
    #[serde(default)]
    pub container_recipes: Vec<ContainerRecipe>,
}

const fn opt_in_not_required() -> OptIn {
    OptIn::OptInNotRequired
}

const fn twenty() -> usize {
    20
}

/// One KMS key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeySpec {
    /// Key ID; absent: made from the seed.
    #[serde(default)]
    pub id: Option<String>,
    /// Alias names, with `alias/`.
    #[serde(default)]
    pub alias: Vec<String>,
    /// As KMS names it: `Enabled`, `Disabled`, `PendingDeletion`, …
    #[serde(default = "enabled")]
    pub state: String,
    /// As KMS names it.
    #[serde(default = "encrypt_decrypt")]
    pub usage: String,
    /// As KMS names it.
    #[serde(default = "symmetric_default")]
    pub spec: String,
    /// `CUSTOMER` or `AWS`.
    #[serde(default = "customer")]
    pub manager: String,
    /// A multi-Region key.
    #[serde(default)]
    pub multi_region: bool,
    /// Where its material is from: `AWS_KMS`, `EXTERNAL`, `AWS_CLOUDHSM` or `EXTERNAL_KEY_STORE`.
    #[serde(default = "aws_kms")]
    pub origin: String,
    /// Whether KMS rotates it; those that AWS manages are always.
    #[serde(default)]
    pub rotation: bool,
    /// Account IDs and role ARNs that may use it; absent: all of its own account.
    #[serde(default)]
    pub allowed_principals: Option<Vec<String>>,
    /// The policy that GetKeyPolicy gives; absent: one that says who may use it.
    #[serde(default)]
    pub policy: Option<serde_json::Value>,
    /// Its grants.
    #[serde(default)]
    pub grants: Vec<Grant>,
}

fn enabled() -> String {
    "Enabled".to_owned()
}

fn encrypt_decrypt() -> String {
    "ENCRYPT_DECRYPT".to_owned()
}

fn aws_kms() -> String {
    "AWS_KMS".to_owned()
}

fn symmetric_default() -> String {
    "SYMMETRIC_DEFAULT".to_owned()
}

fn customer() -> String {
    "CUSTOMER".to_owned()
}
