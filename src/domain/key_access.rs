//! Who may use a key, as KMS shows it.

use std::collections::BTreeSet;

use super::{AwsError, Cause, ErrorClass};

/// What was read of who may use a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAccess {
    /// The key's policy, in JSON.
    pub policy: Result<Box<str>, AwsError>,
    /// Its grants, but for those that AWS's services have for one volume each. None where the policy alone tells enough.
    pub grants: Result<Vec<KeyGrant>, AwsError>,
}

impl KeyAccess {
    /// What a read has run into that passes by itself, if anything: nothing is known then.
    pub fn passing_failure(&self) -> Option<&AwsError> {
        let failures = [self.policy.as_ref().err(), self.grants.as_ref().err()];
        let mut failures = failures.into_iter().flatten();
        failures.find(|error| {
            matches!(error.class, ErrorClass::Throttled | ErrorClass::Transient) || error.is(Cause::CredentialsExpired)
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Operation;

    #[test]
    fn what_passes_by_itself_is_no_answer_and_what_is_denied_is_one() {
        for (class, cause, passes) in [
            (ErrorClass::Throttled, None, true),
            (ErrorClass::Transient, None, true),
            (ErrorClass::Denied, None, false),
            // The next call takes new ones.
            (ErrorClass::Denied, Some(Cause::CredentialsExpired), true),
        ] {
            let error = AwsError::new(Operation::ListGrants, class, cause);
            let policy: Box<str> = "{}".into();
            for access in [
                KeyAccess {
                    policy: Err(error.clone()),
                    grants: Ok(Vec::new()),
                },
                KeyAccess {
                    policy: Ok(policy),
                    grants: Err(error.clone()),
                },
            ] {
                assert_eq!(access.passing_failure().is_some(), passes, "{access:?}");
            }
        }
    }
}
