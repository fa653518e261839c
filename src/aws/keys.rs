//! KMS keys: which key a policy means, and whether EBS can encrypt with it.

use aws_sdk_kms::types::{KeyManagerType, KeyMetadata, KeySpec, KeyState, KeyUsageType};

use super::session::Session;
use crate::domain::{AwsError, ErrorClass, Operation};
use crate::domain::{Key, KeyArn, KeyProblem, KeyUsability, Region};

impl Session {
    /// Resolves what a policy names, a key ID, key ARN, alias or alias ARN, to a key, and says whether EBS can encrypt with it.
    ///
    /// The inner error says that there is no such key here to speak of. Asking for `alias/aws/ebs` where that key was never used makes
    /// AWS create it, which costs nothing; it is asked for only when the policy names it.
    pub async fn resolve_key(&self, key: &str) -> Result<Result<Key, KeyProblem>, AwsError> {
        if arn_region(key).is_some_and(|region| region != self.key.scope.region.as_str()) {
            // KMS would only say that there is no such key.
            return Ok(Err(KeyProblem::WrongRegion));
        }
        let kms = self.kms();
        let answer = match self
            .call(Operation::DescribeKey, kms.describe_key().key_id(key).send())
            .await
        {
            Ok(answer) => answer,
            Err(error) if is_absent(&error) => return Ok(Err(KeyProblem::NotFound)),
            Err(error) => return Err(error),
        };
        let malformed = |what: &dyn std::fmt::Display| AwsError::malformed(Operation::DescribeKey, what);
        let metadata = answer.key_metadata.ok_or_else(|| malformed(&"no key in the answer"))?;
        let arn = metadata.arn.as_deref().unwrap_or_default();
        let arn: KeyArn = arn.parse().map_err(|error| malformed(&error))?;
        let usability = usability(&metadata, &arn, &self.key.scope.region);
        let aws_managed = metadata.key_manager == Some(KeyManagerType::Aws);
        Ok(Ok(Key {
            arn,
            usability,
            aws_managed,
        }))
    }
}

/// Whether KMS says that there is no such key: an ARN it cannot read names none either.
fn is_absent(error: &AwsError) -> bool {
    error.class == ErrorClass::NotFound || error.code.as_deref() == Some("InvalidArnException")
}

/// The region in an ARN, if `key` is one.
fn arn_region(key: &str) -> Option<&str> {
    key.strip_prefix("arn:")?.split(':').nth(2)
}

/// What can never change comes first, so that a wrong key is not reported as one to wait for.
fn usability(key: &KeyMetadata, arn: &KeyArn, region: &Region) -> KeyUsability {
    let symmetric = key.key_spec == Some(KeySpec::SymmetricDefault);
    let encrypts = key.key_usage == Some(KeyUsageType::EncryptDecrypt);
    let problem = if arn.region() != region {
        KeyProblem::WrongRegion
    } else if !(symmetric && encrypts) {
        KeyProblem::WrongUsage
    } else {
        match key.key_state {
            Some(KeyState::Enabled) => return KeyUsability::Usable,
            Some(KeyState::Disabled) => KeyProblem::Disabled,
            Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion) => KeyProblem::PendingDeletion,
            _ => KeyProblem::NotReady,
        }
    };
    KeyUsability::Unusable(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn judged(region: &str, spec: &str, usage: KeyUsageType, state: Option<KeyState>) -> KeyUsability {
        let key = KeyMetadata::builder()
            .key_id("1234abcd-12ab-34cd-56ef-1234567890ab")
            .key_spec(KeySpec::from(spec))
            .key_usage(usage)
            .set_key_state(state)
            .build()
            .expect("a key");
        let arn = ARN.parse().expect("a key ARN");
        usability(&key, &arn, &region.parse().expect("a region"))
    }

    #[test]
    fn only_an_enabled_symmetric_key_of_the_region_is_usable() {
        use KeyProblem::*;
        use KeyUsability::{Unusable, Usable};
        let symmetric = |state| judged("eu-west-1", "SYMMETRIC_DEFAULT", KeyUsageType::EncryptDecrypt, state);
        for (state, expected) in [
            (Some(KeyState::Enabled), Usable),
            (Some(KeyState::Disabled), Unusable(Disabled)),
            (Some(KeyState::PendingDeletion), Unusable(PendingDeletion)),
            (Some(KeyState::PendingReplicaDeletion), Unusable(PendingDeletion)),
            (Some(KeyState::Creating), Unusable(NotReady)),
            (Some(KeyState::PendingImport), Unusable(NotReady)),
            (Some(KeyState::Unavailable), Unusable(NotReady)),
            (Some(KeyState::Updating), Unusable(NotReady)),
            (Some(KeyState::from("Dreaming")), Unusable(NotReady)),
            (None, Unusable(NotReady)),
        ] {
            assert_eq!(symmetric(state.clone()), expected, "{state:?}");
        }
        for (spec, usage) in [
            ("RSA_2048", KeyUsageType::EncryptDecrypt),
            ("SYMMETRIC_DEFAULT", KeyUsageType::SignVerify),
            ("HMAC_256", KeyUsageType::GenerateVerifyMac),
        ] {
            for state in [KeyState::Enabled, KeyState::Disabled] {
                let judged = judged("eu-west-1", spec, usage.clone(), Some(state));
                assert_eq!(judged, Unusable(WrongUsage), "{spec} {usage:?}");
            }
        }
        let elsewhere = judged(
            "eu-central-1",
            "SYMMETRIC_DEFAULT",
            KeyUsageType::EncryptDecrypt,
            Some(KeyState::Enabled),
        );
        assert_eq!(elsewhere, Unusable(WrongRegion));
    }

    #[test]
    fn the_region_of_an_arn_is_read_from_key_and_alias_arns_only() {
        assert_eq!(arn_region(ARN), Some("eu-west-1"));
        assert_eq!(
            arn_region("arn:aws:kms:us-east-1:111122223333:alias/ami"),
            Some("us-east-1")
        );
        for other in ["alias/ami", "1234abcd-12ab-34cd-56ef-1234567890ab", "mrk-1", ""] {
            assert_eq!(arn_region(other), None, "{other}");
        }
    }
}
