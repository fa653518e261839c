//! One account and region of a policy: the unit of scanning, back-off and failure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::new_images::NewImageSettings;
use super::{
    AuditSettings, Backups, ConsumerSettings, CopySettings, Duration, FindingsStatus, GuardrailSettings,
    GuardrailStatus, ImageCounts, ImageSelector, MigrationCounts, Mode, OrphanedCopies, OtherKey, PromotionSettings,
    UnencryptedImage, UnusedSettings, UsageStatus, ValidationSettings, rules, schema,
};

/// A policy's settings resolved for one account and region. Written by amiseal.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "amiseal.dev",
    version = "v1alpha1",
    kind = "AMIEncryptionTarget",
    plural = "amiencryptiontargets",
    shortname = "aet",
    category = "amiseal",
    status = "AMIEncryptionTargetStatus",
    derive = "PartialEq",
    validation = rules::target_name(),
    doc = "A target is one account and region of a policy, as amiseal scans it. amiseal writes it: change the \
           policy instead.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(
        name = "Unencrypted",
        type_ = "integer",
        json_path = ".status.images.unencrypted"
    ),
    printcolumn(name = "Contested", type_ = "integer", json_path = ".status.images.contested"),
    printcolumn(name = "Unknown", type_ = "integer", json_path = ".status.images.unknown"),
    printcolumn(name = "Last Scan", type_ = "date", json_path = ".status.lastScanTime"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode", priority = 1),
    printcolumn(
        name = "Images",
        type_ = "integer",
        json_path = ".status.images.total",
        priority = 1
    ),
    printcolumn(
        name = "Copied",
        type_ = "integer",
        json_path = ".status.migrations.completed",
        priority = 1
    ),
    printcolumn(
        name = "Stalled",
        type_ = "integer",
        json_path = ".status.migrations.stalled",
        priority = 1
    ),
    printcolumn(name = "Unused", type_ = "integer", json_path = ".status.usage.unused", priority = 1),
    printcolumn(
        name = "Findings",
        type_ = "integer",
        json_path = ".status.findings.total",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::role_of_account(),
    validation = rules::key_of_region("kmsKeyID", "region")
)]
pub struct AMIEncryptionTargetSpec {
    /// The name of the policy that this target is of.
    #[schemars(length(min = 1, max = 56))]
    #[x_kube(validation = rules::fixed("policy"))]
    pub policy: String,
    /// The ID of the AWS account: 12 digits.
    #[serde(rename = "accountID")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::fixed("accountID"))]
    #[x_kube(validation = rules::account_id())]
    pub account_id: String,
    /// The region's name, as in `eu-west-1`.
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::fixed("region"))]
    #[x_kube(validation = rules::region("region"))]
    pub region: String,
    /// The ARN of the IAM role to assume. Absent: the controller's own identity, which must be of this account.
    #[serde(rename = "roleARN", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rules::role_arn())]
    pub role_arn: Option<String>,
    /// The external ID that the role's trust policy asks for.
    #[serde(rename = "externalID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1224))]
    #[x_kube(validation = rules::external_id())]
    pub external_id: Option<String>,
    /// The KMS key, as the policy names it: a key ID, a key ARN, an alias name or an alias ARN.
    #[serde(rename = "kmsKeyID")]
    #[schemars(length(max = 256))]
    #[x_kube(
        validation = rules::key_form(),
        validation = rules::key_path(),
        validation = rules::key_id_in_arn()
    )]
    pub kms_key_id: String,
    /// `Audit`: AWS is only read. `Enforce`: images are migrated.
    pub mode: Mode,
    /// Whether to stop: no call to AWS is made for this target while it is true.
    #[serde(default)]
    pub suspend: bool,
    /// How often the account and region is scanned, as in `15m` or `1h30m`.
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::scan_interval_range())]
    #[x_kube(validation = rules::duration_form("scanInterval"))]
    pub scan_interval: Duration,
    /// How new images are found between two scans. Absent: scans alone find them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_images: Option<NewImageSettings>,
    /// Which images are meant. Absent: every image that the account owns.
    #[serde(default, skip_serializing_if = "ImageSelector::is_empty")]
    pub image_selector: ImageSelector,
    /// What to do with images that are encrypted, but under another key than the policy's.
    pub other_key: OtherKey,
    /// What to do with images that AWS Backup and Data Lifecycle Manager make and delete by themselves. `Exclude`: count
    /// those that are not encrypted as `backups`. `Include`: copy them like other images.
    #[serde(default)]
    pub backups: Backups,
    /// How images are copied.
    pub copy: CopySettings,
    /// What a verified copy has to pass before anything is published on it or moved to it.
    #[serde(default)]
    pub validation: ValidationSettings,
    /// What a verified copy takes over from its original.
    pub promotion: PromotionSettings,
    /// What is read of everything that can launch the images. Reading changes none of it.
    #[serde(default)]
    pub consumers: ConsumerSettings,
    /// Which images count as unused.
    #[serde(default)]
    pub unused: UnusedSettings,
    /// What is allowed: whatever goes beyond it is a finding. Absent: no findings are looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditSettings>,
    /// Settings of EC2 that are held, or reported. Absent: none is read or set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrails: Option<GuardrailSettings>,
    /// For how long a completed migration is kept whose original is gone, as in `720h`: at least `24h`. Its copy stays. A migration stays
    /// longer while consumers that were moved launch its copy, or while its copy exists and `promotion.map` is set.
    #[serde(rename = "historyTTL", default = "super::settings::default_history_ttl")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::history_ttl_range())]
    #[x_kube(validation = rules::duration_form("historyTTL"))]
    pub history_ttl: Duration,
}

