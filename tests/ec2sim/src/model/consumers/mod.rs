//! What can launch an image, each kind with the fields that it has in a world file as well.

mod fleets;
mod groups;
mod managed;
mod parameters;
mod recipes;
mod refreshes;
mod templates;

pub use fleets::{Fleet, FleetConfig, FleetOverride, LaunchSpecification, SpotFleet, SpotRequest};
pub use groups::{AutoScalingGroup, GroupInstance, GroupOverride, LaunchConfiguration, MixedInstances};
pub use managed::{Cluster, ComputeEnvironment, Ec2Configuration, Nodegroup, TemplateOverride};
pub use parameters::{Parameter, ParameterVersion};
pub use recipes::{ContainerRecipe, ImageRecipe};
pub use refreshes::{InstanceRefresh, LaunchBy};
pub use templates::{Instance, LaunchTemplate, TemplateDevice, TemplateRef, TemplateVersion};

use std::collections::BTreeMap;

use serde::Serialize;

use super::Shelf;
use crate::clock::SimTime;
use crate::model::Tags;

/// What there is in a region of an account.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Consumers {
    /// Instances by ID.
    pub instances: Shelf<Instance>,
    /// Launch templates by ID.
    pub launch_templates: Shelf<LaunchTemplate>,
    /// Launch configurations by name.
    pub launch_configurations: Shelf<LaunchConfiguration>,
    /// Auto Scaling groups by name.
    pub auto_scaling_groups: Shelf<AutoScalingGroup>,
    /// EC2 Fleets by ID.
    pub fleets: Shelf<Fleet>,
    /// Spot Fleet requests by ID.
    pub spot_fleets: Shelf<SpotFleet>,
    /// Spot Instance requests by ID.
    pub spot_requests: Shelf<SpotRequest>,
    /// Parameters by name.
    pub parameters: Shelf<Parameter>,
    /// EKS clusters by name.
    pub eks_clusters: Shelf<Cluster>,
    /// Compute environments of Batch by name.
    pub compute_environments: Shelf<ComputeEnvironment>,
    /// Image recipes by name and version.
    pub image_recipes: Shelf<ImageRecipe>,
    /// Container recipes by name and version.
    pub container_recipes: Shelf<ContainerRecipe>,
    /// Instance refreshes of Auto Scaling groups by ID.
    pub instance_refreshes: BTreeMap<String, InstanceRefresh>,
    /// Usage reports by ID.
    pub usage_reports: BTreeMap<String, UsageReport>,
}

/// A report of the use of an image by other accounts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageReport {
    /// The image.
    pub image: String,
    /// Kinds of resources that it counts, and how many versions of launch templates.
    pub types: BTreeMap<String, Option<u64>>,
    /// Accounts that it is about; none: all.
    pub accounts: Vec<String>,
    /// When it was asked for.
    pub created: SimTime,
    /// When it is no longer pending.
    pub ready: SimTime,
    /// Whether it ends in error.
    pub fails: bool,
    /// Its tags.
    pub tags: Tags,
    /// The token of the call that asked for it, and what else that said.
    #[serde(skip)]
    pub token: Option<(String, String)>,
    /// How many of a kind of resource an account has: account, kind, number.
    pub entries: Vec<(String, String, u64)>,
}

impl UsageReport {
    /// `pending`, `available` or `error`.
    pub fn state(&self, now: SimTime) -> &'static str {
        match (now >= self.ready, self.fails) {
            (false, _) => "pending",
            (true, true) => "error",
            (true, false) => "available",
        }
    }

    /// When EC2 deletes it.
    pub fn expires(&self) -> SimTime {
        self.created.plus_seconds(30.0 * 86_400.0)
    }
}
