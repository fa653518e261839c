//! Who uses the images: what a policy says of reading it, and what statuses say of it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::sums;
use super::{Duration, rules, schema};

/// So many consumers of an image are named in its migration.
pub const NAMED_CONSUMERS: usize = 20;
/// So many images of other accounts are listed in a target, each with a kind of consumer.
pub const FOREIGN_IMAGES: usize = 200;

/// Of so many a migration says whether they may use the key.
pub const KEY_ACCESS_ROWS: usize = 20;

/// What is read of everything that can launch images. Reading changes none of it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerSettings {
    /// Whether to read who uses the images: instances, launch templates, Auto Scaling groups and everything else that can
    /// launch one. `amiseal iam-policy` prints the rights that the role needs for it. What the role may not read makes no image
    /// fail: it is named, and nobody is said not to use an image.
    #[serde(default = "yes")]
    pub read: bool,
    /// Which parameters of Systems Manager's Parameter Store count. `Images`: those of the data type `aws:ec2:image`.
    /// `All`: also plain ones whose value is or contains the ID of an image.
    #[serde(default)]
    pub parameters: ParameterScope,
    /// Whether AWS is asked what other accounts use of your images. `Create`: amiseal has EC2 make usage reports, of images that
    /// have a migration and that accounts may launch of which no target reads what they use: at most 5 at a time in an
    /// account and region, and each anew after a week. It takes `read: true`, mode `Enforce`, since a report is something that is
    /// made in AWS, and rights of its own, which `amiseal iam-policy` prints. `Ignore`: reports are neither made nor read.
    #[serde(default)]
    pub usage_reports: UsageReports,
    /// Tags by which your tools mark what they declare, such as `{terraform: "*"}`: the key exactly as written, the value
    /// as a glob. A consumer that has one of them is shown as owned by that tag, for those who will have to change it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::tag_globs")]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    #[x_kube(validation = rules::tag_keys())]
    pub owned_by: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

impl Default for ConsumerSettings {
    fn default() -> Self {
        Self {
            read: true,
            parameters: ParameterScope::default(),
            usage_reports: UsageReports::default(),
            owned_by: BTreeMap::new(),
        }
    }
}

/// Which parameters count as consumers of images.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParameterScope {
    /// Those of the data type `aws:ec2:image`.
    #[default]
    Images,
    /// Also plain ones.
    All,
}

/// Whether EC2's usage reports are made and read.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsageReports {
    /// Neither.
    #[default]
    Ignore,
    /// Both.
    Create,
}

/// Which images count as unused.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct UnusedSettings {
    /// For how long an image must not have been launched to count as unused, as in `2160h`: at least `24h`. AWS reports a
    /// launch up to a day late, so that amiseal waits for one day more.
    #[serde(default = "ninety_days")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::unused_after_range())]
    #[x_kube(validation = rules::duration_form("after"))]
    pub after: Duration,
}

fn ninety_days() -> Duration {
    Duration::from_secs(90 * 24 * 3600)
}

impl Default for UnusedSettings {
    fn default() -> Self {
        Self { after: ninety_days() }
    }
}

/// Who uses the images of an account and region, as the last reading showed it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct UsageStatus {
    /// How many of the selected images something can launch.
    #[serde(default)]
    pub used: u32,
    /// How many of them nobody uses, as far as everything was read that could tell.
    #[serde(default)]
    pub unused: u32,
    /// How many GiB the volumes of these have. Their snapshots take less.
    #[serde(rename = "unusedGiB", default)]
    pub unused_gib: u64,
    /// How many of them nobody is known to use, while something that could tell was not read, or the image was launched too
    /// lately. Treat them as used.
    #[serde(default)]
    pub unknown: u32,
    /// How many consumers of each kind use an image of the account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into()]))]
    pub consumers: Vec<KindCount>,
    /// What could not be read, by kind of consumer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into()]))]
    pub unread: Vec<UnreadKind>,
    /// Images that are launched here and that the account does not own, or not any more, at most 200: the targets of their
    /// owners read this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub foreign_images: Vec<ForeignImage>,
    /// How many more rows there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub foreign_images_omitted: u32,
    /// When the reading began that all of this is from. A later one that showed the same is noted with the time of a scan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_time: Option<Time>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// How many of the selected images are used, summed over targets.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct UsageCounts {
    /// How many something can launch.
    #[serde(default)]
    pub used: u32,
    /// How many nobody uses.
    #[serde(default)]
    pub unused: u32,
    /// How many GiB the volumes of these have. Their snapshots take less.
    #[serde(rename = "unusedGiB", default)]
    pub unused_gib: u64,
    /// Of how many it cannot be said. Treat them as used.
    #[serde(default)]
    pub unknown: u32,
}

