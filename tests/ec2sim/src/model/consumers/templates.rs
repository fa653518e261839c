//! Instances and launch templates.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::SimTime;
use crate::model::Tags;

/// An instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Instance {
    /// Makes that many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Instance ID.
    pub id: String,
    /// The image that it was launched from.
    pub image: String,
    /// As EC2 names it.
    pub state: String,
    /// As in `t3.micro`.
    pub instance_type: String,
    /// When it was launched.
    pub launch_time: Option<SimTime>,
    /// When it was terminated.
    pub terminated_at: Option<SimTime>,
    /// The service that manages it, as in `eks.amazonaws.com`.
    pub managed_by: Option<String>,
    /// Described only with IncludeManagedResources.
    pub hidden: bool,
    /// The Spot request that it fulfils.
    pub spot_request: Option<String>,
    /// Its subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// The token of the call that launched it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// The options of its metadata service, by the names of EC2's query requests.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// Why it is in its state, as in `Client.InternalError: Client error on launch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_reason: Option<String>,
    /// Since when it runs; absent: long since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_since: Option<SimTime>,
    /// Tags.
    pub tags: Tags,
}

impl Instance {
    /// Whether it runs, or may run again.
    pub fn is_there(&self) -> bool {
        !matches!(self.state.as_str(), "terminated" | "shutting-down")
    }
}

/// A launch template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LaunchTemplate {
    /// Makes that many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Template ID.
    pub id: String,
    /// Name.
    pub name: String,
    /// The number of the default version; absent: the first.
    pub default_version: Option<u64>,
    /// The highest number that a version has had, where that one is deleted: numbers are not given twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_number: Option<u64>,
    /// Its versions, from the oldest.
    pub versions: Vec<TemplateVersion>,
    /// The service that manages it.
    pub managed_by: Option<String>,
    /// Described only with IncludeManagedResources.
    pub hidden: bool,
    /// When it was made.
    pub created: Option<SimTime>,
    /// Tags.
    pub tags: Tags,
}

impl LaunchTemplate {
    /// The number of the latest version.
    pub fn latest(&self) -> u64 {
        self.versions.iter().map(|v| v.number).max().unwrap_or(0)
    }

    /// The number of the next version.
    pub fn next_number(&self) -> u64 {
        self.latest().max(self.last_number.unwrap_or(0)) + 1
    }

    /// The number of the default version.
    pub fn default_number(&self) -> u64 {
        self.default_version
            .or_else(|| self.versions.iter().map(|v| v.number).min())
            .unwrap_or(0)
    }

    /// A version by number, `$Latest` or `$Default`; what is absent or empty means `$Default`.
    pub fn version(&self, name: Option<&str>) -> Option<&TemplateVersion> {
        let number = match name {
            None | Some("" | "$Default") => self.default_number(),
            Some("$Latest") => self.latest(),
            Some(text) => text.parse().ok()?,
        };
        self.versions.iter().find(|v| v.number == number)
    }
}

/// A version of a launch template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TemplateVersion {
    /// Its number; absent: one more than the last.
    pub number: u64,
    /// An image, or `resolve:ssm:` and a parameter.
    pub image: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// As in `t3.micro`.
    pub instance_type: Option<String>,
    /// Its block device mappings.
    pub devices: Vec<TemplateDevice>,
    /// All else that it says, by the names of EC2's query requests: `{SecurityGroupId: [sg-1], UserData: …}`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
    /// When it was made.
    pub created: Option<SimTime>,
    /// ARN of who made it; absent: its account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
}

/// A block device mapping of a launch template and its like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TemplateDevice {
    /// Device name.
    pub device: String,
    /// Snapshot ID.
    pub snapshot: Option<String>,
    /// In place of a snapshot's ID: the image whose snapshot of this device, or else first one, is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_of: Option<String>,
    /// Size.
    pub gib: Option<u32>,
    /// As in `gp3`.
    pub volume_type: Option<String>,
    /// Whether the volume is encrypted.
    pub encrypted: Option<bool>,
    /// The key, as the template names it.
    pub key: Option<String>,
    /// Whether the volume goes with the instance.
    pub delete_on_termination: Option<bool>,
    /// Provisioned operations a second.
    pub iops: Option<u32>,
    /// MiB a second.
    pub throughput: Option<u32>,
    /// MiB a second at which the volume is filled from its snapshot.
    pub initialization_rate: Option<u32>,
    /// The EBS card.
    pub card_index: Option<u32>,
    /// An instance store volume.
    pub virtual_name: Option<String>,
    /// The image's mapping of this device is left out.
    pub no_device: bool,
}

/// Which launch template something uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TemplateRef {
    /// The name of a template of this world: answers carry its ID and its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// An ID; answers carry it and no name.
    pub id: Option<String>,
    /// A name; answers carry it and no ID.
    pub name: Option<String>,
    /// A number, `$Latest`, `$Default`; absent: `$Default`.
    pub version: Option<String>,
}
