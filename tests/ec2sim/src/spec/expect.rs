//! What should have come of the world: the yardstick of the audit.

use serde::{Deserialize, Serialize};

use crate::glob;
use crate::model::Setting;

/// What should become of one image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Expectation {
    /// Nothing is said; only the rules that hold for every image apply.
    #[default]
    Any,
    /// Not copied and not changed.
    Untouched,
    /// Already encrypted: not copied and not changed.
    Encrypted,
    /// Copied once, and not changed itself.
    Copied(CopiedExpectation),
}

/// What a good copy of an image is like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CopiedExpectation {
    /// Alias or ID of the key, in the account and region of the image, that all its snapshots are under.
    pub key: String,
    /// Launch permissions of the copy.
    #[serde(default)]
    pub launch_permissions: Keep,
    /// Description of the copy.
    #[serde(default)]
    pub description: Keep,
    /// Deprecation time of the copy.
    #[serde(default)]
    pub deprecation: Keep,
    /// IMDS support of the copy.
    #[serde(default)]
    pub imds: Keep,
    /// The original's tags on the copy.
    #[serde(default)]
    pub tags: TagExpectation,
}

/// Whether the copy has a property of the original.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Keep {
    /// The same as the original's.
    #[default]
    Preserved,
    /// None.
    None,
    /// Whatever.
    Any,
}

/// Whether the copy has the original's tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TagExpectation {
    /// All of them, with their values.
    Published,
    /// None of them.
    Withheld,
    /// Whatever.
    #[default]
    Any,
}

/// What should have come of the world as a whole.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorldExpectations {
    /// Where no call may have had an effect.
    pub no_mutating_calls: Vec<Scope>,
    /// Effects on things that the caller did not create, which are right nevertheless.
    pub allow: Vec<AllowedCall>,
    /// Denials that are right; `resource` is compared with every parameter of the call.
    pub expected_denials: Vec<AllowedCall>,
    /// Whether other calls that IAM denied are wrong; default true.
    pub denials_are_wrong: Option<bool>,
    /// Whether failed copies that are left behind are wrong; default true.
    pub failed_copies_are_wrong: Option<bool>,
    /// Keys of tags: an instance that a call has launched with one of them must not be left running.
    pub temporary_instances: Vec<String>,
    /// What should become of settings of regions.
    pub settings: Vec<SettingExpectation>,
}

/// What should become of a setting of a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettingExpectation {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Which setting.
    pub setting: Setting,
    /// What it is set to in the end, in a word; a key by any of its names. Absent: no call has tried to set it.
    #[serde(default)]
    pub is: Option<String>,
}

/// A part of the world; what is absent is all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Scope {
    /// An account.
    pub account: Option<String>,
    /// A region.
    pub region: Option<String>,
}

/// Calls that may change what was there before.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AllowedCall {
    /// Operation, with `*`.
    pub operation: Option<String>,
    /// Image or snapshot ID, with `*`.
    pub resource: Option<String>,
    /// An account.
    pub account: Option<String>,
    /// A region.
    pub region: Option<String>,
}

impl AllowedCall {
    /// Whether it speaks of such a call, apart from the resource.
    pub(crate) fn covers(&self, operation: &str, account: &str, region: &str) -> bool {
        let fits = |pattern: &Option<String>, text: &str| pattern.as_ref().is_none_or(|p| glob::matches(p, text));
        fits(&self.operation, operation) && fits(&self.account, account) && fits(&self.region, region)
    }
}
