//! Who may use a key, as KMS shows it.

use std::collections::BTreeSet;

use super::AwsError;

/// What was read of who may use a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAccess {
    /// The key's policy, in JSON.
    pub policy: Result<Box<str>, AwsError>,
    /// Its grants, but for those that AWS's services have for one volume each. None where the policy alone tells enough.
    pub grants: Result<Vec<KeyGrant>, AwsError>,
}

/// A grant of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyGrant {
    /// The ARN of who may use the key by it.
    pub grantee: Box<str>,
    /// What it permits, such as `Decrypt`.
    pub operations: BTreeSet<Box<str>>,
    /// Whether it holds for some encryption contexts or sources only.
    pub constrained: bool,
}
