//! What a region of an account is set to: encryption by default, public access, Allowed AMIs, trails.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The settings of EC2 in a region of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Guardrails {
    /// Whether new volumes and snapshots are encrypted.
    pub ebs_encryption_by_default: bool,
    /// The key that they are encrypted under; absent: `alias/aws/ebs`.
    pub ebs_default_key: Option<String>,
    /// `unblocked` or `block-new-sharing`; absent: unblocked.
    pub image_public_access: Option<String>,
    /// `unblocked`, `block-new-sharing` or `block-all-sharing`; absent: unblocked.
    pub snapshot_public_access: Option<String>,
    /// `disabled`, `audit-mode` or `enabled`; absent: disabled.
    pub allowed_images: Option<String>,
    /// The criteria of Allowed AMIs.
    pub allowed_image_criteria: Vec<ImageCriterion>,
    /// Whether a declarative policy of the organization has set all but encryption.
    pub by_declarative_policy: bool,
}

/// A criterion of Allowed AMIs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ImageCriterion {
    /// Account IDs and aliases.
    pub providers: Vec<String>,
    /// Names, with wildcards.
    pub names: Vec<String>,
    /// Marketplace product codes.
    pub product_codes: Vec<String>,
    /// Days since deprecation.
    pub max_days_since_deprecated: Option<u32>,
    /// Days since creation.
    pub max_days_since_created: Option<u32>,
    /// Keys of watermarks.
    pub watermarks: Vec<String>,
    /// The worst finding of a scan, as in `high`.
    pub max_severity: Option<String>,
}

/// A trail of CloudTrail.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Trail {
    /// Name.
    pub name: String,
    /// Whether it is of all regions.
    pub multi_region: bool,
    /// Whether it is of all accounts of the organization.
    pub organization: bool,
    /// Whether it logs.
    pub logging: bool,
    /// `All`, `WriteOnly` or `ReadOnly`; absent: All.
    pub read_write: Option<String>,
    /// Whether it leaves management events out.
    pub without_management_events: bool,
    /// Services whose management events it leaves out, as in `kms.amazonaws.com`.
    pub excluded: Vec<String>,
    /// Advanced event selectors in place of these, as CloudTrail has them.
    pub advanced: Vec<serde_json::Value>,
}

/// A grant of a KMS key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Grant {
    /// Name.
    pub name: String,
    /// ARN of who may use the key by it.
    pub grantee: String,
    /// ARN of who may retire it.
    pub retiring: Option<String>,
    /// What it permits, as in `Decrypt`.
    pub operations: Vec<String>,
    /// The pairs that the encryption context has to have.
    pub encryption_context: BTreeMap<String, String>,
}
