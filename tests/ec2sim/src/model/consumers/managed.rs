//! What other services launch instances by: node groups of EKS, compute environments of Batch.

use serde::{Deserialize, Serialize};

use super::TemplateRef;
use crate::clock::SimTime;
use crate::model::Tags;

/// An EKS cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Cluster {
    /// Makes that many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Name.
    pub name: String,
    /// Its node groups.
    pub nodegroups: Vec<Nodegroup>,
}

/// A managed node group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Nodegroup {
    /// Name.
    pub name: String,
    /// As in `CUSTOM`.
    pub ami_type: String,
    /// The release of EKS's image, or the ID of an image.
    pub release_version: Option<String>,
    /// What it launches by.
    pub launch_template: Option<TemplateRef>,
    /// As EKS names it.
    pub status: String,
    /// Size.
    pub desired: Option<u32>,
    /// Instance types.
    pub instance_types: Vec<String>,
    /// Names of its Auto Scaling groups.
    pub groups: Vec<String>,
    /// When it was made.
    pub created: Option<SimTime>,
    /// Tags.
    pub tags: Tags,
}

/// A compute environment of Batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ComputeEnvironment {
    /// Makes that many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Name.
    pub name: String,
    /// `MANAGED` or `UNMANAGED`.
    pub kind: String,
    /// `ENABLED` or `DISABLED`.
    pub state: String,
    /// As Batch names it.
    pub status: String,
    /// `EC2`, `SPOT`, `FARGATE`, …
    pub resource_type: String,
    /// Image of all that name none of their own.
    pub image: Option<String>,
    /// Images by type of image.
    pub ec2_configuration: Vec<Ec2Configuration>,
    /// What it launches by.
    pub launch_template: Option<TemplateRef>,
    /// Templates for some instance types.
    pub template_overrides: Vec<TemplateOverride>,
    /// ARN of the role of Batch.
    pub service_role: Option<String>,
    /// Tags.
    pub tags: Tags,
}

/// The image that a compute environment uses for a type of image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Ec2Configuration {
    /// As in `ECS_AL2023`.
    pub image_type: String,
    /// The image in place of AWS's own.
    pub image_override: Option<String>,
}

/// A launch template for some instance types.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TemplateOverride {
    /// The template.
    pub launch_template: TemplateRef,
    /// The instance types.
    pub instance_types: Vec<String>,
}
