//! Auto Scaling groups and launch configurations.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{TemplateDevice, TemplateRef};
use crate::clock::SimTime;
use crate::model::Tags;

/// A launch configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LaunchConfiguration {
    /// Makes that many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Name.
    pub name: String,
    /// Image.
    pub image: String,
    /// As in `t3.micro`.
    pub instance_type: String,
    /// Its block device mappings.
    pub devices: Vec<TemplateDevice>,
    /// When it was made.
    pub created: Option<SimTime>,
}

/// An Auto Scaling group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AutoScalingGroup {
    /// Makes that many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Name.
    pub name: String,
    /// What it launches by, or
    pub launch_template: Option<TemplateRef>,
    /// the name of what it launches by, or
    pub launch_configuration: Option<String>,
    /// what it launches by.
    pub mixed_instances: Option<MixedInstances>,
    /// Least size.
    pub min: Option<u32>,
    /// Largest size.
    pub max: Option<u32>,
    /// Size.
    pub desired: Option<u32>,
    /// Processes that are suspended, as in `Launch`.
    pub suspended: Vec<String>,
    /// ARN of the role that it launches with.
    pub service_linked_role: Option<String>,
    /// The service that manages it.
    pub managed_by: Option<String>,
    /// Its instances.
    pub instances: Vec<GroupInstance>,
    /// When it was made.
    pub created: Option<SimTime>,
    /// Tags.
    pub tags: Tags,
    /// Keys of tags that new instances do not get.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub own_tags: BTreeSet<String>,
}

/// A mixed instances policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MixedInstances {
    /// The template of all that have none of their own.
    pub launch_template: TemplateRef,
    /// Overrides.
    pub overrides: Vec<GroupOverride>,
    /// How instances are distributed, by the names that Auto Scaling has.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub distribution: Map<String, Value>,
}

/// An override of a mixed instances policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GroupOverride {
    /// As in `t3.micro`.
    pub instance_type: Option<String>,
    /// Its weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// An image of its own.
    pub image: Option<String>,
    /// A template of its own.
    pub launch_template: Option<TemplateRef>,
}

/// An instance of a group, as the group shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GroupInstance {
    /// Instance ID.
    pub id: String,
    /// As in `InService`.
    pub lifecycle: Option<String>,
    /// What it was launched by, or
    pub launch_template: Option<TemplateRef>,
    /// the name of what it was launched by.
    pub launch_configuration: Option<String>,
    /// Its image, where the group shows one.
    pub image: Option<String>,
}
