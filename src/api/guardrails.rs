//! Settings of a region that a policy has held: what it says of them, and what is on record of each.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AllowedImagesSettings, Mode};
use crate::domain::{Guardrail, ManagedBy};

/// Settings of EC2 in each account and region that keep people from launching or sharing what they should not. `Enforce` takes the
/// policy's `mode: Enforce` too: else everything is only reported. Where an older policy has the same one for the same account and region,
/// that policy governs it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GuardrailSettings {
    /// EBS encryption by default, with the policy's key as the default key. `Enforce`: the key is set first, and only where it is
    /// known that it is usable and that whoever launches in the account may use it; then encryption is turned on. `Audit`: it is
    /// only reported. `Ignore`: it is not even read.
    #[serde(default)]
    pub ebs_encryption_by_default: GuardrailMode,
    /// Block public access for images. `Enforce`: it is set to `block-new-sharing`. What is public already stays so.
    #[serde(default)]
    pub image_block_public_access: GuardrailMode,
    /// Block public access for snapshots. `Enforce`: it is set to `block-new-sharing`, unless it is `block-all-sharing` already.
    #[serde(default)]
    pub snapshot_block_public_access: GuardrailMode,
    /// Allowed AMIs: which images of others can be launched.
    #[serde(default, deserialize_with = "super::allowed_images::settings_or_mode")]
    pub allowed_images: AllowedImagesSettings,
}

impl GuardrailSettings {
    /// What is to become of one of them.
    #[must_use]
    pub const fn mode_of(&self, guardrail: Guardrail) -> GuardrailMode {
        match guardrail {
            Guardrail::EncryptionByDefault => self.ebs_encryption_by_default,
            Guardrail::ImageBlockPublicAccess => self.image_block_public_access,
            Guardrail::SnapshotBlockPublicAccess => self.snapshot_block_public_access,
            Guardrail::AllowedImages => self.allowed_images.mode,
        }
    }
}

/// What becomes of a guardrail.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GuardrailMode {
    /// It is set wherever it does not hold.
    Enforce,
    /// It is reported.
    #[default]
    Audit,
    /// It is not read.
    Ignore,
}

/// A guardrail, as statuses name it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GuardrailName {
    /// EBS encryption by default, and the default key.
    EbsEncryptionByDefault,
    /// Block public access for images.
    ImageBlockPublicAccess,
    /// Block public access for snapshots.
    SnapshotBlockPublicAccess,
    /// Allowed AMIs.
    AllowedImages,
}

impl GuardrailName {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::EbsEncryptionByDefault,
        Self::ImageBlockPublicAccess,
        Self::SnapshotBlockPublicAccess,
        Self::AllowedImages,
    ];

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EbsEncryptionByDefault => "EbsEncryptionByDefault",
            Self::ImageBlockPublicAccess => "ImageBlockPublicAccess",
            Self::SnapshotBlockPublicAccess => "SnapshotBlockPublicAccess",
            Self::AllowedImages => "AllowedImages",
        }
    }
}

impl From<Guardrail> for GuardrailName {
    fn from(guardrail: Guardrail) -> Self {
        match guardrail {
            Guardrail::EncryptionByDefault => Self::EbsEncryptionByDefault,
            Guardrail::ImageBlockPublicAccess => Self::ImageBlockPublicAccess,
            Guardrail::SnapshotBlockPublicAccess => Self::SnapshotBlockPublicAccess,
            Guardrail::AllowedImages => Self::AllowedImages,
        }
    }
}

/// Whose a guardrail is to change.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardrailManager {
    /// The account's.
    Account,
    /// A declarative policy of the organization holds it, and nobody in the account can change it.
    DeclarativePolicy,
}

impl From<ManagedBy> for GuardrailManager {
    fn from(managed_by: ManagedBy) -> Self {
        match managed_by {
            ManagedBy::Account => Self::Account,
            ManagedBy::DeclarativePolicy => Self::DeclarativePolicy,
        }
    }
}

/// A guardrail of an account and region.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GuardrailStatus {
    /// Which guardrail it is.
    pub name: GuardrailName,
    /// `Enforce`: amiseal sets it wherever it does not hold. `Audit`: it is only reported.
    #[serde(default)]
    pub mode: Mode,
    /// The state as AWS names it, such as `block-new-sharing`, and `enabled` or `disabled` of encryption. Absent: it is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub state: Option<String>,
    /// Of encryption: the default key, as AWS names it.
    #[serde(rename = "keyARN", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub key_arn: Option<String>,
    /// Whose it is to change. Absent of encryption, which no declarative policy can hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<GuardrailManager>,
    /// Whether it is as the policy asks for. Absent: that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<bool>,
    /// Since when AWS is asked to set it. It is on record before AWS is asked, and until 15 minutes later: AWS may take ten to show
    /// it, and is not asked again before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Time>,
    /// Since when it holds, where amiseal sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_since: Option<Time>,
    /// How often it was found undone after it held.
    #[serde(default)]
    pub drifts: u32,
    /// What there is to say of it, with the fix where there is something to fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

impl GuardrailStatus {
    /// One of which nothing is known yet.
    #[must_use]
    pub const fn new(name: GuardrailName, mode: Mode) -> Self {
        Self {
            name,
            mode,
            state: None,
            key_arn: None,
            managed_by: None,
            holds: None,
            requested_at: None,
            held_since: None,
            drifts: 0,
            message: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_audited() {
        use GuardrailMode::{Audit, Enforce, Ignore};
        let settings: GuardrailSettings = serde_json::from_value(serde_json::json!({
            "imageBlockPublicAccess": "Enforce", "allowedImages": {"mode": "Ignore"},
        }))
        .expect("settings");
        let modes = Guardrail::ALL.map(|guardrail| settings.mode_of(guardrail));
        assert_eq!(modes, [Audit, Enforce, Audit, Ignore]);
        let nothing = GuardrailSettings::default();
        assert_eq!(Guardrail::ALL.map(|guardrail| nothing.mode_of(guardrail)), [Audit; 4]);
    }

    #[test]
    fn allowed_images_that_are_stored_as_a_mode_alone_are_read_and_written_as_an_object() {
        let read = |images: serde_json::Value| -> Result<GuardrailSettings, _> {
            serde_json::from_value(serde_json::json!({"allowedImages": images}))
        };
        let settings = read("Ignore".into()).expect("settings");
        assert_eq!(settings.allowed_images.mode, GuardrailMode::Ignore);
        let written = serde_json::to_value(&settings).expect("JSON");
        assert_eq!(written["allowedImages"]["mode"], "Ignore");
        let as_text = r#"{"allowedImages": "Audit"}"#;
        let settings: GuardrailSettings = serde_json::from_str(as_text).expect("settings");
        assert_eq!(settings, GuardrailSettings::default());
        let object = serde_json::json!({"mode": "Enforce", "criteria": [{"imageProviders": ["amazon"]}]});
        assert_eq!(read(object).expect("settings").allowed_images.criteria.len(), 1);
        for (wrong, says) in [
            (serde_json::json!("Off"), "unknown variant `Off`"),
            (serde_json::json!(true), "expected an object such as {mode: Audit}"),
            (serde_json::json!({"mode": "Off"}), "unknown variant `Off`"),
        ] {
            let error = read(wrong).expect_err("no settings").to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn names_are_those_of_the_statuses() {
        for name in GuardrailName::ALL {
            assert_eq!(serde_json::to_value(name).expect("JSON"), name.as_str());
        }
        assert_eq!(Guardrail::ALL.map(GuardrailName::from), GuardrailName::ALL);
    }
}
