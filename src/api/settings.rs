//! The settings that a policy gives and its targets carry on: what is selected and how it is migrated.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, rules, schema};

/// Whether AWS is written to. `Audit` only reads and reports; `Enforce` migrates the images.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Nothing in AWS is ever written.
    #[default]
    Audit,
    /// Images are migrated.
    Enforce,
}

/// What becomes of images that are encrypted, but under a key that is not the policy's.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherKey {
    /// Copy them under the policy's key too.
    Migrate,
    /// Count them, and leave them alone.
    #[default]
    Report,
}

/// What becomes of images that AWS Backup and Data Lifecycle Manager make and delete by themselves.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backups {
    /// Count those that are not encrypted, and leave them alone.
    #[default]
    Exclude,
    /// Treat them like other images.
    Include,
}

/// For how long a migration is kept whose original is gone, unless the policy says otherwise: 30 days.
pub(super) fn default_history_ttl() -> Duration {
    Duration::from_secs(30 * 24 * 3600)
}

/// The images that are meant: those that match any term of `include` and no term of `exclude`.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ImageSelector {
    /// The images to take: those that match at least one of these terms. Absent or empty: every image that the
    /// account owns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub include: Vec<ImageTerm>,
    /// The images to leave alone, also when `include` takes them: those that match at least one of these terms. They
    /// are counted as `exempt`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub exclude: Vec<ImageTerm>,
}

impl ImageSelector {
    /// Whether nothing is said, which selects every image that the account owns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }
}

/// One way to match an image: every field that is given must match.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::term_says_something()
)]
pub struct ImageTerm {
    /// Globs, one of which the image's name must match: `*` stands for any characters, `?` for exactly one. Case
    /// matters. Example: `web-*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub names: Vec<String>,
    /// Tags that the image must all have: the key exactly as written, the value as a glob in which `*` stands for any
    /// characters and `?` for exactly one. Example: `{team: "*"}`, any image that has the tag `team`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::tag_globs")]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    #[x_kube(validation = rules::tag_keys())]
    pub tags: BTreeMap<String, String>,
    /// Image IDs, one of which must be the image's. Example: `ami-0123456789abcdef0`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200), inner(length(max = 32)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = rules::image_ids())]
    pub ids: Vec<String>,
}

/// How images are copied.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CopySettings {
    /// The copy's name. `{sourceID}` stands for the original's ID and `{name}` for its name. A short hash is put
    /// after it, and the whole is cut to the 128 characters that AWS allows.
    #[serde(default = "default_name_pattern")]
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = rules::name_pattern_signs())]
    #[x_kube(validation = rules::name_pattern_names_origin())]
    pub name_pattern: String,
    /// Tags that the copy and its snapshots get besides amiseal's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::tags")]
    #[x_kube(validation = rules::extra_tag_keys())]
    #[x_kube(validation = rules::extra_tags_not_reserved())]
    pub extra_tags: BTreeMap<String, String>,
    /// How many snapshots may be copied at the same time in one account and region, those of other tools included.
    /// AWS's own limit is 20 unless AWS Support raised it.
    #[serde(default = "default_max_concurrent_snapshots")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_concurrent_snapshots: u32,
    /// How often a copy that failed is tried, the first time included, before the migration stalls with the reason
    /// `AttemptsExhausted`.
    #[serde(default = "default_max_attempts")]
    #[schemars(range(min = 1, max = 10))]
    pub max_attempts: u32,
}

impl Default for CopySettings {
    fn default() -> Self {
        Self {
            name_pattern: default_name_pattern(),
            extra_tags: BTreeMap::new(),
            max_concurrent_snapshots: default_max_concurrent_snapshots(),
            max_attempts: default_max_attempts(),
        }
    }
}

fn default_name_pattern() -> String {
    "encrypted-{sourceID}-{name}".to_owned()
}

fn default_max_concurrent_snapshots() -> u32 {
    20
}

fn default_max_attempts() -> u32 {
    3
}
