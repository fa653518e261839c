//! All regions that are enabled in an account.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// All regions that are enabled in an account, beside those of `regions`: one that is enabled later is taken as well. A region that
/// `regions` lists is taken as it stands there.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AllRegions {
    /// The KMS key in each of these regions: an alias name, as in `alias/ami`, or the ID of a multi-Region key, as in
    /// `mrk-1234abcd12ab34cd56ef1234567890ab`. Any other key ID, and every ARN, is of one region.
    #[serde(rename = "kmsKeyID")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rules::key_of_all_regions())]
    pub kms_key_id: String,
    /// The names of regions that are left out, at most 40. This does not take out what `regions` lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40), inner(length(max = 32)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = rules::excluded_regions())]
    pub exclude: Vec<String>,
}

/// How many accounts a policy takes all regions of.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RegionCounts {
    /// All accounts for which `allRegions` holds.
    #[serde(default)]
    pub accounts: u32,
    /// Those whose regions were never read for what the policy asks for now: they have the regions that it lists, and no other.
    #[serde(default)]
    pub unread: u32,
}
