//! EC2 Fleets, Spot Fleets, Spot requests.

use serde::{Deserialize, Serialize};

use super::{TemplateDevice, TemplateRef};
use crate::clock::SimTime;
use crate::model::Tags;

/// An EC2 Fleet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Fleet {
    /// Makes that many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Fleet ID.
    pub id: String,
    /// `maintain`, `request` or `instant`.
    pub kind: String,
    /// As EC2 names it.
    pub state: String,
    /// What it launches by.
    pub templates: Vec<FleetConfig>,
    /// Size.
    pub target: Option<u32>,
    /// When it was made.
    pub created: Option<SimTime>,
    /// Tags.
    pub tags: Tags,
}

/// A launch template of a fleet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FleetConfig {
    /// The template.
    pub launch_template: TemplateRef,
    /// Overrides.
    pub overrides: Vec<FleetOverride>,
}

/// An override of a launch template in a fleet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FleetOverride {
    /// As in `t3.micro`.
    pub instance_type: Option<String>,
    /// An image of its own; not in Spot Fleets.
    pub image: Option<String>,
    /// Block device mappings of its own.
    pub devices: Vec<TemplateDevice>,
}

/// A Spot Fleet request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SpotFleet {
    /// Makes that many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Request ID.
    pub id: String,
    /// `maintain` or `request`.
    pub kind: String,
    /// As EC2 names it.
    pub state: String,
    /// ARN of the role that it launches with.
    pub role: Option<String>,
    /// What it launches, or
    pub specifications: Vec<LaunchSpecification>,
    /// what it launches by.
    pub templates: Vec<FleetConfig>,
    /// Size.
    pub target: Option<u32>,
    /// When it was made.
    pub created: Option<SimTime>,
    /// Tags.
    pub tags: Tags,
}

/// What a Spot Fleet launches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LaunchSpecification {
    /// Image.
    pub image: String,
    /// As in `t3.micro`.
    pub instance_type: Option<String>,
    /// Block device mappings.
    pub devices: Vec<TemplateDevice>,
}

/// A Spot Instance request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SpotRequest {
    /// Makes that many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Request ID.
    pub id: String,
    /// `one-time` or `persistent`.
    pub kind: String,
    /// As EC2 names it.
    pub state: String,
    /// Image.
    pub image: String,
    /// As in `t3.micro`.
    pub instance_type: Option<String>,
    /// The instance that fulfils it.
    pub instance: Option<String>,
    /// Block device mappings.
    pub devices: Vec<TemplateDevice>,
    /// When it was made.
    pub created: Option<SimTime>,
    /// Tags.
    pub tags: Tags,
}

impl Fleet {
    /// Whether it may launch more.
    pub fn launches(&self) -> bool {
        self.kind != "instant" && matches!(self.state.as_str(), "submitted" | "active" | "modifying")
    }
}

impl SpotFleet {
    /// Whether it may launch more.
    pub fn launches(&self) -> bool {
        matches!(self.state.as_str(), "submitted" | "active" | "modifying")
    }
}

impl SpotRequest {
    /// Whether it may launch an instance yet: one-time until it is fulfilled, persistent again and again.
    pub fn launches(&self) -> bool {
        match self.kind.as_str() {
            "persistent" => matches!(self.state.as_str(), "open" | "active" | "disabled"),
            _ => self.state == "open",
        }
    }
}
