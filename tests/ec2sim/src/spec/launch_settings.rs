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

/// What becomes of an instance refresh of a group whose launches or terminations are suspended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Suspended {
    /// It waits for them.
    #[default]
    Wait,
    /// It fails.
    Fail,
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
    /// How many standard parameters a region may have.
    pub standard_parameters: usize,
    /// Of what PutParameter leaves out.
    pub omitted_on_overwrite: Omitted,
    /// How long an instance is pending; then a key that can not be used shows.
    pub pending_seconds: f64,
    /// How long the status checks of a running instance are initializing.
    pub status_seconds: f64,
    /// How long an instance is shutting down.
    pub shutdown_seconds: f64,
    /// Images whose instances do not pass their status checks.
    pub impaired: Vec<String>,
    /// Subnets that are there; none: all are.
    pub subnets: Vec<String>,
    /// Actions on the keys of an image that a caller of RunInstances needs, as `kms:CreateGrant`.
    pub key_actions: Vec<String>,
    /// Whether who sets a group to a launch template needs to be allowed to launch from it, and to pass the role that it names.
    pub group_rights: bool,
    /// How long an instance refresh is pending.
    pub refresh_start_seconds: f64,
    /// How long each batch of an instance refresh takes, beside the warm-up.
    pub refresh_seconds: f64,
    /// The warm-up, where a refresh does not say it.
    pub warmup_seconds: f64,
    /// How long it takes to cancel an instance refresh.
    pub cancel_seconds: f64,
    /// Of groups whose launches or terminations are suspended.
    pub suspended_refreshes: Suspended,
}

impl Default for LaunchSettings {
    fn default() -> Self {
        Self {
            inherited_snapshots: InheritedSnapshots::Dropped,
            encrypted_snapshots: EncryptedSnapshots::Refused,
            template_versions: 10_000,
            image_parameter_seconds: 2.0,
            parameter_versions: 100,
            standard_parameters: 10_000,
            omitted_on_overwrite: Omitted::Dropped,
            pending_seconds: 20.0,
            status_seconds: 120.0,
            shutdown_seconds: 30.0,
            impaired: Vec::new(),
            subnets: Vec::new(),
            key_actions: Vec::new(),
            group_rights: false,
            refresh_start_seconds: 5.0,
            refresh_seconds: 60.0,
            warmup_seconds: 300.0,
            cancel_seconds: 10.0,
            suspended_refreshes: Suspended::Wait,
        }
    }
}