impl From<&UsageStatus> for UsageCounts {
    fn from(status: &UsageStatus) -> Self {
        Self {
            used: status.used,
            unused: status.unused,
            unused_gib: status.unused_gib,
            unknown: status.unknown,
        }
    }
}

sums!(UsageCounts {
    used,
    unused,
    unused_gib,
    unknown
});

/// How many consumers of one kind there are.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct KindCount {
    /// The kind, such as `AutoScalingGroup`.
    #[schemars(length(max = 32))]
    pub kind: String,
    /// How many.
    #[serde(default)]
    pub count: u32,
}

/// A kind of consumer of which not everything could be read.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct UnreadKind {
    /// The kind, such as `AutoScalingGroup`.
    #[schemars(length(max = 32))]
    pub kind: String,
    /// Why, and what to do.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// An image of another account that something launches here.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ForeignImage {
    /// The image's ID.
    #[serde(rename = "imageID")]
    #[schemars(length(max = 32))]
    pub image_id: String,
    /// The kind of what launches it.
    #[schemars(length(max = 32))]
    pub kind: String,
    /// How many of that kind do.
    #[serde(default)]
    pub count: u32,
}

/// Who uses one image, as the last reading showed it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ImageUsage {
    /// `Used`: something can launch the image. `Unused`: nobody uses it. `Unknown`: nobody is known to, and that nobody does
    /// cannot be said. Treat it as used.
    #[serde(default)]
    pub state: UsageState,
    /// How many consumers there are, by kind and account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub counts: Vec<ConsumerCount>,
    /// The consumers, at most 20. Those that launch others come first, instances last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub consumers: Vec<NamedConsumer>,
    /// How many consumers are not named.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: u32,
    /// Whether those who launch the image, and those whom it is known to be shared with, may use the key of the copy: at most 20,
    /// those first who may not. Absent where the policy has no `spec.audit`, by whose rights the key's policy is read, or does
    /// not make its check `key-unusable-by-consumers`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub key_access: Vec<KeyAccessRow>,
    /// When the image was last launched, as AWS reports it up to a day late. Absent where AWS does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_launched: Option<Time>,
    /// Why it cannot be said that nobody uses the image, where nobody is known to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// When AWS was asked for the usage report that is known of the image. The report counts instances and launch templates of
    /// other accounts, and they are among `counts`. Absent where `spec.consumers.usageReports` of the policy is `Ignore`, and
    /// until there is a report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_time: Option<Time>,
    /// When the reading began that this is from. Numbers may have changed for up to an hour since. Where nothing has changed, it
    /// stays as it is: `status.usage.readTime` of the target says when everything was read last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_time: Option<Time>,
}

/// Whether an image is used.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsageState {
    /// Something can launch it.
    Used,
    /// Nobody does.
    Unused,
    /// It cannot be said.
    #[default]
    Unknown,
}

/// Whether somebody may use the key of a copy.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct KeyAccessRow {
    /// Who it is: the role by which a service launches, an account, or an organization.
    #[schemars(length(max = 512))]
    pub who: String,
    /// `Denied`: they may not use the key. `Unknown`: that is not known. `Delegated`: the key's policy leaves it to the IAM
    /// policies of their account, which amiseal does not read. `Allowed`: they may.
    #[serde(default)]
    pub state: KeyAccessState,
    /// What is the matter, what launches by it, and what fixes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub message: Option<String>,
}

/// Whether somebody may use a key.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyAccessState {
    /// They may not.
    Denied,
    /// That is not known.
    #[default]
    Unknown,
    /// The IAM policies of their account decide.
    Delegated,
    /// They may.
    Allowed,
}

/// How many consumers of one kind are in one account.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerCount {
    /// The kind, such as `AutoScalingGroup`.
    #[schemars(length(max = 32))]
    pub kind: String,
    /// The account that they are in; absent for objects of this cluster, which belong to none.
    #[serde(rename = "accountID", default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 12))]
    pub account_id: String,
    /// How many.
    #[serde(default)]
    pub count: u32,
}

/// Something that can launch an image.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NamedConsumer {
    /// The kind, such as `AutoScalingGroup`.
    #[schemars(length(max = 32))]
    pub kind: String,
    /// The account that it is in; absent for an object of this cluster, which belongs to none.
    #[serde(rename = "accountID", default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 12))]
    pub account_id: String,
    /// Its ID or name; `Kind/namespace/name` of an object of this cluster, without a namespace where it has none.
    #[schemars(length(max = 256))]
    pub id: String,
    /// By what it launches the image, where it does not name it itself, as in `lt-0123456789abcdef0 $Default`. Of an object of this
    /// cluster, the field that names the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub via: Option<String>,
    /// Who has to change it, as in `CloudFormation shop`, where AWS, a tag, a label or an owner reference says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub owner: Option<String>,
}