/// What amiseal found in the account and region, and did there.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AMIEncryptionTargetStatus {
    /// The `metadata.generation` that this status describes; -1 means that amiseal has not seen the object yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Reconciling`, `Stalled`, `Compliant`, `Reachable`, `KeyUsable` and, once it has been asked about or found,
    /// `Permitted`, `Contested`, `UsageKnown`, `MapPublished` and `GuardrailsEnforced`. A message names the fix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// How many of the selected images are in which class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<ImageCounts>,
    /// How many migrations are where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrations: Option<MigrationCounts>,
    /// When the account and region was last scanned completely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scan_time: Option<Time>,
    /// The ARN of the key that `spec.kmsKeyID` stands for.
    #[serde(rename = "keyARN", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub key_arn: Option<String>,
    /// The ARN of the identity that AWS says amiseal acts as here.
    #[serde(rename = "callerARN", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub caller_arn: Option<String>,
    /// How many GiB of snapshots are kept twice, since an original with a verified copy is still there. Rounded up.
    #[serde(rename = "duplicateGiB", default, skip_serializing_if = "Option::is_none")]
    pub duplicate_gib: Option<u64>,
    /// Copies that amiseal made and whose original is gone. Nothing else holds what was in it, so they are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphaned_copies: Option<OrphanedCopies>,
    /// The oldest of the images that are not encrypted and have no migration, as under mode Audit: at most 50. `amiseal plan`
    /// names all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub unencrypted_images: Vec<UnencryptedImage>,
    /// Who uses the images. Absent until that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageStatus>,
    /// What is wrong. Absent where no findings are looked for, and until they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<FindingsStatus>,
    /// The policies that govern images which this one selects too, at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub contested_by: Vec<String>,
    /// What the annotation `amiseal.dev/scan` of the target and of its policy were when the last scan began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub observed_scan: Option<String>,
    /// Where the map from originals to copies is kept in the account and region. It is on record before anything is written there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<TargetMapStatus>,
    /// The guardrails that the policy has held or reported, each of which is on record before AWS is asked to set it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub guardrails: Vec<GuardrailStatus>,
}

/// Where the map from originals to copies is kept in an account and region.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TargetMapStatus {
    /// The beginning of the names of the parameters. amiseal deletes those that are this policy's when `promotion.map.ssmPrefix` is
    /// another one or none.
    #[schemars(length(max = 512))]
    pub ssm_prefix: String,
}
