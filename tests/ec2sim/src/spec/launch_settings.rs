//! How what can launch an image is changed, and how launches go. All durations are simulated seconds.

use serde::{Deserialize, Serialize};

/// What becomes of the snapshots in mappings that a new version of a launch template inherits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InheritedSnapshots {
    /// They are left out, as EC2 documents it.
    #[default]
    Dropped,
    /// They are inherited as all else.
    Kept,
}

/// What CreateLaunchTemplateVersion makes of a mapping that says whether it is encrypted, and names a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EncryptedSnapshots {
    /// The call is refused.
    #[default]
    Refused,
    /// It warns; launches are refused.
    Warned,
}

/// What becomes of what PutParameter leaves out when it overwrites: description, pattern, key and data type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Omitted {
    /// It is as for a new parameter.
    #[default]
    Dropped,
    /// It stays.
    Kept,
}

/// How what can launch an image is changed, and how launches go.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LaunchSettings {
    /// Of snapshots in mappings that are inherited.
    pub inherited_snapshots: InheritedSnapshots,
    /// Of mappings that say whether they are encrypted, and name a snapshot.
    pub encrypted_snapshots: EncryptedSnapshots,
    /// How many versions a launch template may have.
    pub template_versions: usize,
    /// How long Systems Manager looks for the image of a parameter: until then, and when it is not there, nothing is changed.
    pub image_parameter_seconds: f64,
    /// How many versions of a parameter are kept.
    pub parameter_versions: usize,
    /// Of what PutParameter leaves out.
    pub omitted_on_overwrite: Omitted,
}

impl Default for LaunchSettings {
    fn default() -> Self {
        Self {
            inherited_snapshots: InheritedSnapshots::Dropped,
            encrypted_snapshots: EncryptedSnapshots::Refused,
            template_versions: 10_000,
            image_parameter_seconds: 2.0,
            parameter_versions: 100,
            omitted_on_overwrite: Omitted::Dropped,
        }
    }
}
