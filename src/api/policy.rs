//! The resource that people write: which accounts and regions, which images, under which key.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::new_images::NewImageSettings;
use super::{
    AccountCounts, AccountsFrom, AllRegions, AuditSettings, Backups, ConsumerSettings, CopySettings, Duration,
    FindingCounts, GuardrailSettings, ImageCounts, ImageSelector, MigrationCounts, Mode, OtherKey, PromotionSettings,
    RegionCounts, TargetCounts, UnusedSettings, UsageCounts, ValidationSettings, rules, schema,
};

/// Which images of which accounts and regions are to be encrypted under which key, and how they get there.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "amiseal.dev",
    version = "v1alpha1",
    kind = "AMIEncryptionPolicy",
    plural = "amiencryptionpolicies",
    shortname = "aep",
    category = "amiseal",
    status = "AMIEncryptionPolicyStatus",
    derive = "PartialEq",
    validation = rules::policy_name(),
    doc = "A policy says which machine images of which AWS accounts and regions are to be encrypted under which key. \
           amiseal makes one target for each account and region of it.",
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
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
        name = "Compliant",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Compliant")].status"#
    ),
    printcolumn(
        name = "Unencrypted",
        type_ = "integer",
        json_path = ".status.images.unencrypted"
    ),
    printcolumn(name = "Contested", type_ = "integer", json_path = ".status.images.contested"),
    printcolumn(name = "Unknown", type_ = "integer", json_path = ".status.images.unknown"),
    printcolumn(
        name = "Copied",
        type_ = "integer",
        json_path = ".status.migrations.completed"
    ),
    printcolumn(
        name = "Stalled",
        type_ = "integer",
        json_path = ".status.migrations.stalled"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend", priority = 1),
    printcolumn(
        name = "Targets",
        type_ = "integer",
        json_path = ".status.targets.total",
        priority = 1
    ),
    printcolumn(
        name = "Images",
        type_ = "integer",
        json_path = ".status.images.total",
        priority = 1
    ),
    printcolumn(
        name = "In Progress",
        type_ = "integer",
        json_path = ".status.migrations.inProgress",
        priority = 1
    ),
    printcolumn(
        name = "Findings",
        type_ = "integer",
        json_path = ".status.findings.total",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::accounts_somewhere(),
    validation = rules::accounts_from_has_defaults(),
    validation = rules::regions_somewhere(),
    validation = rules::role_of_default_partition(),
    validation = rules::default_key_for_all(),
    validation = rules::key_of_all_regions_for_all()
)]
pub struct AMIEncryptionPolicySpec {
    /// `Audit`: AWS is only read, and nothing in it is ever written, but that AWS itself makes the key `alias/aws/ebs` when it
    /// is asked about one that was never used. `Enforce`: images are migrated.
    #[serde(default)]
    pub mode: Mode,
    /// Whether to stop: no call to AWS is made for this policy while it is true, and its status says so.
    #[serde(default)]
    pub suspend: bool,
    /// How often each account and region is scanned, as in `15m` or `1h30m`: at least `1m`, at most `24h`.
    #[serde(default = "default_scan_interval")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::scan_interval_range())]
    #[x_kube(validation = rules::duration_form("scanInterval"))]
    pub scan_interval: Duration,
    /// How new images are found between two scans, by the second look that shows them. Absent: scans alone find them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_images: Option<NewImageSettings>,
    /// What holds for every account that does not say it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<AccountDefaults>,
    /// The AWS accounts, at most 200. For more, write `accountsFrom`, or a second policy. It may be left out where `accountsFrom` is
    /// there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["accountID".into()]))]
    pub accounts: Vec<Account>,
    /// Accounts that AWS Organizations lists, besides those of `accounts`. New ones appear by themselves, and those that are closed,
    /// suspended or moved away leave after a while. Absent: there are those of `accounts` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts_from: Option<AccountsFrom>,
    /// Which images are meant. Absent: every image that the account owns.
    #[serde(default, skip_serializing_if = "ImageSelector::is_empty")]
    pub image_selector: ImageSelector,
    /// What to do with images that are encrypted, but under another key than the policy's. `Report`: count them.
    /// `Migrate`: copy them under the policy's key too.
    #[serde(default)]
    pub other_key: OtherKey,
    /// What to do with images that AWS Backup and Data Lifecycle Manager make and delete by themselves. `Exclude`: count
    /// those that are not encrypted as `backups`. `Include`: copy them like other images.
    #[serde(default)]
    pub backups: Backups,
    /// How images are copied.
    #[serde(default)]
    pub copy: CopySettings,
    /// What a verified copy has to pass before anything is published on it or moved to it. Absent: nothing.
    #[serde(default)]
    pub validation: ValidationSettings,
    /// What a verified copy takes over from its original.
    #[serde(default)]
    pub promotion: PromotionSettings,
    /// What is read of everything that can launch the images. Reading changes none of it.
    #[serde(default)]
    pub consumers: ConsumerSettings,
    /// Which images count as unused.
    #[serde(default)]
    pub unused: UnusedSettings,
    /// What is allowed: whatever goes beyond it is a finding, counted and named in the status of the targets. `amiseal iam-policy`
    /// prints the rights that the role needs for it. Absent: no findings are looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditSettings>,
    /// Settings of EC2 in each account and region that are held, or reported: EBS encryption by default, and the blocks of public
    /// access. `amiseal iam-policy` prints the rights that the role needs for it. Absent: none is read or set.
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

fn default_scan_interval() -> Duration {
    Duration::from_mins(15)
}

/// What holds for every account of a policy that does not say it itself.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AccountDefaults {
    /// The name of the IAM role to assume in each account, with its path if it has one: `amiseal` stands for
    /// `arn:<partition>:iam::<accountID>:role/amiseal`. Used for accounts that give neither `roleARN` nor `roleName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 192))]
    #[x_kube(validation = rules::role_name())]
    pub role_name: Option<String>,
    /// The external ID that the roles' trust policies ask for: 2 to 1,224 characters.
    #[serde(rename = "externalID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1224))]
    #[x_kube(validation = rules::external_id())]
    pub external_id: Option<String>,
    /// The regions, and the key in each, of accounts that have neither `regions` nor `allRegions`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub regions: Vec<RegionSpec>,
    /// All other regions that are enabled in such an account. Absent: it has those of `defaults.regions` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_regions: Option<AllRegions>,
}

