//! Who may use a key: its policy and its grants. KMS shows the policy only in the account that owns the key.

use aws_sdk_kms::types::GrantListEntry;

use super::listing::listed;
use super::pages::Pages;
use super::session::Session;
use crate::domain::{AwsError, KeyArn, KeyGrant, Operation};

const POLICY: Operation = Operation::GetKeyPolicy;
const GRANTS: Operation = Operation::ListGrants;

/// The one name that a key's policy can have.
const NAME: &str = "default";

/// AWS's largest page of grants: a key has one for each volume that is attached.
const PAGE: i32 = 1000;

impl Session {
    /// Reads a key's policy.
    pub async fn key_policy(&self, key: &KeyArn) -> Result<Box<str>, AwsError> {
        let kms = self.kms();
        let request = kms.get_key_policy().key_id(key.as_str()).policy_name(NAME);
        let answer = self.call(POLICY, request.send()).await?;
        match answer.policy {
            Some(policy) if !policy.is_empty() => Ok(policy.into()),
            _ => Err(AwsError::malformed(POLICY, &"no policy in the answer")),
        }
    }

    /// Reads the grants that identities of IAM have of a key. Those of AWS's services, one for each volume, are left out.
    pub async fn key_grants(&self, key: &KeyArn) -> Result<Vec<KeyGrant>, AwsError> {
        let mut grants = Vec::new();
        let mut pages = Pages::default();
        while pages.more() {
            let kms = self.kms();
            let request = kms
                .list_grants()
                .key_id(key.as_str())
                .limit(PAGE)
                .set_marker(pages.token());
            let page = self.call(GRANTS, request.send()).await?;
            grants.extend(listed(GRANTS, page.grants)?.iter().filter_map(of_identity));
            let next = page.next_marker.filter(|_| page.truncated);
            if page.truncated && next.is_none() {
                return Err(AwsError::malformed(GRANTS, &"a page without the way to the next one"));
            }
            pages.turn(GRANTS, next)?;
        }
        Ok(grants)
    }
}

/// A grant whose grantee is a user, a role or an account.
fn of_identity(grant: &GrantListEntry) -> Option<KeyGrant> {
    let grantee = grant.grantee_principal()?;
    if grantee.split(':').nth(2) != Some("iam") {
        return None;
    }
    Some(KeyGrant {
        grantee: grantee.into(),
        operations: grant
            .operations()
            .iter()
            .map(|operation| operation.as_str().into())
            .collect(),
        constrained: grant.constraints().is_some_and(|constraints| {
            let subset = constraints.encryption_context_subset();
            let equals = constraints.encryption_context_equals();
            let is_narrow = subset.or(equals).is_some_and(|pairs| !pairs.is_empty());
            is_narrow || equals.is_some_and(|pairs| !pairs.is_empty()) || constraints.source_arn().is_some()
        }),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::Access;
    use super::super::testing::{ACCOUNT, Answer, Wire, bench, open, own};
    use super::*;
    use crate::domain::ErrorClass;

    fn key() -> KeyArn {
        format!("arn:aws:kms:eu-west-1:{ACCOUNT}:key/1").parse().expect("a key")
    }

    fn grant(grantee: &str, constraints: &str) -> String {
        format!(r#"{{"GranteePrincipal":"{grantee}","Operations":["Decrypt","CreateGrant"]{constraints}}}"#)
    }

    #[tokio::test]
    async fn grants_of_identities_are_read_page_by_page_and_those_of_volumes_are_left_out() {
        let pages = AtomicU32::new(0);
        let wire = Wire::new(move |_| {
            let role = "arn:aws:iam::111122223333:role/one";
            let (grants, next) = if pages.fetch_add(1, Ordering::SeqCst) == 1 {
                let narrow = r#","Constraints":{"EncryptionContextSubset":{"aws:ebs:id":"vol-1"}}"#;
                (grant(role, narrow), r#""Truncated":false"#)
            } else {
                let volume = "arn:aws:sts::111122223333:assumed-role/aws:ec2-infrastructure/i-1";
                let grants = [grant(volume, ""), grant(role, "")].join(",");
                (grants, r#""Truncated":true,"NextMarker":"2""#)
            };
            Answer::ok(format!(r#"{{"Grants":[{grants}],{next}}}"#))
        });
        let bench = bench(&wire, open()).await;
        let session = bench.aws.session(&own(Access::ReadOnly));
        let grants = session.key_grants(&key()).await.expect("grants");
        let found: Vec<(&str, bool)> = grants
            .iter()
            .map(|grant| (&*grant.grantee, grant.constrained))
            .collect();
        let role = "arn:aws:iam::111122223333:role/one";
        assert_eq!(found, [(role, false), (role, true)]);
        assert!(grants[0].operations.contains("Decrypt"), "{grants:?}");
    }

    #[tokio::test]
    async fn an_answer_that_is_not_whole_is_no_answer() {
        for body in [r#"{"Truncated":false}"#, r#"{"Grants":[],"Truncated":true}"#] {
            let wire = Wire::new(move |_| Answer::ok(body));
            let bench = bench(&wire, open()).await;
            let session = bench.aws.session(&own(Access::ReadOnly));
            let grants = session.key_grants(&key()).await;
            assert_eq!(grants.map_err(|error| error.class), Err(ErrorClass::Invalid), "{body}");
            let policy = session.key_policy(&key()).await;
            assert_eq!(policy.map_err(|error| error.class), Err(ErrorClass::Invalid), "{body}");
        }
    }
}
