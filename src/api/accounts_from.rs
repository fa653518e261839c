//! Accounts that AWS Organizations lists.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// Which accounts AWS Organizations is asked for, and by whom: all of the organization, or those of organizational units. What
/// `defaults` says holds for each of them. An account that `accounts` lists as well is taken as it stands there.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::one_source_of_accounts())]
pub struct AccountsFrom {
    /// `{}`: all accounts of the organization, the management account too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<WholeOrganization>,
    /// The IDs of organizational units, as in `ou-ab12-c3d4e5f6`, at most 50: their accounts, and those of the units below them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(max = 68)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = rules::organizational_units())]
    pub organizational_units: Vec<String>,
    /// The IDs of accounts that are left out, at most 500. This does not take out what `accounts` lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), inner(length(max = 32)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = rules::excluded_accounts())]
    pub exclude: Vec<String>,
    /// The ARN of the IAM role to assume for that, in the organization's management account or in one that is a delegated
    /// administrator. Absent: the controller's own identity asks, and has to be of such an account.
    #[serde(rename = "roleARN", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rules::role_arn())]
    pub role_arn: Option<String>,
    /// The external ID that this role's trust policy asks for: 2 to 1,224 characters.
    #[serde(rename = "externalID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1224))]
    #[x_kube(validation = rules::external_id())]
    pub external_id: Option<String>,
}

/// All accounts of the organization.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WholeOrganization {}

/// How many accounts a policy has that takes accounts from AWS Organizations.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AccountCounts {
    /// All accounts that the policy has: those that AWS Organizations lists, and those of `accounts`.
    #[serde(default)]
    pub total: u32,
    /// Those that AWS Organizations lists and `exclude` leaves out.
    #[serde(default)]
    pub excluded: u32,
    /// Those that AWS Organizations lists in another state than `ACTIVE`, such as `SUSPENDED`.
    #[serde(default)]
    pub suspended: u32,
    /// When AWS Organizations was last read. It is written when something else has changed, and at least once an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_time: Option<Time>,
}