/// One AWS account.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::role_of_account(),
    validation = rules::one_role(),
    validation = rules::role_of_partition()
)]
pub struct Account {
    /// The account's ID: 12 digits, in quotes, since YAML reads it as a number otherwise.
    #[serde(rename = "accountID")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::account_id())]
    pub account_id: String,
    /// The ARN of the IAM role to assume, which must be of this account. Without `roleARN` and any `roleName`, the
    /// controller's own identity is used, and must be of this account.
    #[serde(rename = "roleARN", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rules::role_arn())]
    pub role_arn: Option<String>,
    /// The name of the IAM role to assume, with its path if it has one. Overrides `defaults.roleName`; give this or
    /// `roleARN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 192))]
    #[x_kube(validation = rules::role_name())]
    pub role_name: Option<String>,
    /// The external ID that the role's trust policy asks for: 2 to 1,224 characters. Overrides `defaults.externalID`.
    #[serde(rename = "externalID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1224))]
    #[x_kube(validation = rules::external_id())]
    pub external_id: Option<String>,
    /// The regions, at most 40, and the key in each. An account that has `regions` or `allRegions` takes neither from `defaults`;
    /// one that has none of the two takes both from there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub regions: Vec<RegionSpec>,
    /// All other regions that are enabled in the account. Absent: those of `regions` alone, or what `defaults` says where these are
    /// absent too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_regions: Option<AllRegions>,
}

/// One region, and the key that its images are to be encrypted under.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
#[x_kube(
    validation = rules::key_of_region("kmsKeyID", "name")
)]
pub struct RegionSpec {
    /// The region's name, as in `eu-west-1`.
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::region("name"))]
    pub name: String,
    /// The KMS key in this region: a key ID, a key ARN, an alias name as in `alias/ami`, or an alias ARN. It is
    /// resolved to a key ARN, which the target's status shows.
    #[serde(rename = "kmsKeyID")]
    #[schemars(length(max = 256))]
    #[x_kube(
        validation = rules::key_form(),
        validation = rules::key_path(),
        validation = rules::key_id_in_arn()
    )]
    pub kms_key_id: String,
}

/// What amiseal found and did, summed over the policy's targets.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AMIEncryptionPolicyStatus {
    /// The `metadata.generation` that this status describes. When it is lower than the current one, amiseal has not
    /// seen the last change yet; -1 means that it has not seen the object at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Reconciling`, `Stalled`, `Compliant`, `KeysUsable` and `TargetsReachable`, `MapPublished` where
    /// `promotion.map` is there, `AccountsKnown` where `accountsFrom` is, and `RegionsKnown` where `allRegions` is. A message names
    /// the fix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// How many accounts the policy has, where `accountsFrom` is there. Absent until AWS Organizations was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<AccountCounts>,
    /// Of how many accounts the policy takes all regions. Absent where it does so of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions: Option<RegionCounts>,
    /// How many targets the policy has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<TargetCounts>,
    /// How many images are in which class, over all targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<ImageCounts>,
    /// How many images are used, over all targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageCounts>,
    /// How many findings there are, over all targets. Absent where none are looked for, and until they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<FindingCounts>,
    /// How many migrations are where, over all targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrations: Option<MigrationCounts>,
    /// Where the map from originals to copies is kept in the cluster. It is on record before anything is written there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<MapStatus>,
}

/// Where the map from originals to copies is kept in the cluster.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MapStatus {
    /// The name of the ConfigMap in the controller's own namespace. amiseal deletes it, where it is this policy's, when
    /// `promotion.map.configMap` names another one or none.
    #[schemars(length(max = 253))]
    pub config_map: String,
}
