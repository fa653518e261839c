//! What was read of who may use a key, for all who launch images that are encrypted under it.

use super::{KeyFacts, Principal, asks_for_grants};
use crate::domain::{KeyAccess, KeyArn};

/// What was read of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyReading {
    /// Its policy, and its grants where they were asked for.
    pub access: KeyAccess,
    /// Whether they were: for those who asked, the policy alone may have told enough.
    pub has_grants: bool,
}

impl KeyReading {
    /// Whether it tells of all of these whether they may use the key.
    pub fn is_enough<'p>(&self, key: &KeyArn, principals: impl IntoIterator<Item = &'p Principal>) -> bool {
        let facts = KeyFacts {
            arn: key,
            aws_managed: false,
            access: Some(&self.access),
        };
        self.has_grants || !asks_for_grants(facts, principals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ErrorClass, Operation};
    use crate::plan::testing::{account, failed_call, key};

    #[test]
    fn a_policy_is_enough_for_those_whom_it_lets_use_the_key_and_grants_are_asked_for_once() {
        let role = |name: &str| Principal::Role {
            arn: format!("arn:aws:iam::111122223333:role/{name}").into(),
            account: account(),
        };
        let (ours, other) = (role("ours"), role("other"));
        let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111122223333:role/ours"}, "Action": "kms:*", "Resource": "*"}]});
        let policy: Box<str> = policy.to_string().into();
        let denied = || failed_call(Operation::GetKeyPolicy, ErrorClass::Denied);
        for (policy, has_grants, principals, expected) in [
            (Ok(policy.clone()), false, vec![], true),
            (Ok(policy.clone()), false, vec![&ours], true),
            (Ok(policy.clone()), false, vec![&ours, &other], false),
            (Ok(policy.clone()), true, vec![&ours, &other], true),
            // Grants tell nothing without the policy.
            (Err(denied()), false, vec![&other], true),
        ] {
            let case = format!("{policy:?} {has_grants} {principals:?}");
            let reading = KeyReading {
                access: KeyAccess {
                    policy,
                    grants: Ok(Vec::new()),
                },
                has_grants,
            };
            assert_eq!(reading.is_enough(&key(1), principals), expected, "{case}");
        }
    }
}
