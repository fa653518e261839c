//! One image on its way to an encrypted copy.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Approval, Desired, ImageUsage, MovedConsumer, PublishedSettings, ValidationStatus, rules, schema};

/// Which image is to be copied under which key, or whose copy of it is to be launched. Written by amiseal, once; `approval`, `approvedBy` and `desired` are for people.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "amiseal.dev",
    version = "v1alpha1",
    kind = "AMIMigration",
    plural = "amimigrations",
    shortname = "amim",
    category = "amiseal",
    status = "AMIMigrationStatus",
    derive = "PartialEq",
    selectable = ".status.stalled",
    validation = rules::migration_name(),
    doc = "A migration is one image on its way to an encrypted copy. amiseal writes it. Deleting it deletes nothing in \
           AWS, and amiseal adopts the copy when it makes the migration again.",
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
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
    printcolumn(name = "Image Name", type_ = "string", json_path = ".status.sourceName"),
    printcolumn(name = "Copy", type_ = "string", json_path = ".status.copy.imageID", priority = 1),
    printcolumn(name = "Usage", type_ = "string", json_path = ".status.usage.state", priority = 1),
    printcolumn(name = "Account", type_ = "string", json_path = ".spec.accountID", priority = 1),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::migration_is_fixed(),
    validation = rules::key_of_region("keyARN", "region")
)]
pub struct AMIMigrationSpec {
    /// The name of the policy that asked for the migration.
    #[schemars(length(min = 1, max = 56))]
    pub policy: String,
    /// The ID of the AWS account whose images and consumers this is about: 12 digits. It owns the image, unless `ownerAccountID` names
    /// another one.
    #[serde(rename = "accountID")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::account_id())]
    pub account_id: String,
    /// The ID of the AWS account that owns the image, where that is another one. Then nothing is copied: what launches the image in
    /// `accountID` is moved to the copy that the owner's migration has made. Absent where the account owns the image.
    #[serde(rename = "ownerAccountID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::owner_account_id())]
    pub owner_account_id: Option<String>,
    /// The region of the image and of its copy, as in `eu-west-1`.
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::region("region"))]
    pub region: String,
    /// The ID of the image to copy, as in `ami-0123456789abcdef0`.
    #[serde(rename = "sourceImageID")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::image_id("sourceImageID"))]
    pub source_image_id: String,
    /// The ARN of the key that the copy is encrypted under. It stays the same also when the policy's alias moves.
    #[serde(rename = "keyARN")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rules::key_arn())]
    pub key_arn: String,
    /// Whether somebody has approved that the consumers of the image are moved. That is waited for where the policy says
    /// `promotion.approval: Manual`, where it is not known whether they can launch the copy, and where they were put back and the
    /// migration was deleted and made anew since. amiseal never changes it.
    #[serde(default)]
    pub approval: Approval,
    /// The user name of whoever has approved it, as the API server knows them. Set it together with `approval`, as
    /// `kubectl amiseal approve` does; the chart's admission policy refuses any other name. Absent while nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub approved_by: Option<String>,
    /// `Migrated`: consumers are moved to the copy as the policy says. `Held`: none is moved, and none is put back. `RolledBack`: every
    /// consumer that was moved is put back to what it was before; the copy stays. amiseal never changes it.
    #[serde(default)]
    pub desired: Desired,
}

/// How far the migration has come.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AMIMigrationStatus {
    /// The `metadata.generation` that this status describes; -1 means that amiseal has not seen the object yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Pending`: waits to be admitted. `Copying`: AWS copies. `Verifying`: the copy is compared with the original.
    /// `Validating`: the copy is proven as the policy says.
    /// `Promoting`: the copy gets what it takes over, and what launches the original is moved to it. `Completed`: nothing is left to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<MigrationState>,
    /// The copy: first what is intended, then what AWS made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<CopyStatus>,
    /// The value that the annotation `amiseal.dev/retry` had when the last attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub observed_retry: Option<String>,
    /// The snapshots of the original and those of the copy, by device.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["device".into()]))]
    pub snapshots: Vec<SnapshotStatus>,
    /// The name of the original.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub source_name: Option<String>,
    /// Who uses the original. Absent until that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<ImageUsage>,
    /// Why the migration cannot go on until you act: the reason of its condition `Stalled`. Absent while it can.
    /// `kubectl get amim --field-selector status.stalled!=` lists those that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub stalled: Option<String>,
    /// When the original was found to be gone. The policy's `historyTTL` counts from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_gone_time: Option<Time>,
    /// Who has approved that the consumers of the original are moved. Absent while nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub approved_by: Option<String>,
    /// The policy's settings under which the copy was last published. When they change, so is the copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<PublishedSettings>,
    /// The proof that the policy asks for before the copy is published. What is to be launched stands here before AWS is asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<ValidationStatus>,
    /// The consumers of the original that were moved to the copy, are to be, or are left alone, at most 50. What was in place before
    /// stands here before anything is changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into(), "id".into()]))]
    pub consumers: Vec<MovedConsumer>,
    /// `Copied`, `Verified`, `Promoted`, `Ready`, `Reconciling`, `Stalled`, where the policy asks for a proof, `Validated`, and where it
    /// has consumers moved, `ConsumersMoved`. A message names the fix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}

/// How far a migration has come.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MigrationState {
    /// It waits to be admitted, or cannot be copied at all and says why.
    #[default]
    Pending,
    /// AWS makes the copy.
    Copying,
    /// The copy is compared with the original.
    Verifying,
    /// The copy is proven, where the policy asks for that.
    Validating,
    /// Publishing on the copy what the policy takes over from the original, and moving what launches the original.
    Promoting,
    /// Nothing is left to do.
    Completed,
}

impl MigrationState {
    /// The state's name, as `kubectl` shows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Copying => "Copying",
            Self::Verifying => "Verifying",
            Self::Validating => "Validating",
            Self::Promoting => "Promoting",
            Self::Completed => "Completed",
        }
    }
}

/// The copy: what was intended is on record before AWS is asked for it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CopyStatus {
    /// Which attempt this is; the first is 1.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// How many attempts to copy the image under this key have failed so far. An attempt whose token or name AWS had given
    /// away already is none. Absent in a status of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// The client token of the CopyImage call, by which AWS tells a repeated call from a new one.
    #[schemars(length(min = 1, max = 64))]
    pub client_token: String,
    /// The copy's name.
    #[schemars(length(min = 3, max = 128))]
    pub name: String,
    /// The copy's image ID. Absent until AWS has given one.
    #[serde(rename = "imageID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub image_id: Option<String>,
    /// When AWS was asked for this attempt; before it has answered, when the intent was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Time>,
}

/// One device of the image: the snapshot that the original has there, and the copy's.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotStatus {
    /// The device's name in the image, as in `/dev/xvda`.
    #[schemars(length(min = 1, max = 255))]
    pub device: String,
    /// The ID of the original's snapshot.
    #[schemars(length(max = 22))]
    pub source: String,
    /// The ID of the copy's snapshot. Absent until AWS shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 22))]
    pub copy: Option<String>,
    /// The ARN of the key that the copy's snapshot is encrypted under, as AWS reports it.
    #[serde(rename = "keyARN", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub key_arn: Option<String>,
}
